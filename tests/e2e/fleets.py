"""A desk, from which `pykubeadm cluster` reaches bare nodes by ssh, as a user with sudo; nothing of pykubeadm is on the nodes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import archive, cluster, node
from lab.assets import Assets
from lab.host import CHECKOUT
from lab.nodeimage import NodeImage

USER = "deploy"
PASSWORD = "of-deploy"
PODS = cluster.POD_SUBNET


def start(kubernetes: Assets, name: str, *more: Assets, bare: bool = True) -> node.Node:
    """A node on which USER may become root. A bare one has programs and images in a folder, as in an air-gap; another one has a
    runtime and a kubelet already, and the images of `more` versions."""
    if bare:
        mounts = [(kubernetes.bin, "/opt/kubernetes/bin"), (archive.ensure(kubernetes), "/opt/kubernetes/images")]
        started = node.start(name, NodeImage("debian13", "bare"), mounts=mounts, with_pykubeadm=False)
    else:
        started = node.start(name, assets=[kubernetes, *more], with_pykubeadm=False)
    started.shell(
        f"useradd --create-home --shell /bin/bash {USER}; echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER};"
        f"echo '{USER}:{PASSWORD}' | chpasswd; mkdir -p -m 700 /home/{USER}/.ssh"
    )
    return started


@dataclass
class Desk:
    """A folder with a key, what ssh needs to know, and cluster.yaml."""

    folder: Path
    kubernetes: Assets
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, node.Node] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)  # of the Cluster document
    cluster: dict[str, Any] = field(default_factory=dict)  # of the ClusterConfiguration

    def __post_init__(self) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key")], check=True)
        config = f"Host *\n  User {USER}\n  IdentityFile {self.folder}/key\n  IdentitiesOnly yes\n"
        config += (
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking yes\n  GlobalKnownHostsFile /dev/null\n"
        )
        (self.folder / "ssh_config").write_text(config)
        (self.folder / "known_hosts").touch()

    def add(self, started: node.Node, *parts: str, **more: Any) -> None:
        """The node becomes a host of the file."""
        key = (self.folder / "key.pub").read_text()
        started.write(f"/home/{USER}/.ssh/authorized_keys", key, "0600")
        started.shell(f"chown -R {USER}: /home/{USER}/.ssh")
        scanned = subprocess.run(["ssh-keyscan", "-t", "ed25519", started.address], capture_output=True, text=True, check=True)
        with (self.folder / "known_hosts").open("a") as known:
            known.write(scanned.stdout)
        self.nodes[started.name] = started
        self.hosts[started.name] = {"name": started.name, "address": started.address, "parts": list(parts), **more}

    @property
    def file(self) -> Path:
        return self.folder / "cluster.yaml"

    def new(self, name: str, *parts: str, bare: bool = True, also: Sequence[Assets] = (), **more: Any) -> node.Node:
        """A node that is started and becomes a host of the file; `also` are further versions whose images it has."""
        started = start(self.kubernetes, name, *also, bare=bare)
        self.nodes[started.name] = started
        self.add(started, *parts, **more)
        return started

    def write(self) -> None:
        """cluster.yaml, of the hosts there are."""
        first = next(iter(self.nodes.values()))
        _init, kubeadm, kubelet, proxy = cluster.documents(
            self.kubernetes.version, first.address, etcd_tag=self.kubernetes.etcd_tag
        )
        fleet = {
            "apiVersion": "pykubeadm.cluster/v1",
            "kind": "Cluster",
            "ssh": {"configFile": str(self.folder / "ssh_config")},
            "network": {"plugin": "bridge"},
            "variables": {"cni_plugins_source": "package"},
            "ignorePreflightErrors": cluster.ignored_checks(),
            "hosts": list(self.hosts.values()),
            **self.more,
        }
        self.file.write_text(yaml.safe_dump_all([fleet, kubeadm | self.cluster, kubelet, proxy], sort_keys=False))

    def write_inventory(self, **variables: Any) -> tuple[str, ...]:
        """An Ansible inventory of the same hosts, and a file with all but them, as arguments of `cluster`. `variables` are of
        all hosts."""
        groups: dict[str, Any] = {}
        for host in self.hosts.values():
            own = {name: value for name, value in host.items() if name not in ("name", "address", "parts")}
            own = {"ansible_host": host["address"], "pykubeadm_host": own | {"ignorePreflightErrors": cluster.ignored_checks()}}
            group = {"control-plane": "control_planes", "worker": "workers"}[host["parts"][0]]
            groups.setdefault(group, {"hosts": {}})["hosts"][host["name"]] = own
        known = f"-o UserKnownHostsFile={self.folder}/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        way = {"ansible_user": USER, "ansible_ssh_private_key_file": str(self.folder / "key"), "ansible_ssh_common_args": known}
        inventory, file = self.folder / "hosts.yml", self.folder / "rest.yaml"
        inventory.write_text(yaml.safe_dump({"all": {"children": groups, "vars": way | variables}}))
        first = next(iter(self.nodes.values()))
        _init, kubeadm, *others = cluster.documents(self.kubernetes.version, first.address, etcd_tag=self.kubernetes.etcd_tag)
        del kubeadm["kubernetesVersion"]  # it is in the inventory
        fleet = {"apiVersion": "pykubeadm.cluster/v1", "kind": "Cluster", "network": {"plugin": "bridge"}}
        file.write_text(yaml.safe_dump_all([fleet, kubeadm, *others]))
        return "-i", str(inventory), "-f", str(file)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """`pykubeadm cluster ARGUMENTS` on this machine, begun."""
        env = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT / "installer"),
            "HOME": str(self.folder),
            "XDG_STATE_HOME": "",
            **(environment or {}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pykubeadm", "cluster", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=self.folder,
        )

    def run(
        self, *arguments: str, status: int | None = 0, timeout: float = 600, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same to its end; its status has to be `status`."""
        process = self.start(*arguments, environment=environment)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"cluster {' '.join(arguments)} did not end within {timeout} s\n{out}\n{err}") from None
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        assert status is None or done.returncode == status, f"cluster {' '.join(arguments)}: {done.returncode}\n{out}\n{err}"
        return done

    def log(self, command: str) -> str:
        """The log of the first run of a command: its HOME is the desk's folder."""
        return min((self.folder / ".local" / "state" / "pykubeadm").glob(f"cluster-{command}-*.log")).read_text()

    def kill_when(
        self, reached: Callable[[], bool], *arguments: str, patience: float, environment: Mapping[str, str] | None = None
    ) -> None:
        """Begin it, and kill it at once when it has come to a point, `patience` seconds from now at most."""
        process = self.start(*arguments, environment=environment)
        deadline = time.monotonic() + patience
        try:
            while not reached():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.3)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def desk_of(kubernetes: Assets) -> Iterator[Desk]:
    """A desk whose nodes are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:  # a short path: ssh's sockets lie below it
        made = Desk(Path(folder), kubernetes)
        try:
            yield made
        finally:
            for each in made.nodes.values():
                each.remove()


def ready_nodes(control_plane: node.Node) -> Sequence[str]:
    """The names of the nodes that are Ready."""
    lines = cluster.kubectl(control_plane, "get", "nodes", "--no-headers").splitlines()
    return sorted(line.split()[0] for line in lines if line.split()[1] == "Ready")
