"""libvirt: the one that runs, else started as the machine allows, for the Vagrant scenarios.

Where it answers it is used as it is. Else systemd starts it, and where there is no systemd either, its daemons are started in the
background, and its virtual machines run as root without the confinement that such a machine (a container mostly) cannot give.
"""

from __future__ import annotations

import time
from pathlib import Path

from lab.host import STATE, LabError, locked, require_commands, run

URI = "qemu:///system"
CONFIGURATION = Path("/etc/libvirt/qemu.conf")
MARK = "# Set by pykubeadm's lab: no systemd, no control groups to delegate."
SETTINGS = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""


def answers() -> bool:
    """Whether libvirt answers root."""
    return run(["virsh", "--connect", URI, "version"], root=True, check=False, timeout=20).returncode == 0


def ensure() -> None:
    """Have a libvirt that answers; LabError says why there can be none."""
    require_commands("libvirtd", "virsh", "vagrant", "qemu-img")
    with locked("libvirt"):
        if answers():
            return
        if Path("/run/systemd/system").is_dir():
            run(["systemctl", "start", "libvirtd.service"], root=True, check=False)
            _wait("`systemctl start libvirtd` did not help: see `journalctl -u libvirtd`")
            return
        if MARK not in run(["cat", CONFIGURATION], root=True).stdout:
            run(["tee", "-a", CONFIGURATION], root=True, stdin=f"\n{MARK}{SETTINGS}")
        run(["mkdir", "-p", STATE], root=True)
        # A shell detaches them, so that neither sudo nor the caller's terminal takes them along when they end.
        for daemon in ("virtlogd", "libvirtd"):
            run(["sh", "-c", f"setsid {daemon} >>{STATE}/{daemon}.log 2>&1 </dev/null &"], root=True)
        _wait(f"libvirtd does not answer: see {STATE}/libvirtd.log")


def _wait(hint: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not answers():
        if time.monotonic() > end:
            raise LabError(f"there is no libvirt: {hint}")
        time.sleep(0.5)
