"""The checks that every node needs, whatever it is to become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pykubeadm.config.model import NodeRegistration
from pykubeadm.constants import KUBELET_PORT
from pykubeadm.phases.preflight import runtime, system, versions
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.preflight.network import hostname, resolv_conf
from pykubeadm.phases.preflight.paths import file_content, in_path
from pykubeadm.phases.preflight.ports import kubelet_port
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.ip import parse_ip

# Tags of the playbook that prepares nodes → checks that fail where they have not been at work.
_BROUGHT = {
    "runtime": ("cri",),
    "kubelet": ("kubeletversion",),
    "kernel": ("filecontent--proc-sys-net-ipv4-ip_forward", "filecontent--proc-sys-net-ipv6-conf-default-forwarding"),
}


def ignored_checks(run: ClusterRun) -> frozenset[str]:
    """What the user wants ignored, and in a dry run what the phase `prepare` would have brought by now."""
    return run.ignore_preflight_errors | {name for tag in run.missing_parts for name in _BROUGHT.get(tag, ())}


def common_checks(
    registration: NodeRegistration, kubelet: Mapping[str, Any], *, control_plane: str | None, kubernetes_version: str
) -> tuple[Check, ...]:
    """`kubelet` is the KubeletConfiguration as the user gave it. `control_plane` is the control plane's version where it is
    known, `kubernetes_version` the one to judge by where no kubelet is installed yet."""
    return (
        runtime.CRI,
        runtime.CONTAINER_RUNTIME_VERSION,
        runtime.cgroup_driver(kubelet.get("cgroupDriver") or "systemd"),
        system.swap(fail_swap_on=kubelet.get("failSwapOn") is not False),
        *(in_path(command) for command in ("losetup", "mount", "cp")),
        system.system_verification(kubernetes_version=kubernetes_version, fail_cgroup_v1=kubelet.get("failCgroupV1")),
        hostname(registration.name),
        resolv_conf(kubelet.get("resolvConf")),
        versions.kubelet_version(control_plane),
        KUBELET_SERVICE,
        kubelet_port(kubelet.get("port") or KUBELET_PORT),
    )


def forwarding_checks(addresses: Iterable[str]) -> tuple[Check, ...]:
    """Packets are forwarded for each family among `addresses` (addresses or subnets)."""
    families = {ip.version for address in addresses if (ip := parse_ip(address.partition("/")[0].strip())) is not None}
    checks = []
    if 4 in families:
        checks.append(_sysctl("net.ipv4.ip_forward"))
    if 6 in families:
        checks.append(_sysctl("net.ipv6.conf.default.forwarding"))
    return tuple(checks)


def _sysctl(key: str) -> Check:
    remedy = f"run `sysctl -w {key}=1` and put {key} = 1 into /etc/sysctl.d/99-kubernetes.conf"
    return file_content(f"/proc/sys/{key.replace('.', '/')}", "1", remedy)


def _kubelet_service(machine: Machine) -> Findings:
    state = machine.node.unit("kubelet")
    if state.load == "masked":
        return error("the systemd unit kubelet.service is masked; run `systemctl unmask kubelet`")
    if state.load != "loaded":
        return warning(
            "there is no systemd unit kubelet.service; install the kubelet's package, or nothing will start the kubelet"
        )
    return FINE


KUBELET_SERVICE = Check("Service-kubelet", _kubelet_service)
