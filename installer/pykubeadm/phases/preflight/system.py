"""Checks of the machine itself: privileges, size, swap, kernel, cgroups."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable
from functools import partial

from pykubeadm.config.versions import parse_version
from pykubeadm.node.port import Command, Looked
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.phases.preflight.machine import Machine, text

_FIRST_KUBELET_WITHOUT_V1 = 35  # KEP-5573: from 1.35 on failCgroupV1 is true by default
_FREEZER_IN_V2 = (5, 2)  # cgroup.freeze

# What the kernel must have (k8s.io/system-validators, types_unix.go). Alternatives stand beside each other.
_REQUIRED = (
    ("NAMESPACES",),
    ("NET_NS",),
    ("PID_NS",),
    ("IPC_NS",),
    ("UTS_NS",),
    ("CPUSETS",),
    ("MEMCG",),
    ("INET",),
    ("EXT4_FS",),
    ("PROC_FS",),
    ("NETFILTER_XT_TARGET_REDIRECT", "IP_NF_TARGET_REDIRECT"),
    ("NETFILTER_XT_MATCH_COMMENT",),
    ("FAIR_GROUP_SCHED",),
)
_REQUIRED_FOR = {
    1: (("CGROUPS",), ("CGROUP_CPUACCT",), ("CGROUP_DEVICE",), ("CGROUP_FREEZER",), ("CGROUP_PIDS",), ("CGROUP_SCHED",)),
    2: (("CGROUPS",), ("CGROUP_BPF",), ("CGROUP_PIDS",), ("CGROUP_SCHED",)),
}
_CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    2: ("cpu", "cpuset", "devices", "freezer", "memory", "pids"),
}
_OPTIONAL_CONTROLLERS = {1: ("hugetlb", "blkio"), 2: ("hugetlb", "io")}
_CONFIG_PLACES = (
    "/proc/config.gz",
    "/boot/config-{release}",
    "/usr/src/linux-{release}/.config",
    "/usr/src/linux/.config",
    "/usr/lib/modules/{release}/config",
    "/usr/lib/ostree-boot/config-{release}",
    "/usr/lib/kernel/config-{release}",
    "/usr/src/linux-headers-{release}/.config",
    "/lib/modules/{release}/build/.config",
)
_RELEASE, _MOUNTS, _CGROUPS = "/proc/sys/kernel/osrelease", "/proc/mounts", "/proc/cgroups"
_OF_THE_KERNEL = (_RELEASE, _MOUNTS, _CGROUPS, "/proc/config.gz", "/sys/fs/cgroup/cgroup.controllers")
_V1_MEMORY = "/sys/fs/cgroup/memory"
_OPTION = re.compile(rb"^CONFIG_([A-Z0-9_]+)=[ym]", re.MULTILINE)


def _is_privileged(machine: Machine) -> Findings:
    answer = machine.node.run(Command.look_up(("id", "-u"), "ask for the user"))
    user = answer.stdout.strip() if answer.status == 0 else str(os.geteuid())
    return FINE if user == "0" else error("root is needed to change a node; run this as root or with sudo")


IS_PRIVILEGED_USER = Check("IsPrivilegedUser", _is_privileged)


def number_of_cpus(wanted: int) -> Check:
    """CPUs that this process may use."""
    return Check("NumCPU", partial(_number_of_cpus, wanted))


def memory(wanted: int) -> Check:
    """Memory in MiB."""
    return Check("Mem", partial(_memory, wanted))


def swap(*, fail_swap_on: bool) -> Check:
    """`fail_swap_on` is the kubelet's failSwapOn."""
    return Check("Swap", partial(_swap, fail_swap_on))


def system_verification(*, kubernetes_version: str, fail_cgroup_v1: bool | None, minors_ahead: int = 0) -> Check:
    """Kernel and cgroups, for the kubelet that is installed, else the one of `kubernetes_version`; `minors_ahead` is 1 before
    an upgrade. `fail_cgroup_v1` is the kubelet's failCgroupV1, None where it is not set."""
    return Check(
        "SystemVerification", lambda machine: _system(machine, _cgroup_v1(kubernetes_version, fail_cgroup_v1, minors_ahead))
    )


def _number_of_cpus(wanted: int, machine: Machine) -> Findings:
    allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)", machine.text("/proc/self/status"), re.MULTILINE)
    online = _cpu_list(machine.text("/sys/devices/system/cpu/online").strip())
    usable = _cpu_list(allowed[1]) & online if allowed and online else online or _cpu_list(allowed[1] if allowed else "")
    if not usable:
        return warning("the number of CPUs cannot be found out from /proc and /sys")
    if len(usable) < wanted:
        return error(f"this node has {len(usable)} CPU and a control plane needs {wanted}; give it more")
    return FINE


def _cpu_list(text: str) -> set[int]:
    """cpuset(7), list format: "0-3,8"."""
    bounds = [part.partition("-") for part in text.split(",") if part]
    return {cpu for first, _, last in bounds for cpu in range(int(first), int(last or first) + 1)}


def _memory(wanted: int, machine: Machine) -> Findings:
    total = re.search(r"^MemTotal:\s*(\d+) kB", machine.text("/proc/meminfo"), re.MULTILINE)
    if total is None:
        return warning("the size of the memory cannot be found out from /proc/meminfo")
    mebibytes = int(total[1]) // 1024
    if mebibytes < wanted:
        return error(f"this node has {mebibytes} MB of memory and a control plane needs {wanted} MB; give it more")
    return FINE


def _swap(fail_swap_on: bool, machine: Machine) -> Findings:
    areas = [line.split()[0] for line in machine.text("/proc/swaps").splitlines()[1:] if line.strip()]
    if not areas:
        return FINE
    what = f"swap is on ({', '.join(areas)})"
    if fail_swap_on:
        return warning(
            f"{what} and the kubelet will not start with it; switch it off (`swapoff -a`, and its line in /etc/fstab) or set"
            " failSwapOn: false in the KubeletConfiguration (https://kubernetes.io/docs/concepts/architecture/nodes/#swap-memory)"
        )
    if machine.host.cgroup_version == 1:
        return warning(f"{what}; pods can use it with cgroup v2 only, and this node has v1")
    return FINE


def _cgroup_v1(kubernetes_version: str, fail: bool | None, minors_ahead: int) -> Callable[[Machine], Findings]:
    def judge(machine: Machine) -> Findings:
        minor = parse_version(machine.kubelet_version() or kubernetes_version).minor + minors_ahead
        advice = (
            "this node uses cgroup v1, which Kubernetes is giving up; boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"
        )
        if minor < _FIRST_KUBELET_WITHOUT_V1 or fail is False:
            return warning(advice)
        return error(
            f"{advice}, or let kubelet 1.{minor} start all the same with failCgroupV1: false in the KubeletConfiguration"
            " (https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1)"
        )

    return judge


def _system(machine: Machine, on_cgroup_v1: Callable[[Machine], Findings]) -> Findings:
    node = machine.node.ahead(read=_OF_THE_KERNEL, stat=(_V1_MEMORY,))
    release = text(node, _RELEASE).strip()
    mount, version = _cgroup_mount(node)
    found = [_kernel_release(release), _kernel_config(node, release, version)]
    if not version:
        found.append(error("no cgroup file system is mounted (/proc/mounts); mount cgroup2 at /sys/fs/cgroup"))
    else:
        found.append(_controllers(node, release, mount, version))
    if version == 1:
        found.append(on_cgroup_v1(machine))
    return Findings(
        tuple(sentence for findings in found for sentence in findings.errors),
        tuple(sentence for findings in found for sentence in findings.warnings),
    )


def _release_numbers(release: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _kernel_release(release: str) -> Findings:
    numbers = _release_numbers(release)
    if numbers in ((5, 4), (5, 10), (5, 15)) or numbers >= (6, 0):
        return FINE
    return warning(
        f"kernel {release or 'of unknown release'} is not supported; use 5.4, 5.10 or 5.15 (long-term) or any from 6.0 on"
    )


def _kernel_config(node: Looked, release: str, cgroups: int) -> Findings:
    for place in _CONFIG_PLACES:
        content = node.read(place.format(release=release))
        if content is None:
            continue
        try:
            options = set(_OPTION.findall(gzip.decompress(content) if place.endswith(".gz") else content))
        except (OSError, EOFError, zlib.error):
            return warning(f"the kernel's configuration in {place} cannot be read; it was not checked")
        wanted = _REQUIRED + _REQUIRED_FOR.get(cgroups, ())
        missing = [names[0] for names in wanted if not any(name.encode() in options for name in names)]
        if missing:
            return error(
                f"the kernel is built without {', '.join(f'CONFIG_{name}' for name in missing)}; use your distribution's kernel"
            )
        return FINE
    return warning(f"the configuration of kernel {release} is neither in /proc/config.gz nor in /boot; it was not checked")


def _cgroup_mount(node: Looked) -> tuple[str, int]:
    """Where cgroups are mounted and their version, 0 where they are not; with both, what the kubelet uses."""
    mounts = [line.split() for line in text(node, _MOUNTS).splitlines() if "cgroup" in line]
    for _, point, kind, *_ in mounts:
        if point == "/sys/fs/cgroup" and kind == "cgroup2":
            return point, 2
        if point == "/sys/fs/cgroup" and node.stat(_V1_MEMORY) is not None:
            return point, 1
    for version, kind_wanted in ((2, "cgroup2"), (1, "cgroup")):
        for _, point, kind, *_ in mounts:
            if kind == kind_wanted:
                return point, version
    return "", 0


def _controllers(node: Looked, release: str, mount: str, version: int) -> Findings:
    if version == 2:
        # devices is eBPF in v2 and never listed, freezer is part of the core
        found = {"devices", *text(node, f"{mount}/cgroup.controllers").split()}
        if _release_numbers(release) >= _FREEZER_IN_V2:
            found.add("freezer")
    else:
        lines = [line.split() for line in text(node, _CGROUPS).splitlines() if not line.startswith("#")]
        found = {fields[0] for fields in lines if len(fields) >= 4 and fields[3] != "0"}
    missing = [name for name in _CONTROLLERS[version] if name not in found]
    optional = [name for name in _OPTIONAL_CONTROLLERS[version] if name not in found]
    return Findings(
        errors=(f"cgroup v{version} has no controllers {', '.join(missing)}; enable them (kernel command line: cgroup_enable=…)",)
        if missing
        else (),
        warnings=(f"cgroup v{version} has no controllers {', '.join(optional)}; limits of that kind will not work",)
        if optional
        else (),
    )
