"""A node: a container that runs systemd, with an address of its own on the lab's network."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import engine, imagestore, payload
from lab.assets import Assets
from lab.host import LABEL, STATE, CommandError, LabError, docker, docker_argv, docker_process, locked, run
from lab.machine import Machine
from lab.nodeimage import NodeImage

NETWORK = "pykubeadm-lab"
SECONDS = range(31, 17, -1)  # of the addresses 172.SECOND.250.0/24 that the network may have
NODES = STATE / "nodes"
NODE_LABEL = f"{LABEL}.node"
ADDRESS_LABEL = f"{LABEL}.address"
PREFIX6 = "fd1a:b000"  # of a network with IPv6: PREFIX6:SECOND::/64 beside 172.SECOND.250.0/24
BOOT_SECONDS = 180.0  # two seconds where nothing else runs
READY = NodeImage("debian13", "ready")
COMMANDS = ("kubeadm", "kubelet", "kubectl", "crictl", "etcdctl")
PROGRAMS = "/opt/kubernetes"


@dataclass(frozen=True, slots=True)
class Node(Machine):
    """A node that was started. `name` is the container's and the host's; `address` is its IPv4 address, `address6` its IPv6
    address, "" where the network has none."""

    name: str
    address: str
    image: NodeImage = READY
    address6: str = ""

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 60.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        options = [f"--env={name}={value}" for name, value in (env or {}).items()] + (
            ["--interactive"] if stdin is not None else []
        )
        bounded = ["timeout", "--kill-after=5", f"{timeout:.0f}", *argv]
        return docker_process("exec", *options, self.name, *bounded, check=check, stdin=stdin, timeout=timeout + 10)

    def start_process(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command on the node and return at once; its output is to be read from the process."""
        command = docker_argv("exec", self.name, *argv)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait_booted(self, seconds: float = BOOT_SECONDS) -> None:
        """Wait until systemd is done with starting. A node that is `degraded` names the units that failed."""
        end = time.monotonic() + seconds
        while True:
            state = docker_process("exec", self.name, "systemctl", "is-system-running", check=False).stdout.strip()
            if state == "running":
                return
            if state == "degraded":
                failed = self.run("systemctl", "--failed", "--plain", "--no-legend", check=False).stdout
                raise LabError(f"node {self.name} did not start well; failed: {failed.strip()}")
            if time.monotonic() > end:
                waiting = docker_process(
                    "exec", self.name, "systemctl", "list-jobs", "--plain", "--no-legend", check=False
                ).stdout
                raise LabError(
                    f"node {self.name} is not up after {seconds:.0f} s: systemd is {state or 'silent'}; {waiting.strip()}"
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """Shut the node down in order."""
        docker("stop", "--time", "30", self.name)

    def power_off(self) -> None:
        """Take the power away: every process ends at once."""
        docker("kill", "--signal", "KILL", self.name)

    def power_on(self) -> None:
        """Start a node that was stopped or lost its power."""
        docker("start", self.name)
        self.wait_booted()

    def switch(self, version: str, *programs: str) -> None:
        """Make the programs of another of the node's versions its commands, as installing their packages would; a kubelet that
        runs is started again with the new one."""
        for name in programs:
            self.run("ln", "--symbolic", "--force", "--no-target-directory", f"{PROGRAMS}/{version}/{name}", f"/usr/bin/{name}")
        if "kubelet" in programs:
            self.run("systemctl", "try-restart", "kubelet.service")

    def remove(self) -> None:
        """Remove the node and its disks."""
        _remove(self.name)


def start(
    name: str,
    image: NodeImage = READY,
    *,
    assets: Sequence[Assets] = (),
    with_pykubeadm: bool = True,
    mounts: Sequence[tuple[Path, str]] = (),
    unique: bool = True,
) -> Node:
    """Start a node and wait until it is up; with `unique`, `name` gets a suffix of this process.

    The programs of all `assets` (kubelet, kubectl, kubeadm, crictl, …) are in /opt/kubernetes/VERSION, those of the first are
    commands of the node; the images of all are in its containerd (flavour `ready`). `mounts` are further folders,
    read-only, as (here, there).
    """
    engine.ensure()
    tag = image.ensure()
    hostname = f"{name}-{os.getpid()}" if unique else name
    options = [
        "--detach",
        "--privileged",
        "--cgroupns=private",
        "--stop-signal=SIGRTMIN+3",
        "--restart=no",
        "--tmpfs=/run:exec,mode=755",
        "--tmpfs=/run/lock",
        "--tmpfs=/tmp:exec",
        "--volume=/var/lib/kubelet",
        "--volume=/var/lib/etcd",
        f"--name={hostname}",
        f"--hostname={hostname}",
        f"--label={NODE_LABEL}={image.system}-{image.flavour}",
        f"--env=PYKUBEADM_LAB_RESOLVER={_resolver()}",
    ]
    options += [f"--volume={here}:{there}:ro" for here, there in [*mounts, *_kernel_files(), *_commands(assets)]]
    if with_pykubeadm:
        options += payload.mounts(image)
    if hostname in existing():
        raise LabError(f"there is a node {hostname} already: `docker rm --force --volumes {hostname}` removes it")
    disk = NODES / hostname / "containerd"
    run(["rm", "-rf", disk], root=True, timeout=120)  # of a node whose container was removed by hand
    run(["mkdir", "-p", disk], root=True)
    if assets and image.flavour == "ready":
        imagestore.copy(imagestore.ensure(image, assets), disk)
    options.append(f"--volume={disk}:/var/lib/containerd")
    # Addresses are given out by us, since an engine may give a stopped node's address to the next.
    with locked("network"):
        address, address6 = _free_addresses()
        options += [f"--network={NETWORK}", f"--ip={address}", f"--label={ADDRESS_LABEL}={address}"]
        if address6:
            options += [f"--ip6={address6}", *(f"--sysctl=net.ipv6.conf.{which}.disable_ipv6=0" for which in ("all", "default"))]
        docker("run", *options, tag)
    node = Node(hostname, address, image, address6)
    try:
        node.wait_booted()
    except LabError:
        node.remove()
        raise
    return node


def existing() -> list[str]:
    """The names of all nodes, of any process, running or not."""
    return docker("ps", "--all", "--filter", f"label={NODE_LABEL}", "--format", "{{.Names}}").split()


def remove_all() -> None:
    """Remove every node, what an unfinished build left, and the network."""
    for name in existing():
        _remove(name)
    for container in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}=build").split():
        docker("rm", "--force", "--volumes", container, check=False)
    run(["rm", "-rf", NODES, STATE / "build"], root=True, timeout=300)
    docker("network", "rm", NETWORK, check=False)


def _remove(name: str) -> None:
    docker("rm", "--force", "--volumes", name, check=False)
    run(["rm", "-rf", NODES / name], root=True, timeout=120)


def _commands(assets: Sequence[Assets]) -> list[tuple[Path, str]]:
    """Each version's programs are in a folder named by it; the first's become commands, too (node-init links them)."""
    return [
        (program, f"{folder}/{name}")
        for number, each in enumerate(assets)
        for name in COMMANDS
        if (program := each.program(name))
        for folder in ([PROGRAMS] if number == 0 else []) + [f"{PROGRAMS}/{each.version}"]
    ]


def _kernel_files() -> list[tuple[Path, str]]:
    """What a node needs of the host's kernel: its modules, and its configuration for the preflight checks."""
    release = platform.release()
    wanted = (Path("/lib/modules"), Path(f"/boot/config-{release}"))
    return [(path, str(path)) for path in wanted if path.exists()]


def _resolver() -> str:
    """A name server that a container can reach."""
    for source in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        text = source.read_text() if source.exists() else ""
        for address in re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE):
            if not address.startswith("127.") and ":" not in address:
                return str(address)
    return "1.1.1.1"


def _mtu() -> int:
    """The MTU of the interface with the default route; 1500 where there is none."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination, *_ = line.split()
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text())
    return 1500


def network() -> tuple[str, str]:
    """The subnets of the lab's network, IPv4 and IPv6, "" where it has no IPv6; makes it where it is missing. Call it under the
    lock."""
    described = docker("network", "inspect", NETWORK, check=False)
    networks = json.loads(described) if described else []
    if not networks:
        _make_network()
        networks = json.loads(docker("network", "inspect", NETWORK))
    subnets = [str(configuration["Subnet"]) for configuration in networks[0]["IPAM"]["Config"]]
    return next(each for each in subnets if ":" not in each), next((each for each in subnets if ":" in each), "")


def _free_addresses() -> tuple[str, str]:
    """Addresses of the lab's network that no node has, IPv4 and IPv6 with the same number, "" where the network has no IPv6.
    Call it under the lock."""
    subnet, subnet6 = network()
    taken = set(
        docker("ps", "--all", "--filter", f"label={ADDRESS_LABEL}", "--format", f'{{{{.Label "{ADDRESS_LABEL}"}}}}').split()
    )
    # The gateway has the first, virtual machines have those below 10; those above 200 are free for virtual addresses.
    for number in range(10, 201):
        address = str(ipaddress.ip_network(subnet)[number])
        if address not in taken:
            return address, str(ipaddress.ip_network(subnet6)[number]) if subnet6 else ""
    raise LabError(f"all addresses of the network {NETWORK} are taken: `make clean` removes nodes that were left over")


def _has_ipv6() -> bool:
    """Whether new interfaces of this machine get IPv6."""
    disabled = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    return disabled.exists() and disabled.read_text().strip() == "0"


def _make_network() -> None:
    """With IPv6 as well where the machine has it."""
    for second in SECONDS:
        options = [f"--subnet=172.{second}.250.0/24", f"--opt=com.docker.network.driver.mtu={_mtu()}", f"--label={LABEL}"]
        if _has_ipv6():
            options += ["--ipv6", f"--subnet={PREFIX6}:{second}::/64"]
        with contextlib.suppress(CommandError):  # it overlaps a network that exists
            docker("network", "create", *options, NETWORK)
            return
    raise LabError(f"none of the networks 172.{SECONDS[-1]}.250.0/24 to 172.{SECONDS[0]}.250.0/24 is free")
