"""1, 2 and 4 bare nodes prepared side by side over SSH, first and second run: time, module calls and bytes sent per node."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from lab.assets import Assets
from lab.host import cgroup_version, run
from lab.node import Node, start
from lab.nodeimage import NodeImage
from pykubeadm.ansible.assets import Assets as Folders
from pykubeadm.ansible.playbook import run_playbook
from pykubeadm.ansible.results import PlaybookEvent
from pykubeadm.ansible.variables import node_variables
from pykubeadm.ansible.workspace import workspace
from pykubeadm.config.model import ClusterConfiguration, Configuration

COUNTS = (1, 2, 4)
HEADER = f"{'prepare bare nodes over SSH':<30} {'seconds':>9} {'calls/node':>11} {'changed':>8} {'MB sent/node':>13}"


def rows(assets: Assets) -> Iterator[str]:
    """One line a run."""
    yield HEADER
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            key = Path(folder) / "key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
            with ThreadPoolExecutor(count) as pool:
                nodes = list(pool.map(_node, [f"bench-prepare{number}" for number in range(count)], [key] * count))
            try:
                for name in ("first", "second"):
                    yield _row(f"{count} {'node' if count == 1 else 'nodes'}, {name} run", nodes, key, assets)
            finally:
                for node in nodes:
                    run(["iptables", "-w", "-D", *_rule(node)], root=True, check=False)
                    node.remove()


def _node(name: str, key: Path) -> Node:
    node = start(name, NodeImage("debian13", "bare"), with_pykubeadm=False)
    node.write("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text(), "0600")
    return node


def _row(what: str, nodes: list[Node], key: Path, assets: Assets) -> str:
    configuration = Configuration(
        ClusterConfiguration(kubernetes_version=assets.version),
        kubelet={"failCgroupV1": False} if cgroup_version() == 1 else {},
    )
    hosts: dict[str, Any] = {
        node.name: {
            "ansible_host": node.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        }
        for node in nodes
    }
    inventory = key.with_name("hosts.yml")
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    before = _sent(nodes)
    began = time.perf_counter()
    with workspace(node_variables(configuration, assets=Folders(programs=str(assets.bin))), (str(inventory),)) as space:
        summary = run_playbook(space, "prepare", _ignore)
    seconds = time.perf_counter() - began
    calls = max(host.calls for host in summary.hosts.values())
    changed = max(host.changed for host in summary.hosts.values())
    megabytes = (_sent(nodes) - before) / len(nodes) / 1e6
    return f"{what:<30} {seconds:>9.1f} {calls:>11} {changed:>8} {megabytes:>13.2f}"


def _ignore(_event: PlaybookEvent) -> None:
    pass


def _rule(node: Node) -> list[str]:
    """A rule without a target: it only counts."""
    return ["OUTPUT", "-d", node.address, "-p", "tcp", "--dport", "22"]


def _sent(nodes: list[Node]) -> int:
    """Bytes that this machine has sent to the nodes' sshd so far, counted by the kernel from the first call on."""
    total = 0
    for node in nodes:
        rule = _rule(node)
        if run(["iptables", "-w", "-C", *rule], root=True, check=False).returncode != 0:
            run(["iptables", "-w", "-A", *rule], root=True)
        listed = run(["iptables", "-w", "-nvxL", "OUTPUT"], root=True).stdout.splitlines()
        total += sum(int(line.split()[1]) for line in listed if node.address in line.split())
    return total
