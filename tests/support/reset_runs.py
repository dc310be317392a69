"""A node in memory that is part of a cluster, whose commands do what they are there for, and runs of `reset` on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.commands.reset.found import look
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import ResetConfiguration
from pykubeadm.errors import UnfinishedError
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import Command, Completed, Node, UnitState
from pykubeadm.workflow.events import Event
from tests.support.node import FakeNode

SOCKET = "unix:///var/run/containerd/containerd.sock"
ETCD = """\
metadata: {name: etcd}
spec:
  containers:
  - command:
    - etcd
    - --name=cp1
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --advertise-client-urls=https://10.0.0.1:2379
    - --initial-cluster=cp1=https://10.0.0.1:2380
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --data-dir=/var/lib/etcd
  volumes:
  - {name: etcd-data, hostPath: {path: /var/lib/etcd, type: DirectoryOrCreate}}
"""
API_SERVER = """\
spec:
  containers:
  - command: [kube-apiserver, --client-ca-file=/srv/pki/ca.crt]
  volumes:
  - {name: k8s-certs, hostPath: {path: /srv/pki, type: DirectoryOrCreate}}
"""
ADMIN = """\
apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {certificate-authority-data: Q0E=, server: "https://10.0.0.1:6443"}}]
users: [{name: kubernetes-admin, user: {client-key-data: QQ==}}]
contexts: [{name: admin, context: {cluster: kubernetes, user: kubernetes-admin}}]
current-context: admin
"""
# What is on the node whatever its cluster does.
OTHERS = {
    "/etc/hostname": "cp1",
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
    "/etc/kubernetes/policies/audit.yaml": "rules: []",
    "/etc/kubernetes/manifests/kube-vip.yaml": "kind: Pod",
    "/etc/kubernetes/pki/company.crt": "theirs",
    "/etc/cni/net.d/87-podman.conflist": "{}",
    "/var/lib/cni/networks/podman/10.88.0.2": "c1",
    "/var/log/pods/readme": "theirs",
    "/var/lib/etcd/lost+found/1": "",
    "/var/lib/pykubeadm/downloads.json": "{}",
    "/home/u/.kube/kubectx": "work",
}
_POD = "kube-system_coredns-1_8d343962-4e73-452b-b881-8b147b95f1c0"
_FILES = {
    "/etc/kubernetes/manifests/etcd.yaml": ETCD,
    "/etc/kubernetes/manifests/kube-apiserver.yaml": API_SERVER,
    "/etc/kubernetes/manifests/kube-scheduler.yaml": "kind: Pod",
    "/etc/kubernetes/admin.conf": ADMIN,
    "/etc/kubernetes/kubelet.conf": "kind: Config",
    "/etc/kubernetes/tmp/kubeadm-backup-etcd-2026-01-01/etcd/member/snap/db": "old",
    "/srv/pki/ca.crt": "CA",
    "/srv/pki/ca.key": "KEY",
    "/srv/pki/etcd/peer.crt": "PEER",
    "/srv/pki/sa.key": "KEY",
    "/home/u/.kube/config": ADMIN,
    "/var/lib/etcd/member/snap/db": "{}",
    "/var/lib/etcd/member/wal/0.wal": "",
    "/var/lib/etcd/member-removed-20260101T000000Z/snap/db": "",
    "/var/lib/kubelet/config.yaml": "containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock",
    "/var/lib/kubelet/pods/8d34/volumes/kubernetes.io~projected/token/ca.crt": "",
    "/var/lib/kubelet/pods/8d34/etc-hosts": "",
    f"/var/log/pods/{_POD}/coredns/0.log": "",
    "/var/log/containers/coredns-1_kube-system_coredns-97df.log": "",
    "/usr/local/libexec/pykubeadm-masquerade": "",
    "/etc/pykubeadm/routes": "# ours\nroute replace 10.244.1.0/24 via 10.0.0.2\n",
    "/etc/cni/net.d/10-bridge.conflist": '{"plugins": [{"type": "bridge", "bridge": "pods0"}]}',
    "/var/lib/cni/networks/bridge/10.244.0.2": "c2",
    "/etc/systemd/system/pykubeadm-routes.service": "[Unit]",
    "/etc/systemd/system/pykubeadm-certificates.timer": "[Timer]",
    "/var/lib/pykubeadm/backup/2026-01-01/ca.key": "KEY",
}
_VOLUME = "/var/lib/kubelet/pods/8d34/volumes/kubernetes.io~projected/token"
_RULES = """\
*filter
:INPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:MINE - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -j MINE
COMMIT
"""


@dataclass
class ClusterNode(FakeNode):
    """A FakeNode with pods, mounts, rules and interfaces. `stuck` are mounts that cannot be unmounted."""

    sandboxes: dict[str, dict[str, Any]] = field(default_factory=dict)
    mounts: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    rules: str = ""
    interfaces: dict[str, str] = field(default_factory=dict)  # name → the bridge it is plugged into, or ""
    routes: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commands |= {
            "crictl": self._crictl,
            "umount": self._umount,
            "iptables-save": lambda _command: Completed(0, self.rules),
            "iptables-restore": self._restore,
            "ip -json link show": self._show_links,
            "ip -json -4 route show": lambda _command: Completed(
                0, json.dumps([{"dst": cidr, "gateway": via} for cidr, via in self.routes])
            ),
            "ip link delete": self._delete_link,
            "ip route delete": self._delete_route,
        }

    def read(self, path: str) -> bytes | None:
        if path == "/proc/mounts":
            points = (point.replace(" ", "\\040") for point in self.mounts)
            return "".join(f"tmpfs {point} tmpfs rw 0 0\n" for point in points).encode()
        return super().read(path)

    def _crictl(self, command: Command) -> Completed:
        if "pods" in command.argv:
            return Completed(0, json.dumps({"items": list(self.sandboxes.values())}))
        for name in command.argv[command.argv.index("--force") + 1 :]:
            self.sandboxes.pop(name, None)
        return Completed(0)

    def _umount(self, command: Command) -> Completed:
        gone = set(command.argv[command.argv.index("--") + 1 :]) - self.stuck
        self.mounts = [point for point in self.mounts if point not in gone]
        return Completed(1 if self.stuck else 0)

    def _restore(self, command: Command) -> Completed:
        """Only the removal of whole chains and rules is known."""
        assert command.stdin is not None
        for line in command.stdin.decode().splitlines():
            if line.startswith("-D "):
                self.rules = self.rules.replace(f"-A {line[3:]}\n", "", 1)
            if line.startswith("-X "):
                self.rules = self.rules.replace(f":{line[3:]} - [0:0]\n", "", 1)
        return Completed(0)

    def _show_links(self, command: Command) -> Completed:
        """All, or one that is named after "dev"."""
        shown = [{"ifname": name} | ({"master": bridge} if bridge else {}) for name, bridge in self.interfaces.items()]
        shown = [link for link in shown if "dev" not in command.argv or link["ifname"] == command.argv[-1]]
        return Completed(0 if shown else 1, json.dumps(shown))

    def _delete_link(self, command: Command) -> Completed:
        del self.interfaces[command.argv[-1]]
        return Completed(0)

    def _delete_route(self, command: Command) -> Completed:
        self.routes.remove((command.argv[3], command.argv[5]))
        return Completed(0)

    def state(self) -> dict[str, Any]:
        """Everything that a reset may change."""
        return {
            "files": {path: getattr(file, "content", None) for path, file in self.files.items()},
            "sandboxes": sorted(self.sandboxes),
            "mounts": sorted(self.mounts),
            "rules": self.rules,
            "interfaces": sorted(self.interfaces),
            "routes": sorted(self.routes),
            "running": sorted(name for name, unit in self.units.items() if unit.active == "active"),
        }


def sandbox(name: str, *, of_kubelet: bool = True, static: bool = False) -> dict[str, Any]:
    """As crictl lists it."""
    return {
        "id": f"id-{name}",
        "metadata": {"name": name, "namespace": "kube-system" if of_kubelet else "default"},
        "labels": {"io.kubernetes.pod.uid": name} if of_kubelet else {},
        "annotations": {"kubernetes.io/config.source": "file"} if static else {},
        "state": "SANDBOX_READY",
    }


def bare_node() -> ClusterNode:
    """A node with what others put there, prepared for a cluster."""
    node = ClusterNode(name="cp1")
    for path, content in OTHERS.items():
        node.put(path, content)
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    node.units["ssh"] = UnitState("loaded", "active", "running", "enabled")
    node.sandboxes["id-guest"] = sandbox("guest", of_kubelet=False)
    node.mounts.append("/var/lib/data")
    node.rules = _RULES.replace(":KUBE-FIREWALL - [0:0]\n", "").replace("-A INPUT -j KUBE-FIREWALL\n", "")
    node.interfaces |= {"eth0": "", "docker0": "", "veth1": "docker0"}
    node.routes.append(("192.0.2.0/24", "10.0.0.9"))
    return node


def control_plane() -> ClusterNode:
    """`bare_node` after `init`, with every kind of thing that a cluster leaves."""
    node = bare_node()
    for path, content in _FILES.items():
        node.put(path, content)
    node.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    node.units["pykubeadm-routes.service"] = UnitState("loaded", "active", "exited", "enabled")
    node.units["pykubeadm-certificates.timer"] = UnitState("loaded", "active", "waiting", "enabled")
    pods = [sandbox("coredns-1"), *(sandbox(name, static=True) for name in ("etcd-cp1", "kube-apiserver-cp1"))]
    node.sandboxes |= {each["id"]: each for each in pods}
    node.mounts += [_VOLUME]
    node.rules = _RULES
    node.interfaces |= {"pods0": "", "flannel.1": ""}
    node.routes.append(("10.244.1.0/24", "10.0.0.2"))
    return node


def reset_run(node: Node, *, keep: Sequence[str] = (), **fields: Any) -> tuple[ResetRun, list[Event]]:
    """A run, and the list that its events go to."""
    events: list[Event] = []
    reset = ResetConfiguration(
        **{"certificates_dir": "/etc/kubernetes/pki", "cri_socket": SOCKET, "force": True} | fields,
    )
    confirm: Callable[[], bool] = lambda: False  # noqa: E731
    run = ResetRun(
        node=node,
        host=HostFacts("cp1"),
        journal=Journal(node),
        emit=events.append,
        reset=reset,
        found=look(node, reset.certificates_dir),
        sockets=(SOCKET,),
        confirm=confirm,
        keep=frozenset(keep),
        home="/home/u",
        kubeconfig_path="/etc/kubernetes/admin.conf",
    )
    run.journal.discard()
    return run, events


def clean(node: Any, **fields: Any) -> list[str]:
    """What `cleanup-node` changed."""
    assert cleanup_node.apply is not None
    return list(cleanup_node.apply(reset_run(node, **fields)[0]))


def refused(node: Any, **fields: Any) -> UnfinishedError:
    """What `cleanup-node` could not do."""
    with pytest.raises(UnfinishedError) as raised:
        clean(node, **fields)
    return raised.value
