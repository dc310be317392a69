"""`join`, and single phases of it, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.commands.execute import execute
from pykubeadm.commands.join.begin import begin
from pykubeadm.commands.join.control_plane_prepare import steps_with_keys
from pykubeadm.config.source import Source
from pykubeadm.node.port import Node
from pykubeadm.phases.certs.keys import order_keys
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Choose, Step

NAME = "join"

_WORKER_JOINED = """\
This node has joined the cluster as {node}: its kubelet has a certificate of its own.

See it come up with `kubectl get nodes` on a control plane."""

_CONTROL_PLANE_JOINED = """\
This node has joined the cluster as {node} and is one of its control planes{etcd}.

To use the cluster from here as a regular user:

  mkdir -p $HOME/.kube
  sudo cp -i /etc/kubernetes/admin.conf $HOME/.kube/config
  sudo chown $(id -u):$(id -g) $HOME/.kube/config"""


def replace(old: str, options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """`node replace OLD`: join as a control plane, once the dead one is out of the cluster. `options` are those of `join`."""
    from pykubeadm.commands.join.replace import replacing
    from pykubeadm.workflow.phase import without

    def choose(skip: Sequence[str]) -> tuple[Step[Any], ...]:
        return without(replacing(), skip)

    join({**options, "control_plane": True}, emit, choose=choose, machine=machine, source=source, replaces=old)


def join(
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    choose: Choose,
    machine: Node,
    source: Source | None = None,
    name: str = NAME,
    replaces: str = "",
) -> None:
    """Run the steps that `choose` picks on `machine`; the cluster is asked before the node is locked or changed. `options` are
    kubeadm's flags with underscores; `source` is what --config names; `name` is what the run is called; `replaces` names a
    control plane that leaves for it."""
    whole = name == NAME
    # Phases that have no flags for discovery continue with what the ones before them wrote.
    run = begin(machine, options, emit, source=source, needs_discovery="discovery_file" in options, look_ahead=whole)
    run.replaces = replaces
    order_keys(run, steps_with_keys(run))
    execute(name, choose(run.join.skip_phases), run, node_name=run.node_name)
    if whole and not run.dry_run:
        etcd = ", with a member of etcd" if run.has_local_etcd else ""
        text = _CONTROL_PLANE_JOINED if run.is_control_plane else _WORKER_JOINED
        run.result("joined", text.format(node=run.kubelet_name, etcd=etcd), node=run.kubelet_name)
