"""Removes the cluster's files by name. Everything else in the same directories stays."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from pykubeadm.commands.reset.accounts import ACCOUNT_FILES
from pykubeadm.commands.reset.mounts import kubelet_directory, mounts_below, removable
from pykubeadm.commands.reset.network import links_of
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.constants import CERTIFICATES_DIR, KUBERNETES_DIR, MANIFESTS_DIR, SIGNING_CA, SNAPSHOTS_DIR, STATE_DIR
from pykubeadm.errors import NodeError
from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.node.bridge import BRIDGE_CONFIGURATION, ROUTES, ROUTES_UNIT
from pykubeadm.node.port import Command, Unit
from pykubeadm.pki.table import TABLE as CERTIFICATES

_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_TMP_DIR: Final = f"{KUBERNETES_DIR}/tmp"  # noqa: S108 - kubeadm's, root's own
# Written by a network's own pods, under names that it chooses.
_CNI_FILES: Final = tuple(
    f"/etc/cni/net.d/{name}"
    for name in ("10-flannel.conflist", "10-calico.conflist", "calico-kubeconfig", "05-cilium.conflist", "05-cilium.conf")
)
_LEASES: Final = "/var/lib/cni/networks"  # of the plugin host-local
_RESULTS: Final = "/var/lib/cni/results"
_CNI_STATE: Final = ("/run/flannel", "/var/lib/cni/flannel")
_BRIDGE_FILES: Final = (BRIDGE_CONFIGURATION, "/usr/local/libexec/pykubeadm-masquerade", "/etc/pykubeadm/network.yaml")
_BRIDGE_NETWORK: Final = "bridge"
# For volume plugins, made by the kubelet (kubernetes: cmd/kubelet/app/options).
_PLUGINS: Final = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"
_PLUGIN_DIRECTORIES: Final = (_PLUGINS, *(_PLUGINS.rsplit("/", number)[0] for number in (1, 2, 3)))
_UNIT_FILES: Final = "/etc/systemd/system"
# The phase serving-approver's, and our roles' certificates, snapshots and cni.
_UNITS: Final = (
    "pykubeadm-serving-approver.service",
    "pykubeadm-certificates.timer",
    "pykubeadm-snapshots.timer",
    "pykubeadm-certificates.service",
    "pykubeadm-snapshots.service",
    ROUTES_UNIT,
)
_POD_LOGS: Final = "/var/log/pods"
_POD_LOG: Final = re.compile(r"[^_]+_[^_]+_[0-9a-f-]{32,36}")  # NAMESPACE_NAME_UID, kubernetes: pkg/kubelet/kuberuntime
_CONTAINER_LOGS: Final = "/var/log/containers"  # the kubelet's links into _POD_LOGS
# Of the preparation of the node, which stays: what was downloaded, and what was not finished; and the snapshots of etcd.
_SNAPSHOTS: Final = posixpath.basename(SNAPSHOTS_DIR)
_STAY: Final = frozenset({"downloads.json", "prepared.json", "preparing", _SNAPSHOTS})
_LOCK: Final = "lock"  # held by this run


def remove_certificates(run: ResetRun) -> Iterator[str]:
    """Those of kubeadm's table, the service accounts' keys, and what a rotation of the CAs put there, wherever the node's files
    say they are."""
    names = [f"{entry.base}{suffix}" for entry in CERTIFICATES for suffix in (".crt", ".key", ".csr")]
    names += ["sa.key", "sa.pub", SIGNING_CA]
    for directory in run.found.certificates_dirs:
        yield from _remove(run, *(posixpath.join(directory, name) for name in names))
        yield from _remove_empty(run, posixpath.join(directory, "etcd"))
    yield from _remove_empty(run, CERTIFICATES_DIR)


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
    for path in _PLUGIN_DIRECTORIES:
        yield from _remove_empty(run, path)
    if left:
        raise NodeError(f"{', '.join(left)} could not be unmounted, so the data there stays; unmount it, then run this again")


def remove_journaled(run: ResetRun) -> Iterator[str]:
    """What else our runs wrote, and the directories that they made, where nothing is left in them."""
    changed = (*ACCOUNT_FILES, STATE_DIR)  # by us, but there before
    yield from _remove(run, *(path for path in run.journal.owned() if not path.startswith(changed)))
    for directory in sorted(run.journal.directories(), key=len, reverse=True):
        if directory != STATE_DIR:
            yield from _remove_empty(run, directory)


def remove_logs(run: ResetRun) -> Iterator[str]:
    pods = [name for name in run.node.list_dir(_POD_LOGS) if _POD_LOG.fullmatch(name)]
    links = [name for name in run.node.list_dir(_CONTAINER_LOGS) if name.endswith(".log")]
    yield from _remove(run, *(f"{_CONTAINER_LOGS}/{name}" for name in links), *(f"{_POD_LOGS}/{name}" for name in pods))
    yield from _remove_empty(run, _CONTAINER_LOGS)
    yield from _remove_empty(run, _POD_LOGS)


def remove_cni(run: ResetRun) -> Iterator[str]:
    """Configuration and leases of the cluster's network, where nobody else is on it: neither others nor a pod that is left, which
    the runtime cannot remove without."""
    if links_of(run).shared or run.pods_remain:
        return
    bridge = run.node.stat(ROUTES) is not None
    yield from _remove(run, *_CNI_FILES, *_CNI_STATE)
    networks = {"cbr0", *((_BRIDGE_NETWORK,) if bridge else ())}  # flannel's default name, and our role's
    yield from _remove(run, *_leases(run, networks), *_results(run, networks))
    for directory in (_LEASES, _RESULTS, posixpath.dirname(_LEASES)):
        yield from _remove_empty(run, directory)
    if bridge:
        yield from _remove(run, *_BRIDGE_FILES, ROUTES)
        yield from _remove_empty(run, posixpath.dirname(ROUTES))


def _leases(run: ResetRun, networks: set[str]) -> Iterator[str]:
    """The folders of host-local with addresses of these networks, those in which no address is taken any more, and of others the
    addresses of pods that are gone: files that begin with the pod's id."""
    for name in run.node.list_dir(_LEASES):
        folder = f"{_LEASES}/{name}"
        if not _is_directory(run, folder):
            continue
        taken = [entry for entry in run.node.list_dir(folder) if not entry.startswith(("last_reserved_ip.", "lock"))]
        left = [entry for entry in taken if _holder(run, f"{folder}/{entry}") in run.pods]
        yield from [folder] if name in networks or left == taken else [f"{folder}/{entry}" for entry in left]


def _holder(run: ResetRun, lease: str) -> str:
    """The id of the pod, or container, that has the address; "" where nothing says so."""
    try:
        return (run.node.read(lease) or b"").decode(errors="replace").partition("\n")[0].strip()
    except NodeError:  # a directory, as no plugin makes it
        return ""


def _results(run: ResetRun, networks: set[str]) -> Iterator[str]:
    """What libcni keeps of pods that are gone: "NETWORK-CONTAINER-INTERFACE"."""
    for name in run.node.list_dir(_RESULTS):
        if any(name.startswith(f"{network}-") for network in networks) or any(f"-{pod}-" in name for pod in run.pods):
            yield f"{_RESULTS}/{name}"


def stop_units(run: ResetRun) -> Iterator[str]:
    for name in _UNITS:
        if run.node.stat(f"{_UNIT_FILES}/{name}") is not None:
            yield from (f"{action} {name}" for action in run.node.ensure_unit(Unit(name, enabled=False, state="stopped")))


def remove_units(run: ResetRun) -> Iterator[str]:
    """One that failed would stay in systemd's memory without its file, and be in the way of the next `init`."""
    present = [name for name in _UNITS if run.node.stat(f"{_UNIT_FILES}/{name}") is not None]
    if not present:
        return
    forgotten = ("systemctl", "reset-failed", "--", *present)
    run.node.run(Command(forgotten, f"forget the failures of {', '.join(present)}", check=False))
    yield from _remove(run, *(f"{_UNIT_FILES}/{name}" for name in present))
    run.node.run(Command(("systemctl", "daemon-reload"), "have systemd forget the units", check=False))


def remove_tmp(run: ResetRun) -> Iterator[str]:
    yield from _remove(run, _TMP_DIR)


def remove_home_kubeconfig(run: ResetRun) -> Iterator[str]:
    """`$HOME/.kube/config` where it is a copy of this cluster's: the same file, or an older one of the same cluster alone."""
    path = posixpath.join(run.home, ".kube", "config")
    stat = run.node.stat(path) if path.startswith("/") else None
    if stat is None or stat.kind not in ("file", "link"):
        return
    content = run.node.read(path)
    originals = [run.node.read(posixpath.join(KUBERNETES_DIR, name)) for name in ("admin.conf", "super-admin.conf")]
    if content and any(original is not None and _is_copy(content, original) for original in originals):
        yield from _remove(run, path)


def _is_copy(content: bytes, original: bytes) -> bool:
    """Whether both are the same, or lead to one and the same cluster, by its CA, as one and the same user."""
    if content == original:
        return True
    copy = _only_way(content)
    return copy is not None and copy == _only_way(original)


def _only_way(content: bytes) -> tuple[bytes, str, str] | None:
    """CA, server and user of a kubeconfig with one cluster and one user; None of any other."""
    from pykubeadm.config.section import DocumentError
    from pykubeadm.kubeconfig.read import read_kubeconfig

    try:
        found = read_kubeconfig(content)
    except DocumentError:
        return None
    alone = all(len(found.document.get(group) or ()) == 1 for group in ("clusters", "users"))
    return (found.ca, found.server, found.user_name) if alone and found.ca else None


def forget(run: ResetRun) -> Iterator[str]:
    """The journal, last: until here it says what is ours. What the node was prepared with stays, and so does its record; so do
    snapshots of etcd, which may be all that is left of a cluster."""
    yield from _remove_empty(run, SNAPSHOTS_DIR)
    names = run.node.list_dir(STATE_DIR)
    yield from _remove(run, *(f"{STATE_DIR}/{name}" for name in names if name not in _STAY and name != _LOCK))
    if _SNAPSHOTS in names:
        run.note(
            "info", f"{SNAPSHOTS_DIR} stays, with snapshots of etcd and the keys of its cluster; remove it if nobody needs them"
        )
    if not _STAY & set(names):
        run.node.remove([STATE_DIR])


def _remove(run: ResetRun, *paths: str) -> Iterator[str]:
    yield from (f"removed {path}" for path in run.node.remove(paths))


def _remove_empty(run: ResetRun, directory: str) -> Iterator[str]:
    if _is_directory(run, directory) and not run.node.list_dir(directory):
        yield from _remove(run, directory)


def _is_directory(run: ResetRun, path: str) -> bool:
    stat = run.node.stat(path)
    return stat is not None and stat.kind == "directory"
