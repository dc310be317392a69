"""A machine in memory that preflight has nothing to complain about, and what tests change about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pykubeadm.node.port import UnitState
from tests.support.node import FakeNode, completed

SOCKET = "unix:///var/run/containerd/containerd.sock"
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
CRICTL = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET}"
KERNEL = (
    "NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CPUSETS MEMCG INET EXT4_FS PROC_FS IP_NF_TARGET_REDIRECT NETFILTER_XT_MATCH_COMMENT"
    " FAIR_GROUP_SCHED CGROUPS CGROUP_BPF CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER CGROUP_PIDS CGROUP_SCHED"
)


@dataclass
class Owned:
    """What an earlier run of ours did."""

    paths: set[str] = field(default_factory=set)
    kubelet: bool = False

    def owns(self, path: str) -> bool:
        return path in self.paths

    def started_kubelet(self) -> bool:
        return self.kubelet

    def why_not(self) -> str:
        return "nothing says that it is ours"


def crictl(node: FakeNode, arguments: str, answer: Any, status: int = 0, stderr: str = "") -> None:
    """Have the runtime answer: text, or data as JSON."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    node.commands[f"{CRICTL} {arguments}"] = completed(text, status, stderr)


def listen(node: FakeNode, *holders: tuple[int, int, str]) -> None:
    """Have processes listen: (port, pid, command)."""
    lines = "".join(f"   0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {port + 9000} 1\n" for port, _, _ in holders)
    node.put("/proc/net/tcp", TCP + lines)
    node.commands["sh -c find"] = completed("".join(f"/proc/{pid}/fd socket:[{port + 9000}]\n" for port, pid, _ in holders))
    for _, pid, command in holders:
        node.put(f"/proc/{pid}/comm", f"{command}\n")


def ready_machine() -> FakeNode:
    """A machine with nothing to complain about."""
    fake = FakeNode()
    fake.put("/proc/self/status", "Name:\tcat\nCpus_allowed_list:\t0-3\n")
    fake.put("/sys/devices/system/cpu/online", "0-3\n")
    fake.put("/proc/meminfo", "MemTotal:        4000000 kB\nMemFree: 1 kB\n")
    fake.put("/proc/swaps", "Filename Type Size Used Priority\n")
    fake.put("/proc/sys/kernel/osrelease", "6.12.1-amd64\n")
    fake.put("/boot/config-6.12.1-amd64", "# Linux\n" + "".join(f"CONFIG_{name}=y\n" for name in KERNEL.split()))
    fake.put("/proc/mounts", "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    fake.put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
    fake.put("/proc/sys/net/ipv4/ip_forward", "1\n")
    fake.put("/proc/sys/net/ipv6/conf/default/forwarding", "1\n")
    fake.put("/proc/net/tcp", TCP)
    fake.put("/etc/resolv.conf", "search example.org\nnameserver 192.0.2.53\n")
    for command in ("losetup", "mount", "cp"):
        fake.put(f"/usr/bin/{command}")
    fake.sockets.add(SOCKET.removeprefix("unix://"))
    fake.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    fake.commands["id -u"] = completed("0\n")
    fake.commands["kubelet --version"] = completed("Kubernetes v1.36.2\n")
    fake.commands["getent ahosts"] = completed("10.0.0.9 STREAM cp1\n")
    conditions = [{"type": "RuntimeReady", "status": True}, {"type": "NetworkReady", "status": False}]
    crictl(fake, "info", {"status": {"conditions": conditions}, "config": {"sandboxImage": "registry.k8s.io/pause:3.10.2"}})
    crictl(fake, "runtime-config", "cgroup driver: SYSTEMD\n")
    return fake
