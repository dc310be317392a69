"""The commands below `etcd` that change this node, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.etcd.run import begin
from pykubeadm.commands.execute import execute
from pykubeadm.workflow.phase import steps

if TYPE_CHECKING:
    from pykubeadm.commands.etcd.run import EtcdRun
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Phase


def restore(name: str, options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd snapshot restore NAME`."""
    from pykubeadm.commands.etcd.restore import PHASES

    _execute("etcd snapshot restore", PHASES, options, emit, machine=machine, given=name)


def stop(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd stop`."""
    from pykubeadm.commands.etcd.standby import STOP

    _execute("etcd stop", STOP, options, emit, machine=machine)


def start(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd start`."""
    from pykubeadm.commands.etcd.standby import START

    _execute("etcd start", START, options, emit, machine=machine)


def recover(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd recover`."""
    from pykubeadm.commands.etcd.recover import PHASES

    _execute("etcd recover", PHASES, options, emit, machine=machine)


def rejoin(options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """`etcd rejoin`."""
    from pykubeadm.commands.etcd.rejoin import PHASES

    _execute("etcd rejoin", PHASES, options, emit, machine=machine)


def _execute(
    command: str,
    phases: Sequence[Phase[EtcdRun]],
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    machine: Node,
    given: str = "",
) -> None:
    run = begin(options, emit, machine=machine, given=given)
    execute(command, tuple(steps(phases)), run, node_name=run.node_name)
