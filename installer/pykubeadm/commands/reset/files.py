"""Removes the cluster's files by name. Everything else in the same directories stays."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pykubeadm.commands.reset.mounts import kubelet_directory, mounts_below, removable
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.config.model import LocalEtcd
from pykubeadm.constants import KUBERNETES_DIR, MANIFESTS_DIR, STATE_DIR
from pykubeadm.errors import NodeError
from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.pki.table import TABLE as CERTIFICATES

_ETCD_MANIFEST: Final = f"{MANIFESTS_DIR}/etcd.yaml"
_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_TMP_DIR: Final = f"{KUBERNETES_DIR}/tmp"  # noqa: S108 - kubeadm's, root's own
_CNI_CONFIGURATION: Final = "/etc/cni/net.d"
# Written by a network's own pods, under names that it chooses.
_CNI_FILES: Final = (
    "10-flannel.conflist",
    "10-calico.conflist",
    "calico-kubeconfig",
    "05-cilium.conflist",
    "05-cilium.conf",
)
_CNI_STATE: Final = ("/run/flannel", "/var/lib/cni/flannel")
# Our role cni's: it writes them together.
_BRIDGE_MARK: Final = "/etc/pykubeadm/routes"
_BRIDGE_FILES: Final = (f"{_CNI_CONFIGURATION}/10-bridge.conflist", "/usr/local/libexec/pykubeadm-masquerade")
_BRIDGE_NETWORK: Final = "bridge"
UNITS: Final = ("pykubeadm-serving-approver", "pykubeadm-routes")


def remove_etcd_data(run: ResetRun) -> Iterator[str]:
    """Empty the directory that this node's own etcd.yaml, or our journal, says is its member's; never one that is in use."""
    directory = _data_directory(run)
    if not directory or not run.node.list_dir(directory):
        return
    holder = "" if run.dry_run else _holder(run, directory)
    if holder:
        raise NodeError(f"{directory} stays: {holder} has it open; stop it, then run this again")
    yield from _remove(run, *(posixpath.join(directory, name) for name in run.node.list_dir(directory) if name != "lost+found"))


def _data_directory(run: ResetRun) -> str:
    if run.found.etcd is not None:
        return run.found.etcd.data_dir
    return LocalEtcd().data_dir if run.journal.owns(_ETCD_MANIFEST) else ""


def _holder(run: ResetRun, directory: str) -> str:
    """A process that has a file below the directory open, as "etcd (process 17)"; "" where there is none."""
    script = 'find /proc/[0-9]*/fd -lname "$1/*" -printf "%h\\n" 2>/dev/null | head -n 1'
    found = run.node.run(("sh", "-c", script, "sh", directory), summary="look for open files", changes=False, check=False).stdout
    pid = found.strip().removeprefix("/proc/").removesuffix("/fd")
    if not pid:
        return ""
    command = (run.node.read(f"/proc/{pid}/comm") or b"").decode(errors="replace").strip()
    return f"{command or 'a process'} (process {pid})"


def remove_certificates(run: ResetRun) -> Iterator[str]:
    """Those of kubeadm's table and the service accounts' keys, wherever the node's files say they are."""
    names = [f"{entry.base}{suffix}" for entry in CERTIFICATES for suffix in (".crt", ".key", ".csr")] + ["sa.key", "sa.pub"]
    for directory in run.found.certificates_dirs:
        yield from _remove(run, *(posixpath.join(directory, name) for name in names))


def remove_kubeconfigs(run: ResetRun) -> Iterator[str]:
    names = [*(entry.file for entry in KUBECONFIGS), "bootstrap-kubelet.conf"]
    yield from _remove(run, *(posixpath.join(KUBERNETES_DIR, name) for name in names))


def remove_manifests(run: ResetRun) -> Iterator[str]:
    """The control plane's static pods; the last to go of what says where the cluster's files are."""
    yield from _remove(run, *(f"{MANIFESTS_DIR}/{name}.yaml" for name in _COMPONENTS))


def empty_kubelet_directory(run: ResetRun) -> Iterator[str]:
    directory = kubelet_directory(run.node)
    left = () if run.dry_run else mounts_below(run.node, directory)
    paths = [path for name in run.node.list_dir(directory) for path in removable(run.node, f"{directory}/{name}", left)]
    yield from _remove(run, *paths)
    if left:
        raise NodeError(f"{', '.join(left)} could not be unmounted, so the data there stays; unmount it, then run this again")


def remove_journaled(run: ResetRun) -> Iterator[str]:
    """What else our runs wrote, and the directories that they made, where nothing is left in them."""
    yield from _remove(run, *run.journal.owned())
    for directory in sorted(run.journal.directories(), key=len, reverse=True):
        stat = run.node.stat(directory)
        if stat is not None and stat.kind == "directory" and not run.node.list_dir(directory) and directory != STATE_DIR:
            yield from _remove(run, directory)


def remove_cni(run: ResetRun) -> Iterator[str]:
    """Configuration and leases of the cluster's network."""
    bridge = run.node.stat(_BRIDGE_MARK) is not None
    yield from _remove(run, *(posixpath.join(_CNI_CONFIGURATION, name) for name in _CNI_FILES), *_CNI_STATE)
    networks = {"cbr0", *((_BRIDGE_NETWORK,) if bridge else ())}  # flannel's default name, and our role's
    yield from _remove(run, *(f"/var/lib/cni/networks/{name}" for name in sorted(networks)), *_results(run, networks))
    if bridge:
        yield from _remove(run, *_BRIDGE_FILES, _BRIDGE_MARK)


def _results(run: ResetRun, networks: set[str]) -> Iterator[str]:
    """What libcni keeps of pods that are gone: "NETWORK-CONTAINER-INTERFACE"."""
    for name in run.node.list_dir("/var/lib/cni/results"):
        if any(name.startswith(f"{network}-") for network in networks):
            yield f"/var/lib/cni/results/{name}"


def remove_units(run: ResetRun) -> Iterator[str]:
    yield from _remove(run, *(f"/etc/systemd/system/{unit}.service" for unit in UNITS))


def remove_tmp(run: ResetRun) -> Iterator[str]:
    yield from _remove(run, _TMP_DIR)


def remove_home_kubeconfig(run: ResetRun) -> Iterator[str]:
    """`$HOME/.kube/config` where it is a copy of this cluster's: the same file, or an older one of the same cluster alone."""
    path = posixpath.join(run.home, ".kube", "config") if run.home else ""
    content = run.node.read(path) if path else None
    if content is None:
        return
    originals = [run.node.read(posixpath.join(KUBERNETES_DIR, name)) for name in ("admin.conf", "super-admin.conf")]
    if any(original is not None and (original == content or _is_copy(content, original)) for original in originals):
        yield from _remove(run, path)


def _is_copy(content: bytes, original: bytes) -> bool:
    """Whether both lead to one and the same cluster, by its CA, as one and the same user."""
    copy, first = _summary(content), _summary(original)
    return copy is not None and copy == first


def _summary(content: bytes) -> tuple[str, str, str] | None:
    """CA, server and user of a kubeconfig with one cluster and one user; None of any other."""
    import yaml

    try:
        document = yaml.load(content, Loader=yaml.CSafeLoader)
        [cluster], [user] = document["clusters"], document["users"]
        described: Mapping[str, Any] = cluster["cluster"]
        return str(described["certificate-authority-data"]), str(described["server"]), str(user["name"])
    except (yaml.YAMLError, ValueError, KeyError, TypeError):
        return None


def _remove(run: ResetRun, *paths: str) -> Iterator[str]:
    yield from (f"removed {path}" for path in run.node.remove(paths))
