"""The pod network of a fleet: a bridge with routes on each machine, or what runs as pods, applied to the cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pykubeadm.errors import ApiError, NodeError, PykubeadmError
from pykubeadm.fleet.admission import Open
from pykubeadm.fleet.cluster import node_object
from pykubeadm.fleet.facts import NodeObject
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.inventory import POD_CIDRS
from pykubeadm.fleet.look import NETWORK
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.preparing import assets_of, inventory_of, stamp
from pykubeadm.fleet.progress import HostEvents
from pykubeadm.fleet.variables import network_digest, pod_network, shared_variables
from pykubeadm.workflow.events import PhaseFinished, PhaseStarted, Waiting

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.config.fleet import Host

_HOSTS = "bridge_hosts"  # of playbooks/bridge.yml
_SERVER = "cni_server"
_GIVEN = (POD_CIDRS, "cni_routes")  # the variables that follow from what the cluster gives its nodes
_GIVEN_WITHIN = timedelta(minutes=3)  # for the controller manager to give each node its pod addresses


def network_variables(described: Described, nodes: Mapping[str, NodeObject]) -> dict[str, dict[str, Any]]:
    """Host → the role's variables for the pod network, as far as the cluster's nodes are known."""
    shared = pod_network(described)
    found = {}
    for host in (each for each in described.cluster.present if each.is_node):
        own = dict(shared)
        if described.cluster.network.plugin == "bridge":
            node = nodes.get(host.name)
            own[POD_CIDRS] = list(node.pod_cidrs) if node else []
            own["cni_routes"] = [
                {"cidr": cidr, "via": via}
                for name, other in sorted(nodes.items())
                if name != host.name
                for cidr in other.pod_cidrs
                if (via := other.address_for(cidr))
            ]
        found[host.name] = own
    return found


def apply_network(
    described: Described,
    machines: Machines,
    seed: Host,
    opened: Callable[[], Open],
    *,
    emit: HostEvents,
    joined: Callable[[], Collection[str]] = tuple,
) -> None:
    """Apply the pod network that the file names, from the control plane `seed`. It is begun while the cluster is not there yet:
    `opened` waits for it; a bridge, which has routes between all machines, also for `joined`, the hosts that are in the cluster,
    even if their kubelets have not made their Nodes yet. Raises NodeError with a sentence for each machine where that failed."""
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.results import TaskEnded
    from pykubeadm.ansible.workspace import Late, workspace

    bridge = described.cluster.network.plugin == "bridge"
    hosts = [host for host in described.cluster.present if host.is_node] if bridge else [seed]
    variables = network_variables(described, {})
    nodes: dict[str, NodeObject] = {}
    changes: list[str] = []

    def report(event: PlaybookEvent) -> None:
        if isinstance(event, TaskEnded):
            emit(PhaseStarted(phase="", summary=f"{event.host}: {event.task}"))
            if event.outcome == "changed":
                changes.append(f"{event.host}: {event.task[:1].lower()}{event.task[1:]}")

    def late() -> Mapping[str, Any]:
        cluster = opened()
        names = joined() if bridge else ()
        emit(PhaseStarted(phase="", summary=f"apply the pod network ({described.cluster.network.plugin})"))
        if bridge:
            nodes.update(_with_addresses(described, cluster, emit, names))
            variables.update(network_variables(described, nodes))
        known = {_late(host, name): own[name] for host, own in variables.items() for name in _GIVEN if name in own}
        return {_HOSTS: [host.name for host in hosts if host.name in nodes], _SERVER: _own_server(cluster), **known}

    shared = shared_variables(described, assets_of(described)) | {"network_host": seed.name, _SERVER: Late(_SERVER)}
    shared |= {_HOSTS: Late(_HOSTS)} if bridge else {}
    given = inventory_of(described, hosts)
    with workspace(shared, given.get("inventories", ()), hosts=_with(given["hosts"], variables)) as space:
        if bridge:
            limit, forks = ",".join(host.name for host in hosts), min(len(hosts), machines.forks)
            run_playbook(space, "bridge", machines.noting(report), limit=limit, forks=forks, strategy="free", late=late)
        else:
            run_playbook(space, "network", machines.noting(report), limit=seed.name, late=late)

    def note(host: Host) -> None:
        stamp(machines.node(host), NETWORK, {"network": network_digest(variables[host.name])})

    noted = machines.on_each(note, [host for host in hosts if host.name in nodes or not bridge])
    if failed := [str(error) for error in noted.values() if isinstance(error, PykubeadmError)]:
        raise NodeError("\n".join(failed))
    emit(PhaseFinished(phase="", outcome="changed", changes=tuple(changes)))


def _with(document: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The inventory with the network's variables of each host, over what it says of them."""
    from pykubeadm.ansible.workspace import Late

    everyone = document["all"]
    said: Mapping[str, Mapping[str, Any]] = everyone.get("hosts") or {}
    hosts = {}
    for host, own in variables.items():
        given = {name: Late(_late(host, name)) if name in _GIVEN else value for name, value in own.items()}
        hosts[host] = {**said.get(host, {}), **given}
    return {"all": {**everyone, "hosts": hosts}}


def _late(host: str, name: str) -> str:
    return f"{host}.{name}"


def _own_server(cluster: Open) -> str:
    """The seed's own: the cluster's endpoint may be a load balancer that is being prepared, or has not found the API server yet,
    and nothing tries again."""
    from pykubeadm.config.endpoint import local_url
    from pykubeadm.phases.cluster.found import own_endpoint

    endpoint = own_endpoint(cluster.node)
    return local_url(endpoint) if endpoint else ""


def _with_addresses(described: Described, cluster: Open, emit: HostEvents, joined: Collection[str]) -> dict[str, NodeObject]:
    """The cluster's nodes, once those that joined are among them, and each has an address and its part of the pod subnet."""
    from pykubeadm.kube.waits import WaitError, wait_for

    found: dict[str, NodeObject] = {}

    def look() -> str | None:
        found.clear()
        try:
            found.update({str(node["metadata"]["name"]): node_object(node) for node in cluster.api.list("v1", "Node")})
        except ApiError as error:  # it may be starting again
            return str(error)
        if missing := sorted(set(joined) - set(found)):
            return f"there is no Node {', '.join(missing)} yet"
        without = [name for name, node in found.items() if not (node.pod_cidrs and node.address)]
        return f"{', '.join(without)} has none" if without else None

    if not described.configuration.cluster.networking.pod_subnet:
        raise NodeError("the pod network bridge needs networking.podSubnet in the ClusterConfiguration")
    try:
        wait_for(
            {"pod addresses for each node": look},
            _GIVEN_WITHIN,
            report=lambda target, reason: emit(Waiting(phase="", target=target, reason=reason)),
        )
    except WaitError as error:
        raise NodeError(f"{error}; the controller manager gives them out: look at its log") from error
    without = [f"{name} ({cidr})" for name, node in found.items() for cidr in node.pod_cidrs if not node.address_for(cidr)]
    if without:
        raise NodeError(
            f"no route leads to the pods of {', '.join(without)}: their Nodes have no address of that family; give their "
            "kubelets one of each (kubeletExtraArgs: node-ip, with a comma between both)"
        )
    return found
