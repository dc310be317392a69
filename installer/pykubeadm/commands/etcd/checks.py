"""What must be so before a restore changes anything: a snapshot that is whole and this cluster's, and nothing left that would be
overwritten or would contradict it. All that is wrong is said at once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from pykubeadm.commands.etcd import restoring
from pykubeadm.commands.etcd.others import other_hosts, running_on
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.commands.etcd.save import ca_pin
from pykubeadm.errors import PreflightError
from pykubeadm.etcd.archive import Archive, read_archive
from pykubeadm.etcd.client import EtcdError
from pykubeadm.etcd.snapshot import free_space
from pykubeadm.phases.etcd.manifest import log_elsewhere, own_client
from pykubeadm.phases.static_pods.stopped import is_stopped

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

_CHUNK: Final = 1 << 20  # bytes
_NEEDED: Final = 2.2  # times the snapshot: it is unpacked, and etcdutl makes a database of it


def look_at_snapshot(run: EtcdRun) -> Archive:
    """What is in the snapshot that the user named. DamagedSnapshotError where it is not whole, UsageError where there is none."""
    with run.given.opened() as file:
        return read_archive(file)


def require_restorable(run: EtcdRun) -> None:
    """PreflightError with everything that speaks against a restore of `run.archive`."""
    assert run.archive is not None  # noqa: S101
    problems = [*filter(None, [log_elsewhere(run.manifest)]), *_fits(run, run.archive), *_space(run, run.archive)]
    if not _is_begun(run):
        problems += _overwrites(run, run.archive)
    problems += still_running(run)
    if problems:
        raise PreflightError("\n".join(["nothing was changed:", *(f"- {problem}" for problem in problems)]))


def under_way(run: EtcdRun) -> restoring.Restoring | None:
    """What an earlier run has begun and not ended. Where the API server was started since, by whomever, etcd lives on and the
    record is of the past, unless the data are in place and etcd is healthy with them: then only waits were left. --force restores
    them again."""
    record = restoring.read(run.node)
    if record is None or _is_begun(run):
        return record
    return record if record.has_data and not run.force and _is_healthy(run) else None


def _is_healthy(run: EtcdRun) -> bool:
    try:
        own_client(run.node, run.manifest).members()
    except EtcdError:
        return False
    return True


def _is_begun(run: EtcdRun) -> bool:
    """An earlier run, or the user, has stopped this node's API server: there is nothing to protect any more."""
    return is_stopped(run.node, "kube-apiserver")


def _fits(run: EtcdRun, archive: Archive) -> Iterator[str]:
    if run.force:
        return
    directory = posixpath.dirname(run.manifest.certificates_dir)
    own = ca_pin(run.node, directory)
    if not own:
        yield f"{directory}/ca.crt cannot be read, so it is not known whether the snapshot is this cluster's"
    elif archive.origin is not None and archive.origin.ca:
        if archive.origin.ca != own:
            yield (
                f"the snapshot is of another cluster (its CA is {archive.origin.ca}, this node's {own}); --force restores it all "
                "the same"
            )
    elif not _names_ca(run, archive, run.node.read(f"{directory}/ca.crt") or b""):
        yield (
            f"there is nothing of this cluster's CA ({directory}/ca.crt) in the snapshot, so it is another cluster's; --force "
            "restores it all the same"
        )
    if archive.origin is not None and _minor(archive.origin.etcd_version) > _minor(_image_tag(run)) > (0, 0):
        yield f"the snapshot is of etcd {archive.origin.etcd_version}, and this node has the older {_image_tag(run)}"


def _names_ca(run: EtcdRun, archive: Archive, certificate: bytes) -> bool:
    """Every namespace has the CA in a ConfigMap (kube-root-ca.crt), which lies open in the database unless ConfigMaps are
    encrypted."""
    lines = [line for line in certificate.splitlines() if line and not line.startswith(b"-")]
    wanted = b"\n".join(lines)
    with run.given.opened() as file:
        return bool(wanted) and _contains(file, wanted, archive)


def _contains(file: BinaryIO, wanted: bytes, archive: Archive) -> bool:
    from pykubeadm.etcd.archive import database_chunks

    tail = b""
    for chunk in database_chunks(file, archive):
        window = tail + chunk
        if wanted in window:
            return True
        tail = window[-len(wanted) :]
    return False


def _space(run: EtcdRun, archive: Archive) -> Iterator[str]:
    for directory in {run.manifest.data_dir, posixpath.dirname(restoring.DIRECTORY)}:
        free = free_space(run.node, directory)
        if free is not None and free < archive.size * _NEEDED:
            needed = f"{archive.size * _NEEDED / 2**20:.0f} MiB"
            yield f"a restore takes {needed}, and only {free / 2**20:.0f} MiB are free in {directory}"


def _overwrites(run: EtcdRun, archive: Archive) -> Iterator[str]:
    """Revisions only rise, so an etcd that is behind the snapshot has lost its data: one that finds none begins a new cluster,
    with which an API server makes what a new cluster has."""
    try:
        client = own_client(run.node, run.manifest)
    except EtcdError as error:  # without which its health is not known at the end either
        yield f"{error}; `pykubeadm init phase certs` makes what is missing"
        return
    if run.force:
        return
    try:
        names = ", ".join(member.name for member in client.members())
        revision = client.status(client.endpoints[0]).revision
    except EtcdError:
        return
    if revision < archive.contents.revision:
        run.note("info", f"etcd is at revision {revision}, before the snapshot's: it has lost its data", topic="check")
        return
    yield (
        f"etcd is healthy ({names}), and everything that was written since the snapshot would be lost; --force restores it all "
        "the same"
    )


def still_running(run: EtcdRun) -> Iterator[str]:
    """What runs on other control planes: it would go on serving, and contradict, what a restore puts an end to."""
    hosts = other_hosts(run)
    for host, what in running_on(run, hosts).items():
        runs = f"{' and '.join(what)} still {'run' if len(what) > 1 else 'runs'}"
        yield f"{runs} on {hosts[host]} ({host}): run `pykubeadm etcd stop` there"


def _image_tag(run: EtcdRun) -> str:
    containers = run.pod.get("spec", {}).get("containers") or [{}]
    return str(containers[0].get("image", "")).rpartition(":")[2]


def _minor(version: str) -> tuple[int, int]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def encryption_differs(run: EtcdRun, node: Node) -> str:
    """The file by which the API server encrypts, where the archive has another than this node; "" else."""
    from pykubeadm.etcd.archive import FILES
    from pykubeadm.phases.static_pods.present import arguments
    from pykubeadm.phases.static_pods.stopped import manifest_content

    if run.archive is None:
        return ""
    from pykubeadm.config.section import load_section

    pod = load_section(manifest_content(node, "kube-apiserver") or b"{}").data
    path = arguments(pod).get("encryption-provider-config", "")
    kept = run.archive.files.get(f"{FILES}{path}") if path else None
    return path if kept is not None and kept != node.read(path) else ""
