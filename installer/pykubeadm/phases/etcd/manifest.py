"""What this node's files say of its etcd member, and the way to it by that alone: no API server is needed."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.constants import CERTIFICATES_DIR, ETCD_CLIENT_PORT
from pykubeadm.errors import NodeError
from pykubeadm.etcd.client import EtcdClient, EtcdError, Member, tls_context
from pykubeadm.etcd.on_disk import MEMBER_PATTERN, members_in
from pykubeadm.node.port import Command, Directory, Node
from pykubeadm.phases.static_pods.present import absolute, arguments, host_path, present_pod
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    import ssl

NAME: Final = "etcd"
_DATA_VOLUME: Final = "etcd-data"  # kubeadm: phases/etcd/local.go
_CERTIFICATES: Final = ("ca.crt", "healthcheck-client.crt", "healthcheck-client.key")


@dataclass(frozen=True, slots=True)
class EtcdManifest:
    """What etcd.yaml says of this node's member, or the peer certificate where a join ended before it wrote that. URLs are
    lists, as etcd takes several; paths are absolute, or "" where none is named."""

    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    initial_cluster: Mapping[str, str]  # member's name → a peer URL, as when this one was added
    certificates_dir: str  # the folder with ca.crt and healthcheck-client.*
    data_dir: str
    wal_dir: str


def etcd_manifest(node: Node) -> EtcdManifest | None:
    """By the member's manifest; None where there is none that can be read."""
    pod = present_pod(node, NAME)
    return manifest_of(pod) if pod else None


def manifest_of(pod: Mapping[str, Any]) -> EtcdManifest:
    """What a static pod of etcd says."""
    flags = arguments(pod)
    pairs = (pair.partition("=") for pair in flags.get("initial-cluster", "").split(",") if "=" in pair)
    return EtcdManifest(
        name=flags.get("name", ""),
        peer_urls=_list(flags.get("initial-advertise-peer-urls", "")),
        client_urls=_list(flags.get("advertise-client-urls", "")),
        initial_cluster={name: url for name, _, url in pairs},
        certificates_dir=posixpath.dirname(flags.get("trusted-ca-file") or f"{CERTIFICATES_DIR}/etcd/ca.crt"),
        data_dir=host_path(pod, _DATA_VOLUME) or absolute(flags.get("data-dir", "")),
        wal_dir=absolute(flags.get("wal-dir", "")),
    )


def data_directory(node: Node, pod: Mapping[str, Any], manifest: EtcdManifest) -> list[Directory]:
    """The member's, for the user who runs etcd (RootlessControlPlane), where it is gone with its disk; [] where it is there."""
    if node.stat(manifest.data_dir) is not None:
        return []
    security = pod["spec"].get("securityContext") or {}
    return [Directory(manifest.data_dir, 0o700, security.get("runAsUser") or 0, security.get("runAsGroup") or 0)]


def log_elsewhere(manifest: EtcdManifest) -> str:
    """Why the member's data are not to be replaced: new ones must not meet a log of before, and that is on a disk of its own,
    which is not ours to move. "" where the log is with the data."""
    if not manifest.wal_dir or manifest.wal_dir == f"{manifest.data_dir}/member/wal":
        return ""
    return (
        f"etcd keeps its log in {manifest.wal_dir} (--wal-dir), and it would contradict the new data: while etcd is stopped, "
        f"move what is there to {manifest.data_dir}/member/wal and take the flag out of etcd's manifest"
    )


def joining_etcd(node: Node, folder: str) -> EtcdManifest | None:
    """The member as its peer certificate names it: it is added to etcd before its manifest is written."""
    try:
        content = node.read(f"{folder}/peer.crt")
    except NodeError:
        return None
    if content is None:
        return None
    from cryptography import x509

    from pykubeadm.manifests.addresses import etcd_peer_url
    from pykubeadm.pki.check import load_certificates

    try:
        certificate = load_certificates(content)[0]
        addresses = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.IPAddress
        )
    except (ValueError, IndexError, x509.ExtensionNotFound):
        return None
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    hosts = [str(address) for address in addresses if not address.is_loopback]
    return EtcdManifest("".join(names[:1]), tuple(map(etcd_peer_url, hosts)), (), {}, folder, data_dir="", wal_dir="")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def own_client(node: Node, manifest: EtcdManifest) -> EtcdClient:
    """This node's member, then those that there were when it was added. EtcdError where the certificates are not there."""
    # Who has come since is known to any of them.
    others = (f"{url.rpartition(':')[0]}:{ETCD_CLIENT_PORT}" for url in manifest.initial_cluster.values())
    return EtcdClient([*manifest.client_urls, *others], _tls(node, manifest), route=node.route)


def _tls(node: Node, manifest: EtcdManifest) -> ssl.SSLContext:
    contents = []
    for name in _CERTIFICATES:
        content = node.read(f"{manifest.certificates_dir}/{name}")
        if content is None:
            raise EtcdError(f"{manifest.certificates_dir}/{name}, with which to speak to etcd, does not exist")
        contents.append(content)
    return tls_context(*contents)


def members_on_disk(node: Node, manifest: EtcdManifest) -> tuple[Member, ...]:
    """As the database has them; () where there is none."""
    database = f"{manifest.data_dir}/member/snap/db"
    if not manifest.data_dir or node.stat(database) is None:
        return ()
    found = node.run(Command.look_up(("grep", "-aoE", MEMBER_PATTERN, database), "look for etcd's members"))
    return members_in(found.stdout.splitlines())
