"""What has to be done so that a fleet is as its file says: facts and file in, a plan out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from pykubeadm.config.defaults import CONTROL_PLANE_TAINT
from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, LOAD_BALANCER, WORKER, Cluster, Fleet, Host
from pykubeadm.fleet.drift import Drift, drift_of
from pykubeadm.fleet.facts import ClusterFacts, EtcdMember, Facts, NodeFacts, NodeObject
from pykubeadm.fleet.plan import STAGES, Action, Kind, Plan
from pykubeadm.util.dataclass import dataclass

_BACK = (
    "bring the others back, or restore a snapshot on one of them by hand, with etcdutl (`pykubeadm etcd snapshot restore` is for "
    "etcd on control planes)"
)


@dataclass(slots=True)
class _Planning:
    fleet: Fleet
    facts: Facts
    digests: Mapping[str, Mapping[str, str]]
    actions: list[Action] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)

    def node(self, host: Host) -> NodeFacts:
        return self.facts.nodes[host.name]


def make_plan(fleet: Fleet, facts: Facts, digests: Mapping[str, Mapping[str, str]], hosts: Sequence[Host]) -> Plan:
    """The plan for `hosts`, which are all of the file or some of them. `digests` say what each host would be prepared with
    (host → stage → digest; stages are "node", "load-balancer" and "network")."""
    planning = _Planning(fleet, facts, digests)
    looked_at = [host for host in hosts if host.name in facts.nodes]
    for host in looked_at:
        _unreachable(planning, host)
    for host in looked_at:
        if planning.node(host).reachable and host.state != "absent":
            _prepare(planning, host)
    may_begin = _members_of_etcd(planning, looked_at)
    if facts.cluster is not None:
        _existing(planning, looked_at, facts.cluster)
    elif may_begin:
        _new_cluster(planning, looked_at)
    leaving = {action.host for action in planning.actions if action.kind == "remove"}
    for host in looked_at:
        if planning.node(host).balancing and host.name not in leaving:
            planning.actions.append(Action("remove", host.name, "stop its load balancer", ("it is marked absent",), _part(host)))
    stage = {kind: number for number, kinds in enumerate(STAGES) for kind in kinds}
    actions = sorted(planning.actions, key=lambda action: stage[action.kind])
    notes, remarks = tuple(planning.notes), tuple(planning.remarks)
    return Plan(tuple(actions), tuple(planning.problems), notes, remarks, tuple(planning.drift))


def _unreachable(planning: _Planning, host: Host) -> None:
    node = planning.node(host)
    if node.reachable:
        return
    cluster = planning.facts.cluster
    known = _is_in_etcd(planning, host)
    if cluster is not None and not known:
        known = host.name in cluster.nodes or any(member.name == host.name for member in cluster.members)
    if host.state != "absent":
        planning.problems.append((host.name, node.error))
    elif ETCD in host.parts and not any(other.etcd_members for other in planning.facts.nodes.values()):
        planning.notes.append((host.name, f"{node.error}; no member of etcd could say whether it is one, too"))
    elif not node.gone and known:
        sentence = f"{node.error}; it is marked absent, and the cluster forgets only a machine that does not answer at all"
        planning.problems.append((host.name, sentence))
    elif not node.gone:
        planning.notes.append((host.name, f"{node.error}; nothing of it is in the cluster"))


def _prepare(planning: _Planning, host: Host) -> None:
    """The roles: what is missing, and what was prepared with other variables. A node that was prepared by other means, and has
    all that it needs, is left alone."""
    node, wanted = planning.node(host), planning.digests.get(host.name, {})
    reasons: dict[str, str] = dict(node.missing) if host.has_kubelet else {}
    was = node.prepared.get("node", "")
    tags = set(reasons)
    if host.has_kubelet and not was and not node.joined and "runtime" not in reasons:
        _not_configured(planning, host)
    if host.has_kubelet and was and was != wanted.get("node"):
        reasons["node"] = "its variables have changed since it was prepared"
        tags |= {"kernel", "cgroups", "firewall", "runtime", "cni", "images"}
    if LOAD_BALANCER in host.parts:
        balancing = node.prepared.get("load-balancer", "")
        if not balancing:
            reasons["load_balancer"] = "there is no load balancer yet"
        elif balancing != wanted.get("load-balancer"):
            reasons["load_balancer"] = "the load balancer is to be another than it is"
        elif node.idle_units:
            reasons["load_balancer"] = f"{', '.join(node.idle_units)} does not run"
        if "load_balancer" in reasons:
            tags |= {"load_balancer", "firewall"}
    if reasons:
        summary = "prepare the machine" if host.has_kubelet else "make it a load balancer"
        why = tuple(dict.fromkeys(reasons.values()))
        planning.actions.append(Action("prepare", host.name, summary, why, tags=tuple(sorted(tags))))


def _not_configured(planning: _Planning, host: Host) -> None:
    """A runtime that is there already keeps its configuration, which the user may not expect."""
    cluster = planning.fleet.cluster
    given = ["registryMirrors"] if cluster.registry_mirrors else []
    given += ["proxy"] if cluster.proxy.http or cluster.proxy.https else []
    if given:
        sentence = (
            f"its container runtime was installed by other means and is left alone, without {' and '.join(given)} of the file: "
            "configure it, or have `pykubeadm node prepare` do that"
        )
        planning.notes.append((host.name, sentence))


def _members_of_etcd(planning: _Planning, hosts: Sequence[Host]) -> bool:
    """Hosts of the part etcd. What is not healthy is gone through again: it may have been cut off. False, with a problem and no
    action, where nothing may begin."""
    if problem := _against_etcd(planning, hosts):
        planning.problems.append(("", problem))
        return False
    for host in hosts:
        node = planning.node(host)
        wanted = ETCD in host.parts and host.state != "absent" and node.reachable
        if wanted and (not node.etcd or node.etcd_ailment):
            reason = f"its member of etcd is not healthy: {node.etcd_ailment}" if node.etcd else "it has no member of etcd yet"
            planning.actions.append(Action("etcd", host.name, "make it a member of etcd", (reason,)))
    return True


def _against_etcd(planning: _Planning, hosts: Sequence[Host]) -> str:
    """Why no member may begin; "" where nothing is in the way. Members that find no healthy one begin with an empty log, and a
    majority of these would be a second etcd."""
    nodes, cluster = planning.facts.nodes, planning.facts.cluster
    members = planning.fleet.cluster.having(ETCD)
    if members and cluster is not None and "local" in (cluster.stored.get("etcd") or {}):
        return (
            "the cluster's etcd is that of its control planes, and its data do not move: take the hosts with the part etcd out "
            "of the file, or make another cluster with them"
        )
    hidden = [host.name for host in members if host.name not in nodes or not planning.node(host).reachable]
    if hidden and cluster is None:
        return f"{', '.join(hidden)} could not be asked, and etcd begins with all of its hosts: nothing is begun"
    known = [host for host in members if host.name not in hidden]
    begun = [planning.node(host) for host in known if planning.node(host).etcd]
    bare = [host for host in known if not planning.node(host).etcd]
    if not bare or any(not node.etcd_ailment for node in begun):
        return ""
    names = ", ".join(host.name for host in bare)
    if cluster is not None or _had_cluster(planning):
        return (
            f"{names} would begin a second etcd, without the cluster's data, as no other member of etcd is healthy: nothing is "
            f"begun; {_BACK}"
        )
    unseen = [host.name for host in planning.fleet.cluster.having(CONTROL_PLANE) if not _seen(planning, host)]
    if begun and unseen:
        return (
            f"no member of etcd is healthy, and {', '.join(unseen)} could not be asked whether there is a cluster, whose data "
            f"{names} would begin without: nothing is begun; {_BACK}"
        )
    beyond = [host.name for host in bare if host not in hosts]
    return f"{', '.join(beyond)} is not in --limit, and etcd begins with all of its hosts: nothing is begun" if beyond else ""


def _seen(planning: _Planning, host: Host) -> bool:
    return host.name in planning.facts.nodes and planning.node(host).reachable


def _had_cluster(planning: _Planning) -> bool:
    """Whether a machine is a node of a cluster, which there is only once etcd is whole."""
    seen = [planning.node(host) for host in planning.fleet.cluster.hosts if host.is_node and _seen(planning, host)]
    return any(node.joined or node.control_plane for node in seen)


def _is_in_etcd(planning: _Planning, host: Host) -> bool:
    """Whether members on hosts of their own know one on this host."""
    return ETCD in host.parts and any(host.name in other.etcd_members for other in planning.facts.nodes.values())


def _part(host: Host) -> str:
    return CONTROL_PLANE if CONTROL_PLANE in host.parts else WORKER


def _new_cluster(planning: _Planning, hosts: Sequence[Host]) -> None:
    """No control plane answers: there is none yet, or one whose init was cut off, or all are down."""
    if not planning.fleet.cluster.having(CONTROL_PLANE):
        sentence = "no control plane would be left: `pykubeadm cluster reset` without --limit takes the whole cluster apart"
        planning.problems.append(("", sentence))
        return
    if all(host.state == "absent" and ETCD not in host.parts for host in hosts):
        _none_leaves(planning, hosts)
        return
    first = _first(planning, hosts)
    if first is None:
        return
    node = planning.node(first)
    reason = "an earlier run of init was cut off" if node.unfinished == "init" else "there is no cluster yet"
    if node.control_plane and not node.unfinished:
        reason = planning.facts.silence.get(first.name) or "its API server does not answer"
    planning.actions.append(_init(first, reason))
    for host in hosts:
        if host != first and host.state != "absent" and host.is_node and planning.node(host).reachable:
            _join_begun(planning, host, first)
    if planning.fleet.cluster.network.plugin != "none":
        planning.actions.append(_network(planning, first.name, "there is no pod network yet"))
    for host in hosts:
        node = planning.node(host)
        if host.state == "absent" and node.reachable and node.has_state:
            summary, why = "take it out of the cluster, reset it", ("it is marked absent",)
            planning.actions.append(Action("remove", host.name, summary, why, part=_part(host)))
        elif host.state == "absent" and node.gone and _is_in_etcd(planning, host):
            reasons = ("it is marked absent", f"{node.error}: only the cluster forgets it")
            planning.actions.append(Action("forget", host.name, "remove what the cluster has of it", reasons, part=_part(host)))
        elif host.state != "absent" and host.is_node and host.labels:
            planning.actions.append(Action("label", host.name, "label its Node", labels=dict(host.labels)))


def _init(host: Host, reason: str) -> Action:
    return Action("init", host.name, "make it the first control plane", (reason,), part=CONTROL_PLANE)


def _none_leaves(planning: _Planning, hosts: Sequence[Host]) -> None:
    """Hosts that are marked absent, and nothing but these, where no API server answers."""
    leaving = [host.name for host in hosts if planning.node(host).has_state or not planning.node(host).reachable]
    if leaving:
        sentence = f"{planning.facts.nobody}, so {', '.join(leaving)} cannot leave the cluster: bring one back first"
        planning.problems.append(("", sentence))


def _first(planning: _Planning, hosts: Sequence[Host]) -> Host | None:
    """Where init is to run: where an earlier one began, else on the first control plane of `hosts`, but on one with files of a
    cluster (a CA of the user's) before others. None, with a problem, where that is not sure: what a join that was cut off leaves
    is of a cluster that others have."""
    control_planes = planning.fleet.cluster.having(CONTROL_PLANE)
    first = begun(planning.fleet.cluster, planning.facts) or _where_to_begin(planning, hosts, control_planes)
    if first is None or first in hosts:
        return first
    down = planning.node(first).control_plane and not planning.node(first).unfinished
    begins = planning.facts.nobody if down else f"the cluster begins on {first.name}"
    planning.problems.append(("", f"{begins}, and {first.name} is not in --limit"))
    return None


def _where_to_begin(planning: _Planning, hosts: Sequence[Host], control_planes: Sequence[Host]) -> Host | None:
    hidden = [host.name for host in control_planes if not _seen(planning, host)]
    if hidden:
        planning.problems.append(
            ("", f"no control plane has a cluster, but {', '.join(hidden)} could not be asked, so none is made: it may have one")
        )
        return None
    may_begin = [host for host in control_planes if planning.node(host).unfinished != "join"]
    with_files = [host for host in may_begin if planning.node(host).has_state]
    return next(iter([*with_files, *(host for host in control_planes if host in hosts), *control_planes]))


def begun(cluster: Cluster, facts: Facts) -> Host | None:
    """The control plane of a cluster that there is, or is begun, as far as that can be said without its API."""
    for host in cluster.having(CONTROL_PLANE):
        node = facts.nodes.get(host.name)
        if node and (node.unfinished == "init" or (node.control_plane and not node.unfinished)):
            return host
    return None


def _join_begun(planning: _Planning, host: Host, first: Host) -> None:
    """A host that is to join the cluster that begins on `first`, unless it has joined one."""
    node, ca = planning.node(host), planning.node(first).ca
    if not node.joined or node.unfinished:
        planning.actions.append(_join(host, node))
    elif not ca or node.ca != ca:
        planning.problems.append((host.name, _of_another(first.name)))


def _of_another(name: str) -> str:
    return f"it is a part of another cluster than {name}; mark it absent to take it out of that one first"


def _join(host: Host, node: NodeFacts, *reasons: str) -> Action:
    part = _part(host)
    summary = "join as a control plane" if part == CONTROL_PLANE else "join as a worker"
    why = ("an earlier run of join was cut off",) if node.unfinished else ()
    return Action("join", host.name, summary, reasons or why, part=part)


def _existing(planning: _Planning, hosts: Sequence[Host], cluster: ClusterFacts) -> None:
    for host in hosts:
        if host.state == "absent":
            _remove(planning, host, cluster)
        elif host.is_node and planning.node(host).reachable:
            _member(planning, host, cluster)
    if len(hosts) == len(planning.fleet.cluster.hosts):
        _strangers(planning, cluster)
    present = [host for host in hosts if host.state != "absent" and host.is_node and planning.node(host).reachable]
    for each in drift_of(planning.fleet, cluster, [(host, planning.node(host)) for host in present]):
        if each.command:
            planning.drift.append(each)
        else:
            planning.remarks.append((each.host, each.sentence))
    _network_drift(planning, hosts, cluster)


def _member(planning: _Planning, host: Host, cluster: ClusterFacts) -> None:
    """A host that is to be a part of the cluster."""
    node, found = planning.node(host), cluster.nodes.get(host.name)
    if node.ca and node.ca != cluster.ca:
        planning.problems.append((host.name, _of_another(cluster.seed)))
        return
    if node.unfinished == "init":
        planning.actions.append(_init(host, "an earlier run of init was cut off"))
    elif node.unfinished:
        planning.actions.append(_join(host, node, f"an earlier run of {node.unfinished} was cut off"))
    elif not node.joined:
        stale = _stale_members(host.name, cluster)
        reasons = ["it is not a part of the cluster yet"] if found is None else ["it was a part of the cluster, and is bare now"]
        if stale or (found is not None and not found.ready):
            planning.actions.append(
                Action(
                    "forget",
                    host.name,
                    "remove what the cluster has of the machine that was there before",
                    tuple(f"member {member.name} of etcd is stale" for member in stale) or (f"Node {host.name} is stale",),
                    part=_part(host),
                )
            )
        planning.actions.append(_join(host, node, *reasons))
    elif (CONTROL_PLANE in host.parts) != node.control_plane:
        parts = ("control plane", "worker") if node.control_plane else ("worker", "control plane")
        sentence = f"it is a {parts[0]} and is to be a {parts[1]}; mark it absent first, then join it again"
        planning.problems.append((host.name, sentence))
        return
    elif found is None:
        planning.actions.append(_join(host, node, "the cluster has no Node of it"))
    _node_drift(planning, host, found)


def _stale_members(name: str, cluster: ClusterFacts) -> tuple[EtcdMember, ...]:
    return tuple(member for member in cluster.members if member.name == name)


def _node_drift(planning: _Planning, host: Host, found: NodeObject | None) -> None:
    """Labels and taints that are not there, or otherwise. What others have set is left."""
    has = found.labels if found else {}
    labels: dict[str, str | None] = {key: value for key, value in host.labels.items() if has.get(key) != value}
    reasons = [f"label {key} is {has[key]}" if key in has else f"there is no label {key}" for key in labels]
    taints = _other_taints(host, found) if found else None
    if found and taints is not None:
        reasons += _taint_reasons(found, taints)
    if reasons:
        planning.actions.append(Action("label", host.name, "label its Node", tuple(reasons), labels=labels, taints=taints))
    if found is None:
        return
    if not found.ready and not any(action.host == host.name for action in planning.actions):
        planning.notes.append((host.name, f"its Node is not ready: {found.reason or 'its kubelet says nothing'}"))


def _other_taints(host: Host, found: NodeObject) -> tuple[Mapping[str, Any], ...] | None:
    """The taints that the Node of a host should have, None where it keeps what it has. Where the file names none, a control plane
    that is a worker, too, is without its taint; any other may be so because an administrator took it away."""
    has = [taint for taint in found.taints if not is_of_program(taint)]
    wanted: list[Mapping[str, Any]]
    if host.taints is not None:
        wanted = [taint.document() for taint in host.taints]
    elif CONTROL_PLANE in host.parts and WORKER in host.parts:
        wanted = [taint for taint in has if taint["key"] != CONTROL_PLANE_TAINT.key]
    else:
        return None
    return tuple(wanted) if set(map(_written, has)) != set(map(_written, wanted)) else None


def _taint_reasons(found: NodeObject, wanted: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    has = {_written(taint) for taint in found.taints if not is_of_program(taint)}
    will_have = {_written(taint) for taint in wanted}
    yield from (f"there is no taint {taint}" for taint in sorted(will_have - has))
    yield from (f"taint {taint} is to go" for taint in sorted(has - will_have))


def _written(taint: Mapping[str, Any]) -> str:
    """As kubectl has it: "dedicated=db:NoSchedule"."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def is_of_program(taint: Mapping[str, Any]) -> bool:
    """Whether it is set and removed by what looks after nodes: node.kubernetes.io/not-ready, node.cilium.io/agent-not-ready."""
    return str(taint["key"]).startswith("node.") and "/" in str(taint["key"])


def _remove(planning: _Planning, host: Host, cluster: ClusterFacts) -> None:
    """A host that is marked absent: whatever the cluster has of it, and it has of the cluster."""
    node = planning.node(host)
    of_this_cluster = not node.ca or node.ca == cluster.ca
    members = _stale_members(host.name, cluster) if of_this_cluster else ()
    known = of_this_cluster and (host.name in cluster.nodes or members or _is_in_etcd(planning, host))
    if not (node.reachable or node.gone) or (not known and not node.has_state):
        return
    if host.name == cluster.seed:
        sentence = "it is marked absent, and no other control plane answers that could go on without it"
        planning.problems.append((host.name, sentence))
        return
    reasons = ["it is marked absent"]
    if not node.reachable:
        reasons.append(f"{node.error}: only the cluster forgets it")
    kind: Kind = "remove" if node.reachable else "forget"
    summary = "take it out of the cluster, reset it" if node.reachable else "remove what the cluster has of it"
    planning.actions.append(Action(kind, host.name, summary, tuple(reasons), part=_part(host)))


def _strangers(planning: _Planning, cluster: ClusterFacts) -> None:
    """Nodes and members that the file does not name: left alone, unless a member has no node."""
    named = {host.name for host in planning.fleet.cluster.hosts}
    strange = sorted(set(cluster.nodes) - named)
    if strange:
        planning.notes.append(("", f"the cluster has nodes that the file does not name: {', '.join(strange)}"))
    if cluster.etcd_error:
        planning.notes.append(("", f"etcd's members are not known: {cluster.etcd_error}"))
    for member in cluster.members:
        if member.name and member.name not in named and member.name not in cluster.nodes:
            planning.actions.append(
                Action(
                    "forget",
                    member.name,
                    "remove a stale member of etcd",
                    (f"etcd has a member {member.name}, and the cluster no such node",),
                )
            )
        elif member.ailment and not any(action.host == member.name for action in planning.actions):
            planning.notes.append((member.name, f"its member of etcd is not healthy: {member.ailment}"))


def _network(planning: _Planning, host: str, *reasons: str) -> Action:
    return Action("network", host, f"apply the pod network ({planning.fleet.cluster.network.plugin})", reasons)


def _network_drift(planning: _Planning, hosts: Sequence[Host], cluster: ClusterFacts) -> None:
    plugin = planning.fleet.cluster.network.plugin
    if plugin == "none":
        return
    present = [host for host in hosts if host.state != "absent" and host.is_node and planning.node(host).reachable]
    stamps = {host.name: planning.node(host).prepared.get("network", "") for host in present}
    if plugin == "bridge":
        changed = [name for name, stamp in stamps.items() if stamp != planning.digests.get(name, {}).get("network")]
        if changed or any(action.kind in ("join", "remove", "forget") for action in planning.actions):
            why = f"{', '.join(changed)} has none, or other routes" if changed else "nodes come or go"
            planning.actions.append(_network(planning, cluster.seed, why))
    elif planning.digests.get(cluster.seed, {}).get("network") not in (cluster.network, *stamps.values()):
        planning.actions.append(_network(planning, cluster.seed, "it is not as the file says"))
