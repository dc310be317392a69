"""Recorded systems: os-release as each distribution ships it, where its programs are, and what its repositories have.

`containerd` is the version in the distribution's repositories, "" where there is none; `installed` one that is there already.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    os_release: str
    family: str
    package_manager: str
    containerd: str = ""
    installed: str = ""
    path: str = ""
    machine: str = "x86_64"
    firewall: str = ""
    cgroup: int = 2


SYSTEMS = {
    "debian12": System(
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
        "debian", "apt", containerd="1.6.20~ds1-1+deb12u1",
    ),
    "debian13-arm64": System(
        'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n',
        "debian", "apt", containerd="1.7.24~ds1-6+b4", machine="aarch64",
    ),
    "ubuntu2204": System(
        'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n',
        "debian", "apt", containerd="1.7.27-0ubuntu1~22.04.1", firewall="ufw",
    ),
    "ubuntu2404": System(
        'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
        "debian", "apt", containerd="1.7.28-0ubuntu1~24.04.1",
    ),
    "ubuntu2604": System(
        'PRETTY_NAME="Ubuntu 26.04 LTS"\nNAME="Ubuntu"\nVERSION_ID="26.04"\nID=ubuntu\nID_LIKE=debian\n',
        "debian", "apt", containerd="2.2.1-0ubuntu1",
    ),
    "rhel9": System(
        'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Red Hat Enterprise Linux 9.6 (Plow)"\n',
        "redhat", "dnf", firewall="firewalld",
    ),
    "rocky10-arm64": System(
        'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\nPRETTY_NAME="Rocky Linux 10.0 (Red Quartz)"\n',
        "redhat", "dnf", machine="aarch64",
    ),
    "alma9-docker": System(
        'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="AlmaLinux 9.6"\n',
        "redhat", "dnf", installed="2.1.5", path="/usr/bin/containerd",
    ),
    "fedora": System(
        'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43 (Server Edition)"\n',
        "redhat", "dnf", containerd="2.1.4-1.fc43", firewall="firewalld",
    ),
    "leap16": System(
        'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"\nPRETTY_NAME="openSUSE Leap 16.0"\n',
        "suse", "zypper", containerd="1.7.28-1.1",
    ),
    "archives-2.3": System(
        'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n',
        "debian", "apt", installed="2.3.1", path="/usr/local/bin/containerd",
    ),
    "cgroup-v1": System(
        'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n', "debian", "apt", containerd="1.7.27", cgroup=1,
    ),
}  # fmt: skip

CONTROLLERS = {
    1: ["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids"],
    2: ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"],
}


def facts(name: str, system: System) -> dict[str, object]:
    """As the facts module would report the machine."""
    release = dict(line.replace('"', "").split("=", 1) for line in system.os_release.splitlines())
    return {
        "os": {"id": release["ID"], "version": release["VERSION_ID"], "name": release["PRETTY_NAME"]},
        "family": system.family,
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[system.machine],
        "kernel": "6.12.0",
        "hostname": name,
        "container": "",
        "cpus": 4,
        "memory_mib": 8192,
        "cgroup": {"version": system.cgroup, "controllers": CONTROLLERS[system.cgroup]},
        "swap": [],
        "swap_may_come": True,
        "machine_id": f"{hash(name) & 0xFFFFFFFF:032x}",
        "product_uuid": "",
        "time_synchronized": True,
        "ipv6": "noipv6" not in name,
        "default_ipv4": "192.0.2.10",
        "default_ipv6": "",
        "addresses": ["192.0.2.10"],
        "versions": {"containerd": system.installed} if system.installed else {},
        "paths": {"containerd": system.path} if system.path else {},
        "sockets": [],
        "cni": {"plugins": [], "configurations": []},
        "firewall": system.firewall,
        "selinux": "enforcing" if system.family == "redhat" else "disabled",
        "package_manager": system.package_manager,
        "can_lower_oom_score": True,
    }
