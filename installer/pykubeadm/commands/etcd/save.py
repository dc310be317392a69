"""`etcd snapshot save`: a snapshot through etcd's API, with what a cluster cannot be brought back without, into a store."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.etcd.kept import prune_store
from pykubeadm.commands.etcd.place import encryption_of, store_of
from pykubeadm.commands.existing import connect, existing
from pykubeadm.errors import ApiError, NodeError
from pykubeadm.etcd.archive import CLUSTER_CONFIGURATION, FILES, LARGEST_FILE, SUFFIX, Origin, named, pack, timestamp
from pykubeadm.etcd.encryption import SUFFIX as ENCRYPTED
from pykubeadm.etcd.encryption import Encryption
from pykubeadm.etcd.store import Kept
from pykubeadm.phases.cluster.stored import administrator, stored_cluster_document
from pykubeadm.phases.etcd.reach import healthiest, reach
from pykubeadm.phases.static_pods.present import arguments, present_pod
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Note, Result

if TYPE_CHECKING:
    from pykubeadm.commands.existing import Existing
    from pykubeadm.config.model import Configuration
    from pykubeadm.config.source import Source
    from pykubeadm.etcd.client import EtcdClient
    from pykubeadm.etcd.store import Store
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

_ENCRYPTION_FLAG = "encryption-provider-config"


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """What an archive is made of: the node whose files go into it, the member at `endpoint`, and where it is kept."""

    node: Node
    configuration: Configuration
    client: EtcdClient
    endpoint: str
    store: Store
    emit: Subscriber
    encryption: Encryption
    knows_version: bool = False  # whether `configuration` has the cluster's version, not a default


def save(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """Keep a new archive, and with `keep` only so many of the newest. EtcdError, NodeError or PhaseError with nothing kept."""
    found = existing(options, emit, machine=machine, source=source)
    store, encryption = store_of(found.node, options.get("store")), encryption_of(options, found.node)
    reached = reach(found.node, found.configuration)
    endpoint, status = healthiest(reached)
    store.require_space(status.db_size)
    configuration = _cluster_configuration(found, emit)
    taken = ArchiveSource(found.node, found.configuration, reached.client, endpoint, store, emit, encryption, found.known)
    saved, origin = keep_archive(taken, {CLUSTER_CONFIGURATION: configuration} if configuration else {})
    size, place = saved.size, store.place(saved.name)
    emit(
        Result(
            name="snapshot",
            text=f"{place}: {size / 2**20:.1f} MiB, revision {origin.revision}, of the member at {endpoint}",
            data={"place": place, "size": str(size), "revision": str(origin.revision), "hash": str(origin.hash)},
        )
    )
    if options.get("keep") is not None:
        for removed in prune_store(store, options["keep"]):
            emit(Note(level="info", topic="snapshot", message=f"removed {store.place(removed)}"))


def keep_archive(source: ArchiveSource, more: Mapping[str, bytes] = MappingProxyType({})) -> tuple[Kept, Origin]:
    """A new archive in the store, with what it says of itself; `more` goes into it, too."""
    now, origin = source.node.now(), _origin(source)
    name = named(now, origin.node, SUFFIX + (ENCRYPTED if source.encryption else ""))
    files = {**_files(source), **more}
    content = pack(replace(origin, created=timestamp(now)), files, source.client.snapshot(source.endpoint))
    return Kept(name, source.store.save(name, source.encryption.encrypted(content))), origin


def _origin(source: ArchiveSource) -> Origin:
    status, keys = source.client.status(source.endpoint), source.client.keys_hash(source.endpoint)
    cluster = source.configuration.cluster
    return Origin(
        created="",
        node=source.configuration.this_node.node_registration.name,
        cluster_id=f"{status.cluster_id:x}",
        member_id=f"{status.member_id:x}",
        revision=keys.revision,
        hash=keys.hash,
        etcd_version=status.version,
        kubernetes_version=cluster.kubernetes_version if source.knows_version else "",
        ca=ca_pin(source.node, cluster.certificates_dir),
    )


def ca_pin(node: Node, certificates_dir: str) -> str:
    """The pin of the cluster's CA on this node; "" where there is none that can be read."""
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.tokens.pin import pin_of

    content = node.read(posixpath.join(certificates_dir, "ca.crt"))
    try:
        return pin_of(load_certificates(content)[0]) if content else ""
    except (ValueError, IndexError):
        return ""


def _files(source: ArchiveSource) -> dict[str, bytes]:
    """By their names in the archive: keys and certificates, the encryption configuration."""
    node = source.node
    encryption = arguments(present_pod(node, "kube-apiserver")).get(_ENCRYPTION_FLAG, "")
    paths = [*_below(node, source.configuration.cluster.certificates_dir), *filter(None, [encryption])]
    files = {f"{FILES}{path}": content for path in paths if (content := _content(source, path)) is not None}
    if encryption and f"{FILES}{encryption}" not in files:
        missing = f"{encryption}, which the API server encrypts with, does not exist: without it encrypted objects are lost"
        _warn(source.emit, missing)
    return files


def _content(source: ArchiveSource, path: str) -> bytes | None:
    content = source.node.read_part(path, 0, LARGEST_FILE + 1)
    if content is None or len(content) <= LARGEST_FILE:
        return content
    limit = f"it has more than {LARGEST_FILE >> 20} MiB, which no key or certificate has"
    _warn(source.emit, f"the archive is without {path}: {limit}")
    return None


def _below(node: Node, directory: str, *, linked: bool = False) -> Iterator[str]:
    """Every file in a directory and those in it, and in those that links in it lead to; no further, as links may lead in a
    circle: `linked` says that `directory` is such a link."""
    for name in node.list_dir(directory):
        path = posixpath.join(directory, name)
        stat = node.stat(path)
        kind = stat.kind if stat is not None else ""
        is_directory = kind == "directory" or (kind == "link" and not _leads_to_file(node, path))
        if is_directory and not linked:
            yield from _below(node, path, linked=kind == "link")
        elif kind in ("file", "link") and not is_directory:
            yield path


def _leads_to_file(node: Node, link: str) -> bool:
    try:
        node.list_dir(link)
    except NodeError:
        return True
    return False


def _cluster_configuration(found: Existing, emit: Subscriber) -> bytes:
    def warn(message: str) -> None:
        _warn(emit, message)

    if found.node.stat(found.kubeconfig) is None:
        warn(f"the archive is without the cluster's configuration: {found.kubeconfig} does not exist")
        return b""
    try:
        api = connect(found.node, found.kubeconfig, warn)
        return to_yaml(stored_cluster_document(api, administrator(found.kubeconfig))).encode()
    except ApiError as error:
        warn(f"the archive is without the cluster's configuration: {str(error).splitlines()[0]}")
        return b""


def _warn(emit: Subscriber, message: str) -> None:
    emit(Note(level="warning", topic="snapshot", message=message))
