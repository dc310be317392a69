"""The commands below `etcd` that change this node, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.etcd.run import begin
from pykubeadm.commands.execute import execute
from pykubeadm.errors import PhaseError
from pykubeadm.workflow.phase import steps

if TYPE_CHECKING:
    from pykubeadm.commands.etcd.run import EtcdRun
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber


def restore(name: str, options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd snapshot restore NAME`."""
    from pykubeadm.commands.etcd.restore import PHASES

    run = _with_flags(begin(options, emit, machine=machine, given=name))
    execute("etcd snapshot restore", tuple(steps(PHASES)), run, node_name=run.node_name)


def stop(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd stop`."""
    from pykubeadm.commands.etcd.standby import STOP

    run = begin(options, emit, machine=machine)
    execute("etcd stop", tuple(steps(STOP)), run, node_name=run.node_name)


def start(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd start`."""
    from pykubeadm.commands.etcd.standby import START

    run = begin(options, emit, machine=machine)
    execute("etcd start", tuple(steps(START)), run, node_name=run.node_name)


def recover(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd recover`."""
    from pykubeadm.commands.etcd.recover import PHASES

    run = _with_flags(begin(options, emit, machine=machine))
    execute("etcd recover", tuple(steps(PHASES)), run, node_name=run.node_name)


def rejoin(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd rejoin`."""
    from pykubeadm.commands.etcd.rejoin import PHASES

    run = _with_flags(begin(options, emit, machine=machine))
    execute("etcd rejoin", tuple(steps(PHASES)), run, node_name=run.node_name)


def _with_flags(run: EtcdRun) -> EtcdRun:
    """The run; PhaseError where the manifest does not say what a member that gets other data is made of."""
    manifest = run.manifest
    found = {
        "--name": manifest.name,
        "--data-dir": manifest.data_dir,
        "--advertise-client-urls": manifest.client_urls,
        "--initial-advertise-peer-urls": manifest.peer_urls,
    }
    if missing := [flag for flag, value in found.items() if not value]:
        raise PhaseError(f"the manifest of etcd does not give {' and '.join(missing)}, as kubeadm's does: add what is missing")
    return run
