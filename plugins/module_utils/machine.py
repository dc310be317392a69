# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a machine is and has. Every function reads below `root`, so that recorded machines can be asked too; commands go
through `run(argv)`, which returns the output, or None where the command is missing or fails."""

from __future__ import annotations

import glob
import os
import re
import socket

from ansible_collections.pykubeadm.kube.plugins.module_utils import swapping

FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "fedora": "redhat",
    "centos": "redhat",
    "suse": "suse",
    "opensuse": "suse",
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CAP_SYS_RESOURCE = 24  # linux/capability.h
PROGRAMS = {
    "containerd": (("containerd", "--version"), r"\bv?(\d+\.\d+\.\d+\S*)"),
    "runc": (("runc", "--version"), r"runc version (\S+)"),
    "crio": (("crio", "--version"), r"(?:Version:\s+|crio version )(\S+)"),
    "kubelet": (("kubelet", "--version"), r"v(\S+)"),
    "kubectl": (("kubectl", "version", "--client"), r"Client Version: v(\S+)"),
    "crictl": (("crictl", "--version"), r"crictl version v?(\S+)"),
}
SOCKETS = ("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock")
PACKAGE_MANAGERS = (("zypper", "zypper"), ("dnf", "dnf"), ("apt-get", "apt"))


def text(root, path):
    """The file's text, "" where it cannot be read."""
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def os_release(root="/"):
    """os-release(5) as a dict."""
    found = {}
    for line in (text(root, "/etc/os-release") or text(root, "/usr/lib/os-release")).splitlines():
        name, sign, value = line.partition("=")
        if sign and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def family(release):
    """ "debian", "redhat", "suse", or "" for a system that is none of them."""
    for name in [release.get("ID", "")] + release.get("ID_LIKE", "").split():
        for known, result in FAMILIES.items():
            if name == known or name.startswith(known + "-"):
                return result
    return ""


def cgroup(root="/"):
    """The version (2 only where /sys/fs/cgroup itself is the unified hierarchy) and the controllers that pods can have."""
    unified = text(root, "/sys/fs/cgroup/cgroup.controllers")
    if unified or os.path.exists(os.path.join(root, "sys/fs/cgroup/cgroup.controllers")):
        # v2 has no controller "devices" and "freezer": eBPF and every cgroup's cgroup.freeze do their work.
        return {"version": 2, "controllers": sorted(unified.split())}
    lines = text(root, "/proc/cgroups").splitlines()
    enabled = [line.split()[0] for line in lines if not line.startswith("#") and line.split()[-1] == "1"]
    return {"version": 1, "controllers": sorted(enabled)}


def swap(root="/"):
    return [line.split()[0] for line in text(root, "/proc/swaps").splitlines()[1:]]


def memory_mib(root="/"):
    match = re.search(r"MemTotal:\s+(\d+) kB", text(root, "/proc/meminfo"))
    return int(match.group(1)) // 1024 if match else 0


def can_lower_oom_score(root="/"):
    """Whether this process, and so a service started as root, may hold CAP_SYS_RESOURCE; nested containers often may not."""
    match = re.search(r"CapBnd:\s+([0-9a-f]+)", text(root, "/proc/1/status"))
    return bool(int(match.group(1), 16) >> CAP_SYS_RESOURCE & 1) if match else True


def firewall(run):
    """The firewall that is at work: "firewalld", "ufw", "nftables" (its own service), or ""."""
    if (run(["firewall-cmd", "--state"]) or "").strip() == "running":
        return "firewalld"
    if (run(["ufw", "status"]) or "").startswith("Status: active"):
        return "ufw"
    return "nftables" if (run(["systemctl", "is-active", "nftables.service"]) or "").strip() == "active" else ""


def selinux(root="/"):
    enforce = text(root, "/sys/fs/selinux/enforce").strip()
    return {"1": "enforcing", "0": "permissive"}.get(enforce, "disabled")


def default_address(destination, version):
    """The address that packets to `destination` would leave from; no packet is sent."""
    kind = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((destination, 9))
            return probe.getsockname()[0]
    except OSError:
        return ""


def addresses(run):
    out = run(["ip", "-o", "addr", "show", "scope", "global"]) or ""
    return sorted(set(re.findall(r"\binet6? ([0-9a-f.:]+)/", out)))


def versions(run):
    """Program → version, for those that are installed."""
    found = {}
    for name, (command, pattern) in PROGRAMS.items():
        out = run(list(command))
        match = re.search(pattern, out) if out else None
        if match:
            found[name] = match.group(1)
    return found


def time_synchronized(run):
    """True, False, or None where the machine does not know."""
    out = (run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]) or "").strip()
    return {"yes": True, "no": False}.get(out)


def entries(root, folder):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(root, folder.lstrip("/"), "*")))


def gather(run, which, root="/"):
    """All of it as plain data."""
    release, kernel = os_release(root), os.uname()
    container = (run(["systemd-detect-virt", "--container"]) or "none").strip()
    return {
        "os": {"id": release.get("ID", ""), "version": release.get("VERSION_ID", ""), "name": release.get("PRETTY_NAME", "")},
        "family": family(release),
        "architecture": ARCHITECTURES.get(kernel.machine, kernel.machine),
        "kernel": kernel.release,
        "hostname": kernel.nodename,
        "container": "" if container == "none" else container,
        "cpus": os.cpu_count() or 0,
        "memory_mib": memory_mib(root),
        "cgroup": cgroup(root),
        "swap": swap(root),
        "swap_may_come": swapping.may_come(run, root),
        "machine_id": text(root, "/etc/machine-id").strip(),
        "product_uuid": text(root, "/sys/class/dmi/id/product_uuid").strip().lower(),
        "time_synchronized": time_synchronized(run),
        "ipv6": os.path.exists(os.path.join(root, "proc/net/if_inet6")),
        "default_ipv4": default_address("192.0.2.1", 4),
        "default_ipv6": default_address("2001:db8::1", 6),
        "addresses": addresses(run),
        "versions": versions(run),
        "paths": {name: path for name in PROGRAMS for path in [which(name)] if path},
        "sockets": [path for path in SOCKETS if os.path.exists(os.path.join(root, path.lstrip("/")))],
        "cni": {"plugins": entries(root, "/opt/cni/bin"), "configurations": entries(root, "/etc/cni/net.d")},
        "firewall": firewall(run),
        "selinux": selinux(root),
        "package_manager": next((name for program, name in PACKAGE_MANAGERS if which(program)), ""),
        "can_lower_oom_score": can_lower_oom_score(root),
    }
