"""Looks at all machines of a fleet side by side, and at their cluster; changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, LOAD_BALANCER, Host
from pykubeadm.constants import (
    ADMIN_KUBECONFIG,
    CERTIFICATES_DIR,
    KUBELET_CONFIG,
    KUBELET_FLAGS_ENV,
    KUBELET_INSTANCE_CONFIG,
    KUBERNETES_DIR,
    MANIFESTS_DIR,
    STATE_DIR,
)
from pykubeadm.errors import PykubeadmError
from pykubeadm.fleet.cluster import answers, api_of, fingerprint, look_at_cluster, version_in
from pykubeadm.fleet.etcd_hosts import look_at_member
from pykubeadm.fleet.facts import ClusterFacts, Facts, NodeFacts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.leaving import LOAD_BALANCER_UNITS
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.variables import for_host
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.phases.certs.place import certificates_dir
from pykubeadm.phases.prepare import missing

if TYPE_CHECKING:
    from pykubeadm.node.port import Looked, Node

# What the roles brought last: {"node": DIGEST, "load-balancer": DIGEST}; a reset leaves it.
PREPARED = f"{STATE_DIR}/prepared.json"
# The same of the pod network, which a reset takes away.
NETWORK = f"{STATE_DIR}/network.json"
_CA = f"{CERTIFICATES_DIR}/ca.crt"
_KUBELET_CONF = f"{KUBERNETES_DIR}/kubelet.conf"
_API_SERVER, _ETCD = (f"{MANIFESTS_DIR}/{name}.yaml" for name in ("kube-apiserver", "etcd"))
_API_SERVER_VERSION = re.compile(rb"""image: ["']?\S*kube-apiserver:(v\d+\.\d+\.\d+)""")
# Of a kubelet that has joined, whatever the file says of it.
_STARTS_WITH_SWAP = re.compile(rb"^failSwapOn: false|--fail-swap-on=false", re.MULTILINE)
_KUBELET_FILES = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)

Reporter = Callable[[str, str], None]  # a host and "", or why it could not be checked


def look(described: Described, machines: Machines, hosts: Sequence[Host], report: Reporter = lambda _host, _error: None) -> Facts:
    """What is found on `hosts`, and the cluster as the first healthy control plane among them, or else of the file, knows it.
    Where one has the part etcd, all hosts of etcd are looked at: whether it begins, joins or leaves depends on the others. All
    control planes are, where no API server answers: one of them may have a cluster."""

    def one(host: Host) -> NodeFacts:
        found = machines.attempt(host.name, lambda: look_at_node(described, host, machines.node(host)))
        if isinstance(found, PykubeadmError):
            report(host.name, str(found))
            return NodeFacts(host.name, error=_named(host.name, str(found)), gone=_is_gone(found))
        report(host.name, "")
        return found

    def all_of(chosen: Sequence[Host]) -> dict[str, NodeFacts]:
        found = machines.on_each(one, chosen)
        return {
            name: NodeFacts(name, error=str(each)) if isinstance(each, PykubeadmError) else each for name, each in found.items()
        }

    facts = all_of([*hosts, *_other_members(described, hosts)])
    candidates = [host for host in hosts if facts[host.name].control_plane]
    silence: dict[str, str] = {}
    cluster = _cluster(machines, candidates, silence) or _cluster(machines, _others(described, hosts), silence)
    if cluster is None and any(host.is_node for host in hosts):
        facts |= all_of(_others(described, hosts))
    return Facts(facts, cluster, silence)


def _is_gone(error: PykubeadmError) -> bool:
    from pykubeadm.node.ssh_login import UnreachableError

    return isinstance(error, UnreachableError)


def _named(name: str, sentence: str) -> str:
    return sentence if sentence.startswith(name) else f"{name}: {sentence}"


def _other_members(described: Described, hosts: Sequence[Host]) -> list[Host]:
    """Hosts of etcd beyond `hosts`, where one of these has that part."""
    if not any(ETCD in host.parts for host in hosts):
        return []
    known = {host.name for host in hosts}
    return [host for host in described.cluster.having(ETCD) if host.name not in known]


def _others(described: Described, hosts: Sequence[Host]) -> list[Host]:
    """Control planes of the file beyond `hosts`, for a run that is limited to a few."""
    known = {host.name for host in hosts}
    return [host for host in described.cluster.having(CONTROL_PLANE) if host.name not in known]


def _cluster(machines: Machines, candidates: Sequence[Host], silence: dict[str, str]) -> ClusterFacts | None:
    """As the first one whose API server answers knows it; those that are to leave come last. `silence` gets why others do not."""
    for host in sorted(candidates, key=lambda host: host.state == "absent"):
        try:
            node = machines.node(host)
            api = api_of(node)
            if not (error := answers(api)):
                found = look_at_cluster(host.name, node, api)
                version = found.version or _version_of(found, node)
                return replace(found, version=version, network=_stamps(node, NETWORK).get("network", ""))
            silence[host.name] = error
        except PykubeadmError as failure:  # the next one may know
            silence[host.name] = str(failure)
    return None


def _version_of(cluster: ClusterFacts, node: Node) -> str:
    """The version of a cluster whose ClusterConfiguration does not say it: its API server's, else its kubelet's."""
    image = _API_SERVER_VERSION.search(node.read(_API_SERVER) or b"")
    if image:
        return image[1].decode()
    seed = cluster.nodes.get(cluster.seed)
    return version_in(seed.version) if seed else ""


def look_at_node(described: Described, host: Host, node: Node) -> NodeFacts:
    """What is on one machine. Raises NodeError."""
    journal = Journal(node)
    directory = described.configuration.cluster.certificates_dir
    seen = node.ahead(
        read=(f"{directory}/ca.crt", _CA, PREPARED, NETWORK, _API_SERVER, *_KUBELET_FILES),
        stat=(_KUBELET_CONF, ADMIN_KUBECONFIG, _ETCD),
    )
    last = journal.last_begun() or {}
    command, _, rest = str(last.get("command") or "").partition(" ")
    did_not_end = last.get("outcome") not in ("changed", "unchanged")
    joined = seen.stat(_KUBELET_CONF) is not None
    manifest = seen.read(_API_SERVER)
    control_plane, version = manifest is not None, _API_SERVER_VERSION.search(manifest or b"")
    # Nodes that kubeadm made workers have it in the default place, whatever certificatesDir says.
    ca = fingerprint(seen.read(f"{certificates_dir(seen, directory)}/ca.crt") or seen.read(_CA))
    absent = host.state == "absent"
    units = LOAD_BALANCER_UNITS if absent or described.cluster.load_balancer.address else LOAD_BALANCER_UNITS[:1]
    idle = {unit: node.unit(unit).active != "active" for unit in units} if LOAD_BALANCER in host.parts else {}
    facts = NodeFacts(
        host.name,
        prepared=_stamps(seen, PREPARED) | _stamps(seen, NETWORK),
        joined=joined,
        control_plane=control_plane,
        api_server=version[1].decode() if version else "",
        has_state=joined or control_plane or bool(ca) or seen.stat(ADMIN_KUBECONFIG) is not None,
        unfinished="" if journal.became_by() else journal.begun_by(),
        upgrading=rest.partition(" ")[0] if command == "upgrade" and did_not_end else "",
        reconfiguring=command == "reconfigure" and did_not_end,
        ca=ca,
        kubelet_files={path: content for path in _KUBELET_FILES if (content := seen.read(path)) is not None},
        idle_units=() if absent else tuple(unit for unit, is_idle in idle.items() if is_idle),
        balancing=tuple(unit for unit, is_idle in idle.items() if not is_idle) if absent else (),
    )
    if not host.has_kubelet:
        return replace(facts, address=host.internal_address or host.address)
    found = host_facts(node)
    address = host.internal_address or found.default_ipv4 or found.default_ipv6 or ""
    ignored = frozenset(check.lower() for check in described.cluster.ignored_checks(host))
    if joined and any(_STARTS_WITH_SWAP.search(content) for content in facts.kubelet_files.values()):
        ignored |= {"swap"}
    still_missing = missing(node, for_host(described.configuration, host), ignored) if not absent else {}
    if ETCD in host.parts:
        facts = look_at_member(described, host, node, facts)
    return replace(facts, hostname=found.hostname, address=address, missing=still_missing)


def _stamps(node: Looked, path: str) -> dict[str, str]:
    try:
        found: Any = json.loads(node.read(path) or b"{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}
