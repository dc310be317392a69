"""Kubelet and control plane on this node: units, manifests, ports, and the causes that `init` knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.constants import (
    API_SERVER_PORT,
    CONTROLLER_MANAGER_PORT,
    ETCD_CLIENT_PORT,
    KUBELET_HEALTHZ_PORT,
    KUBELET_PORT,
    SCHEDULER_PORT,
)
from pykubeadm.node.diagnose import CONTROL_PLANE, diagnose, not_running
from pykubeadm.node.port import HealthEndpoint

_RUNTIMES: Final = ("containerd", "crio")
_RECENTLY: Final = 600.0  # seconds
_COMMAND: Final = 15  # characters that the kernel keeps of a command's name (TASK_COMM_LEN)
_PORTS: Final = {
    "kube-apiserver": API_SERVER_PORT,
    "kube-controller-manager": CONTROLLER_MANAGER_PORT,
    "kube-scheduler": SCHEDULER_PORT,
    "etcd": ETCD_CLIENT_PORT,
}


def _unit(here: Here) -> Iterable[Remark]:
    found = {name: here.node.unit(name) for name in ("kubelet", *_RUNTIMES)}
    found = {name: unit for name, unit in found.items() if unit.load != "not-found"}
    if "kubelet" not in found:
        yield problem("there is no kubelet service on this node", "pykubeadm node prepare")
    running = [name for name in _RUNTIMES if name in found and found[name].active == "active"]
    for name, unit in found.items():
        if name in _RUNTIMES and running and name not in running and unit.enabled == "disabled":
            continue  # the node has the other one
        if unit.active != "active":
            how = f" ({unit.result})" if unit.result not in ("", "success") else ""
            yield problem(f"the unit {name} is {unit.active}{how}", f"systemctl start {name}; journalctl -u {name} -n 50")
        elif unit.enabled not in ("enabled", "static", "enabled-runtime", "indirect", ""):
            yield warning(f"the unit {name} runs, but is {unit.enabled}: it will not start at boot", f"systemctl enable {name}")


def _causes(here: Here) -> Iterable[Remark]:
    """As the waits of `init` and `join` find them. What a healthy kubelet wrote some minutes ago is over."""
    components = [name for name in CONTROL_PLANE if name in here.static_pods]
    socket = here.machine.cri_socket
    stopped = not_running(here.node, socket, components)
    [unhealthy] = here.node.unhealthy([HealthEndpoint(f"http://127.0.0.1:{KUBELET_HEALTHZ_PORT}/healthz")])
    if not stopped and not unhealthy:
        return
    if unhealthy:
        yield problem(
            f"the kubelet's health endpoint does not say ok: {unhealthy}", "systemctl status kubelet; journalctl -u kubelet -n 50"
        )
    if stopped:
        yield problem(f"{', '.join(stopped)} of this node's manifests does not run", "crictl ps -a; crictl logs CONTAINER")
    found = diagnose(here.node, socket, since=here.now.timestamp() - _RECENTLY, unhealthy=stopped, components=components)
    for cause in found.causes[:3]:
        yield problem(cause.sentence, cause.advice)
    if not found.causes:
        for line in (found.log or found.errors)[-3:]:
            yield problem(f"last words of {found.log_of or 'the kubelet'}: {line}")


def _manifests(here: Here) -> Iterable[Remark]:
    for sentence in here.damaged_manifests:
        yield problem(sentence, "put the right one there: `pykubeadm init phase control-plane`, `init phase etcd`")


def _ports(here: Here) -> Iterable[Remark]:
    listening = here.machine.listeners()
    if not listening:
        return
    for name, port in _wanted(here):
        who = listening.get(port)
        if who is None:
            yield problem(
                f"nothing listens on port {port}, where {name} should",
                "crictl ps -a" if name != "kubelet" else "systemctl status kubelet",
            )
        elif who.command and not who.command.startswith(name[:_COMMAND]):  # builds may add their version
            yield problem(f"on port {port}, which {name} needs, listens {who}", f"ss -ltnp 'sport = :{port}'; stop that program")


def _wanted(here: Here) -> Iterator[tuple[str, int]]:
    if here.kubelet_config:
        yield "kubelet", int(here.kubelet_config.get("port") or KUBELET_PORT)
    for name, port in _PORTS.items():
        if name in here.static_pods:
            flag = here.flags(name).get("secure-port", "")
            yield name, int(flag) if flag.isdecimal() else port


CHECKS: Final = (
    Check("node/units", "kubelet and runtime have to run, and to start at boot", _unit),
    Check("node/manifests", "the kubelet ignores a static pod that it cannot read", _manifests),
    Check("node/control-plane", "why kubelet or static pods of this node do not come up", _causes),
    Check("node/ports", "components reach each other at these ports", _ports),
)
