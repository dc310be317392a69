"""Checks of TCP ports. A port is fine where nothing listens, or what our own earlier run started."""

from __future__ import annotations

from functools import partial

from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.preflight.sockets import COMMAND_LENGTH


def static_pod_port(port: int, command: str, manifest: str) -> Check:
    """`command` of the static pod in `manifest` may listen when we wrote that."""
    return Check(f"Port-{port}", partial(_port, port, command, manifest))


def kubelet_port(port: int) -> Check:
    """The kubelet may listen when we started it."""
    return Check(f"Port-{port}", partial(_port, port, "kubelet", ""))


def _port(port: int, command: str, manifest: str, machine: Machine) -> Findings:
    holder = machine.listeners().get(port)
    if holder is None:
        return FINE
    ours = machine.owner.owns(manifest) if manifest else machine.owner.started_kubelet()
    expected = holder.command.startswith(command[:COMMAND_LENGTH])  # "etcd-3.5" is an etcd, too
    if ours and (expected or not holder.pid):
        return FINE
    if expected:
        return error(
            f"port {port} is in use by {holder} of a cluster that is on this node already, and {machine.owner.why_not()}: leave "
            "this node to that cluster, or stop it"
        )
    stop = (
        f"see what it is with `systemctl status {holder.pid}` and stop it"
        if holder.pid
        else f"find it with `ss -ltnp sport = :{port}`"
    )
    return error(f"port {port}, which {command} needs, is in use by {holder}; {stop}")
