"""Settings of the kernel, swap, and the clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.preflight import remarks_of
from pykubeadm.phases.preflight.system import swap


class _Setting(NamedTuple):
    """`path` below /proc/sys, a number that must be `least` at least; one that is not there is not needed."""

    path: str
    least: int
    what: str


_SETTINGS: Final = (
    _Setting("net/ipv4/ip_forward", 1, "packets of pods are not handed on to other nodes"),
    _Setting("net/bridge/bridge-nf-call-iptables", 1, "packets between pods on a bridge pass by the rules of Services"),
    _Setting("net/bridge/bridge-nf-call-ip6tables", 1, "packets between pods on a bridge pass by the rules of Services"),
)
_FEW_WATCHES: Final = 128


def _settings(here: Here) -> Iterable[Remark]:
    for setting in _SETTINGS:
        found = here.machine.text(f"/proc/sys/{setting.path}").strip()
        if found.isdecimal() and int(found) < setting.least:
            name = setting.path.replace("/", ".")
            yield problem(
                f"{name} is {found}, so that {setting.what}",
                f"sysctl -w {name}={setting.least}, and put it into /etc/sysctl.d (`pykubeadm node prepare` does both)",
            )
    instances = here.machine.text("/proc/sys/fs/inotify/max_user_instances").strip()
    if instances.isdecimal() and int(instances) < _FEW_WATCHES:
        yield warning(
            f"fs.inotify.max_user_instances is {instances}: kubelet and log collectors soon may not watch more files",
            "sysctl -w fs.inotify.max_user_instances=8192, and put it into /etc/sysctl.d",
        )


def _swap(here: Here) -> Iterable[Remark]:
    return remarks_of(swap(fail_swap_on=here.kubelet_config.get("failSwapOn") is not False), here)


def _clock(here: Here) -> Iterable[Remark]:
    said = here.ask("timedatectl", "show", "--property=NTPSynchronized", "--property=NTP")
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if values.get("NTPSynchronized") == "no":
        how = "is switched on but has no time yet" if values.get("NTP") == "yes" else "is not switched on"
        yield warning(
            f"the clock is not synchronized: systemd's NTP {how}",
            "timedatectl set-ntp true, or run chrony; then `chronyc tracking`",
        )


CHECKS: Final = (
    Check("node/kernel-settings", "without them pods and Services are not reached", _settings),
    Check("node/swap", "the kubelet refuses to start with swap unless failSwapOn is false", _swap),
    Check("node/clock", "certificates and Leases count by the clock; etcd's members should agree on it", _clock),
)
