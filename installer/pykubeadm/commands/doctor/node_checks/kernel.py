"""Settings of the kernel, swap, and the clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pykubeadm.commands.doctor.check import Check, Remark, note, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.preflight import remarks_of
from pykubeadm.config.section import DocumentError
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.discovery.anonymous import ANY_PATH, ClockError, ask, clock_difference
from pykubeadm.errors import ApiError
from pykubeadm.kube.clocks import APART
from pykubeadm.kubeconfig.read import read_kubeconfig
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
_KUBECONFIGS: Final = tuple(f"{KUBERNETES_DIR}/{name}" for name in ("kubelet.conf", "bootstrap-kubelet.conf"))
_SET_CLOCK: Final = "timedatectl set-ntp true, or run chrony; then `chronyc tracking`"


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
            _SET_CLOCK,
        )
    yield from _compared_clock(here)


def _compared_clock(here: Here) -> Iterable[Remark]:
    """With that of the API server which the kubelet writes to; nothing on a node that is none of a cluster's yet."""
    content = next((found for path in _KUBECONFIGS if (found := here.node.read(path))), None)
    if content is None:
        return
    try:
        kubelet = read_kubeconfig(content)
        ca = None if kubelet.insecure else kubelet.ca or (here.node.read(kubelet.ca_path) if kubelet.ca_path else b"") or b""
        began = here.node.now()
        name, proxy = (str(kubelet.cluster.get(key) or "") for key in ("tls-server-name", "proxy-url"))
        answer = ask(kubelet.url, ANY_PATH, ca, began, server_name=name, proxy=proxy)
        ahead = answer.ahead - (here.node.now() - began)  # it says its time when it answers
    except ClockError as error:
        ahead = error.ahead
    except (ApiError, DocumentError) as error:
        yield note(f"the clock could not be compared with an API server's: {error}")
        return
    if abs(ahead) > APART:
        yield problem(clock_difference(urlsplit(kubelet.url).netloc, ahead), _SET_CLOCK)


CHECKS: Final = (
    Check("node/kernel-settings", "without them pods and Services are not reached", _settings),
    Check("node/swap", "the kubelet refuses to start with swap unless failSwapOn is false", _swap),
    Check("node/clock", "certificates and Leases count by the clock; etcd's members should agree on it", _clock),
)
