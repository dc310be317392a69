"""`cluster reset`: the whole cluster is taken apart, machine by machine side by side."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pykubeadm.fleet.apply import Outcome
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.leaving import reset_node
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.progress import number_of_hosts, of_host
from pykubeadm.workflow.events import NodeProgress, RunStarted, Subscriber

if TYPE_CHECKING:
    from pykubeadm.config.fleet import Host
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options


def run_reset(
    described: Described, options: Options, emit: Subscriber, *, connect: Connect | None = None, log: RunLog | None = None
) -> None:
    """Reset every host; nobody leaves etcd, which ends with its last member. Preparation and load balancers stay. Raises an error
    with a sentence for each host that failed."""
    hosts = [host for host in described.cluster.hosts if host.has_kubelet]
    emit(RunStarted(command="cluster reset", node=number_of_hosts(len(hosts)), phases=("reset",)))
    with Machines(connect or over_ssh(described), forks=options.forks, log=log, left=lambda: options.left) as machines:

        def one(host: Host) -> Outcome:
            began, events = time.monotonic(), of_host(host.name, "reset", emit)
            directory = described.configuration.cluster.certificates_dir

            def reset() -> None:
                reset_node(machines.node(host), events, certificates_dir=directory, skip_phases=("remove-etcd-member",))

            if error := machines.attempt(host.name, reset):
                emit(NodeProgress(node=host.name, step="reset", outcome="failed", message=str(error)))
            return Outcome(host.name, time.monotonic() - began, error, events.changes)

        found = machines.on_each(one, hosts)
    ended = [each if isinstance(each, Outcome) else Outcome(name, options.timeout, each) for name, each in found.items()]
    finish({outcome.host: outcome for outcome in sorted(ended, key=lambda outcome: outcome.seconds)}, (), emit, bug=machines.bug)
