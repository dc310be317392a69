"""`cluster certs`: the commands below `certs`, on the machines of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, Host
from pykubeadm.errors import PykubeadmError, UsageError
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.etcd_hosts import client_of, keep, keeper
from pykubeadm.fleet.look import look
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.one_by_one import OneByOne
from pykubeadm.fleet.progress import HostEvents, number_of_hosts, of_host
from pykubeadm.workflow.events import RunStarted, Subscriber

if TYPE_CHECKING:
    from pykubeadm.commands.certs.expiration import Expirations
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node

_CLIENT_OF_ETCD = "apiserver-etcd-client"


def control_planes(described: Described, options: Options) -> list[Host]:
    """Those that a run is for."""
    return [host for host in described.limited(options.limit) if CONTROL_PLANE in host.parts and host.state != "absent"]


def holders(described: Described, options: Options) -> list[Host]:
    """The hosts of a run that have certificates of the cluster's CAs: those with the part etcd first."""
    hosts = [host for host in described.limited(options.limit) if host.state != "absent"]
    return [*(host for host in hosts if ETCD in host.parts), *control_planes(described, options)]


def place(described: Described, host: Host) -> dict[str, str]:
    """Where the host's certificates are, as flags: of a host of etcd only the file says it, others have an API server."""
    return {"cert_dir": described.configuration.cluster.certificates_dir} if ETCD in host.parts else {}


def expirations(
    described: Described, options: Options, emit: Subscriber, *, connect: Connect | None = None
) -> dict[str, Expirations | PykubeadmError]:
    """When the certificates on each control plane, and host of etcd, expire, or why that is not known, by host."""
    from pykubeadm.commands.certs.expiration import check_expiration

    with Machines(connect or over_ssh(described), forks=options.forks) as machines:

        def one(host: Host) -> Expirations:
            return check_expiration(place(described, host), of_host(host.name, "certs", emit), machine=machines.node(host))

        return machines.on_each(one, holders(described, options))


def run_renew(
    described: Described,
    name: str,
    options: Options,
    emit: Subscriber,
    *,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> None:
    """Renew a certificate, or "all", on each host of etcd and control plane, one after the other: programs are started again.
    Where etcd has hosts of its own, control planes get what they show it from there. After a failure none is begun any more; one
    that cannot be reached is only named. UsageError for a name that there is not."""
    from pykubeadm.commands.certs.phases import KUBELET
    from pykubeadm.commands.certs.renew import renew
    from pykubeadm.phases.certs.leaves import LEAVES

    known = ("all", *(leaf.name for leaf in LEAVES), KUBELET)
    if name not in known:
        raise UsageError(f"there is no certificate {name}; there are {', '.join(known)}")
    hosts = holders(described, options)
    emit(RunStarted(command="cluster certs renew", node=number_of_hosts(len(hosts)), phases=("renew",)))
    with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:

        def call(host: Host, node: Node, events: HostEvents) -> None:
            renew(name, place(described, host), events, machine=node)
            if described.fleet.members and CONTROL_PLANE in host.parts and name in ("all", _CLIENT_OF_ETCD):
                facts = look(described, machines, described.cluster.having(ETCD))  # each time: their members are restarted
                issuer = machines.node(keeper(described, facts))
                events.changes += len(keep(node, client_of(described, issuer)))

        run = OneByOne(machines, options, emit, "renew")
        run.on_each(hosts, call)
    finish(run.outcomes, run.problems, emit, bug=machines.bug)
