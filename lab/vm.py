"""A node as a virtual machine: its own kernel, its own devices, cgroup v2 alone. For what a container cannot show.

qemu runs it, with KVM where that boots the machine's kernel, else by emulation, some ten times slower. Its network is qemu's
user network, so a machine needs no root and reaches what this machine reaches; or, beside nodes, theirs (`tap.py`). Commands go
to it over ssh.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import payload, tap, vmdisk
from lab.assets import Assets
from lab.host import CACHE, CommandError, LabError, require_commands, run
from lab.machine import Machine
from lab.nodeimage import NodeImage

QEMU = "qemu-system-x86_64"
MACHINES = CACHE / "lab" / "vms"
READY = NodeImage("debian13", "ready")
ADDRESS = "10.0.2.15"  # what qemu's user network gives to its only machine
# For the kernel of an emulated machine. With two processors it would not trust their counters and read the time from the HPET,
# an emulated device's access each time; and look up addresses in five levels of tables where four are enough.
EMULATED_WORDS = ("mitigations=off", "tsc=reliable", "no5lvl")
# The first of these that runs the kernel is taken. Emulated, qemu 7's cmpxchg16b makes a kernel 6.12 panic at boot, and what
# programs do with the vector instructions of newer processors takes a fifth longer than what they do without.
ACCELERATORS = {"kvm": "host", "tcg,thread=multi": "qemu64,-cx16"}
MARK = "the kernel runs"  # what files/vm-initrd says first


@functools.cache
def accelerator(kernel: Path, initrd: Path) -> str:
    """The fastest accelerator that boots this kernel. That /dev/kvm exists does not mean that it does."""
    for name, cpu in ACCELERATORS.items():
        if name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            continue
        argv: list[str | Path] = [QEMU, "-accel", name, "-cpu", cpu, "-m", "512", "-nodefaults", "-no-reboot", "-display", "none"]
        argv += ["-kernel", kernel, "-initrd", initrd, "-serial", "stdio", "-append", "console=ttyS0 panic=-1 probe=1"]
        with contextlib.suppress(CommandError):
            if MARK in run(argv, check=False, timeout=15 if name == "kvm" else 60).stdout:
                return name
    raise LabError(f"{QEMU} boots {kernel} neither with KVM nor by emulation")


@dataclass(frozen=True, slots=True)
class VirtualMachine(Machine):
    """A virtual machine that was started. `folder` holds its disk, its key and, in `console`, all it said while booting."""

    name: str
    address: str
    folder: Path
    accelerator: str
    port: int  # of its sshd, on this machine's loopback or, with a tap, at its address
    process: subprocess.Popen[bytes] = field(repr=False)
    plugged: tap.Tap | None = None
    address6: str = ""

    def _ssh(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "60",
            "ControlMaster": "auto",  # one handshake for all commands: emulated, it takes seconds
            "ControlPath": str(self.folder / "ssh"),
            "ControlPersist": "600",
            "IdentityFile": str(self.folder / "key"),
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        host = self.address if self.plugged else "127.0.0.1"
        return ["ssh", "-F", "none", *(f"-o{key}={value}" for key, value in options.items()), f"-p{self.port}", f"root@{host}"]

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 60.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        settings = [f"{name}={value}" for name, value in (env or {}).items()]
        bounded = ["env", *settings, "timeout", "--kill-after=5", f"{timeout:.0f}", *argv]
        return run([*self._ssh(), shlex.join(bounded)], check=check, stdin=stdin, timeout=timeout + 30)

    def wait_booted(self, seconds: float) -> None:
        """Wait until systemd is done with starting. A machine that is `degraded` names the units that failed."""
        end = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise LabError(f"{QEMU} ended with status {self.process.returncode}: {self._last_words('qemu.log')}")
            with contextlib.suppress(CommandError):
                state = self.run("systemctl", "is-system-running", "--wait", check=False, timeout=60).stdout.strip()
                if state == "running":
                    return
                if state == "degraded":
                    failed = self.run("systemctl", "--failed", "--plain", "--no-legend", check=False).stdout
                    raise LabError(f"machine {self.name} did not start well; failed: {failed.strip()}")
            if time.monotonic() > end:
                raise LabError(f"machine {self.name} is not up after {seconds:.0f} s: {self._last_words('console')}")
            time.sleep(0.5)

    def _last_words(self, name: str) -> str:
        path = self.folder / name
        return "\n".join(path.read_text(errors="replace").splitlines()[-8:]) if path.exists() else "it said nothing"

    def power_off(self) -> None:
        """Take the power away."""
        self.process.kill()
        self.process.wait(timeout=30)

    def remove(self) -> None:
        """Take the power away and remove the disk."""
        run([*self._ssh(), "-O", "exit"], check=False, timeout=10)
        self.power_off()
        if self.plugged:
            self.plugged.unplug()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(
    name: str,
    image: NodeImage = READY,
    *,
    assets: Sequence[Assets] = (),
    memory: str = "3G",
    cpus: int = 2,
    beside_nodes: bool = False,
) -> VirtualMachine:
    """Start a machine and wait until it is up. pykubeadm is a command on it; see `vmdisk.ensure` for what `assets` bring. With
    `beside_nodes` it is on the nodes' network."""
    require_commands(QEMU, "qemu-img", "ssh", "ssh-keygen")
    disk = vmdisk.ensure(image, assets)
    chosen = accelerator(disk.kernel, disk.initrd)
    folder = MACHINES / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk.root, folder / "root.qcow2"])
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", folder.name, "-f", folder / "key"])
    environment, checkout = payload.folders(image)
    vmdisk.data_disk(folder / "pykubeadm.raw", {".": environment, "src": checkout})
    plugged = tap.plug() if beside_nodes else None
    port = 22 if plugged else _free_port()
    devices = _network(plugged, port)
    for number, drive in enumerate((f"file={folder}/root.qcow2", f"file={folder}/pykubeadm.raw,format=raw,readonly=on")):
        devices += ["-drive", f"{drive},if=none,id=disk{number},cache=unsafe", "-device", f"virtio-blk-pci,drive=disk{number}"]
    argv: list[str | Path] = [QEMU, "-name", folder.name, "-M", "q35", "-accel", chosen, "-cpu", ACCELERATORS[chosen]]
    argv += ["-m", memory, "-smp", str(cpus), "-nodefaults", "-no-reboot", "-display", "none", *devices]
    argv += ["-device", "virtio-rng-pci", "-serial", f"file:{folder}/console", "-kernel", disk.kernel, "-initrd", disk.initrd]
    argv += ["-append", _command_line(folder, plugged, emulated=chosen != "kvm")]
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "pid").write_text(str(process.pid))
    address = str(plugged.address.ip) if plugged else ADDRESS
    machine = VirtualMachine(folder.name, address, folder, chosen, port, process, plugged)
    try:
        machine.wait_booted(60 if chosen == "kvm" else 600)
        machine.run("ln", "-s", f"{payload.MOUNT}/bin/pykubeadm", "/usr/bin/pykubeadm")
    except BaseException:
        machine.power_off()
        if plugged:
            plugged.unplug()
        raise
    return machine


def _network(plugged: tap.Tap | None, port: int) -> list[str | Path]:
    """qemu's words for a machine on the nodes' network, else for one of its own with the sshd at a port of this machine's."""
    if plugged is None:
        return ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net"]
    device = f"virtio-net-pci,netdev=net,mac={plugged.mac},host_mtu={plugged.mtu}"
    return ["-netdev", f"tap,id=net,ifname={plugged.device},script=no,downscript=no", "-device", device]


def _command_line(folder: Path, plugged: tap.Tap | None, *, emulated: bool) -> str:
    """The kernel's and systemd's (kernel-command-line(7)): host name, root's ssh key as a credential, pykubeadm's disk, and the
    address where nobody gives one."""
    key = base64.b64encode((folder / "key.pub").read_bytes()).decode()
    words = [
        "console=ttyS0 quiet panic=-1",
        f"systemd.hostname={folder.name}",
        f"systemd.set_credential_binary=ssh.authorized_keys.root:{key}",
        f"systemd.mount-extra=/dev/vdb:{payload.MOUNT}:ext4:ro",
    ]
    if plugged:
        words.append(f"ip={plugged.address.ip}::{plugged.gateway}:{plugged.address.netmask}:::off")
    return " ".join([*words, *EMULATED_WORDS] if emulated else words)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_all() -> None:
    """End and remove every machine that a process of this user left, those of running tests too."""
    for folder in MACHINES.glob("*"):
        with contextlib.suppress(OSError, ValueError):
            pid = int((folder / "pid").read_text())
            if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    tap.remove_all()
