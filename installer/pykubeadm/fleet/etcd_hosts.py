"""The part `etcd`: a member of etcd on a machine of its own, as a static pod of a kubelet that is in no cluster.

kubernetes.io: "Set up a High Availability etcd Cluster with kubeadm". Each of these hosts has the key of etcd's CA, control
planes have only what the API server shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.config.fleet import ETCD, Host
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_DIR, KUBELET_FLAGS_ENV, MANIFESTS_DIR
from pykubeadm.errors import PhaseError, PykubeadmError
from pykubeadm.fleet.documents import member_source
from pykubeadm.fleet.file import Described, internal_address
from pykubeadm.manifests.addresses import etcd_client_url, etcd_peer_url
from pykubeadm.node.facts import kubelet_version
from pykubeadm.node.port import File
from pykubeadm.workflow.phase import Changes, Phase, Step, steps

if TYPE_CHECKING:
    from pykubeadm.commands.init.run import InitRun
    from pykubeadm.config.source import Source
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.fleet.facts import Facts, NodeFacts
    from pykubeadm.fleet.progress import HostEvents
    from pykubeadm.node.port import Node

MANIFEST: Final = f"{MANIFESTS_DIR}/etcd.yaml"
_AUTHORITY: Final = ("etcd/ca.crt", "etcd/ca.key")
# The key first: a certificate without its key, which a kill would leave, is taken for whole.
_CLIENT: Final = ("etcd/ca.crt", "apiserver-etcd-client.key", "apiserver-etcd-client.crt")
_CERTIFICATES: Final = tuple(
    f"certs/{name}" for name in ("etcd-ca", "etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client")
)


def keeper(described: Described, facts: Facts) -> Host:
    """The host whose CA is the one: the first with a healthy member, else with any member, else with a CA, else of the file."""

    def order(host: Host) -> tuple[bool, ...]:
        found = facts.nodes.get(host.name)
        if found is None:
            return (True, True, True)
        return (not found.etcd or bool(found.etcd_ailment), not found.etcd, not found.etcd_ca)

    return min(described.cluster.having(ETCD), key=order)


def against_authority(described: Described, facts: Facts, host: Host) -> str:
    """Why etcd's CA is not to be made on the host; "" where it is there, or on no other host either."""
    if facts.nodes[host.name].etcd_ca:
        return ""
    others = [each.name for each in described.cluster.having(ETCD) if each.name != host.name]
    hidden = [name for name in others if name not in facts.nodes or not facts.nodes[name].reachable]
    if hidden:
        return f"{', '.join(hidden)} could not be asked for etcd's CA: none is made beside one that may be there"
    holding = [name for name in others if facts.nodes[name].etcd or facts.nodes[name].etcd_ca]
    return f"etcd's CA and its key are not there, and {', '.join(holding)} has a member or a CA" if holding else ""


def established(described: Described, facts: Facts) -> list[Host]:
    """The hosts whose members are there and healthy: others join these. [] where etcd is yet to begin."""
    hosts = [host for host in described.cluster.having(ETCD) if host.name in facts.nodes]
    return [host for host in hosts if facts.nodes[host.name].etcd and not facts.nodes[host.name].etcd_ailment]


def make_authority(described: Described, host: Host, node: Node, emit: HostEvents) -> None:
    """Make etcd's CA, where it is not there yet."""
    from pykubeadm.commands.init.command import init

    first = _steps_of_certificates()[:1]
    init(
        {},
        emit,
        choose=lambda _skipped: first,
        name="init phase certs etcd-ca",
        machine=node,
        source=_source(described, host, begins=False),
    )


def authority_of(described: Described, node: Node) -> list[File]:
    """The CA of etcd and its key, for other hosts of the part. PhaseError where they are not there."""
    return _files(described, node, _AUTHORITY)


def client_of(described: Described, node: Node) -> list[File]:
    """What an API server needs to speak to etcd. PhaseError where it is not there."""
    return _files(described, node, _CLIENT)


def keep(node: Node, files: Sequence[File]) -> Changes:
    """Files of another host, as ours: a reset takes them away again."""
    from pykubeadm.node.journal import Journal
    from pykubeadm.node.journaled import JournaledNode

    return [f"wrote {path}" for path in JournaledNode(node, Journal(node)).write(files)]


def make_member(described: Described, host: Host, node: Node, emit: HostEvents, others: Sequence[Host]) -> None:
    """Certificates, the static pod, the kubelet, until the member is healthy. It joins those of `others`, which are healthy;
    where there are none it begins etcd together with all hosts of the file."""
    from pykubeadm.commands.init.command import init

    apply = partial(_join, [_client_url(other) for other in others]) if others else _begin
    chosen: tuple[Step[Any], ...] = (
        *_steps_of_certificates(),
        Step("etcd/local", Phase("local", "Run a member of etcd on this host", apply=apply, verify=_verify)),
    )
    source = _source(described, host, begins=not others)
    init({}, emit, choose=lambda _skipped: chosen, name="init phase etcd local", machine=node, source=source)


def leave(described: Described, host: Host, node: Node, others: Sequence[Host]) -> Changes:
    """Take the host's member out of etcd, by way of `node`, which has one of `others`. PykubeadmError where these would lose
    their majority."""
    from pykubeadm.etcd.client import MemberNotFoundError

    client = _client(described, node, [_client_url(other) for other in others])
    ours = [member for member in client.members() if etcd_peer_url(internal_address(host)) in member.peer_urls]
    for member in ours:
        try:
            client.remove(member.id)
        except MemberNotFoundError:  # an answer that was lost
            continue
    return [f"removed {member} from etcd" for member in ours]


def look_at_member(described: Described, host: Host, node: Node, facts: NodeFacts) -> NodeFacts:
    """What is found of etcd on a host of the part."""
    keys = f"{described.configuration.cluster.certificates_dir}/etcd/ca.key"
    seen = node.ahead(stat=(MANIFEST, keys))
    facts = replace(facts, etcd_ca=seen.stat(keys) is not None)
    if seen.stat(MANIFEST) is None:
        return replace(facts, has_state=facts.etcd_ca)
    url = _client_url(host)
    facts = replace(facts, etcd=True, has_state=True, kubelet=kubelet_version(node) or "")
    try:
        client = _client(described, node, [url])
        status, members = client.status(url), client.members()
    except PykubeadmError as error:
        return replace(facts, etcd_ailment=str(error))
    ailment = "; ".join(status.errors) or ("" if status.leader else "it sees no leader")
    names = tuple(member.name for member in members)
    return replace(facts, etcd_ailment=ailment, etcd_version=status.version, etcd_members=names)


def _client_url(host: Host) -> str:
    return etcd_client_url(internal_address(host))


def _client(described: Described, node: Node, endpoints: Sequence[str]) -> EtcdClient:
    from pykubeadm.etcd.client import EtcdClient, tls_context

    names = ("etcd/ca.crt", "etcd/healthcheck-client.crt", "etcd/healthcheck-client.key")
    contents = [file.content for file in _files(described, node, names)]
    return EtcdClient(endpoints, tls_context(*contents), route=node.route)


def _files(described: Described, node: Node, names: Sequence[str]) -> list[File]:
    directory = described.configuration.cluster.certificates_dir
    found = []
    for name in names:
        path = f"{directory}/{name}"
        content = node.read(path)
        if content is None:
            raise PhaseError(f"there is no {path} on {node.name}")
        is_key = path.endswith(".key")
        found.append(File(path, content, 0o600 if is_key else 0o644, secret=is_key))
    return found


def _source(described: Described, host: Host, *, begins: bool) -> Source:
    members = {each.name: etcd_peer_url(internal_address(each)) for each in described.cluster.having(ETCD) if begins}
    return member_source(described.fleet, host, internal_address(host), members)


def _steps_of_certificates() -> tuple[Step[Any], ...]:
    from pykubeadm.phases.certs.phase import certs

    return tuple(step for step in steps((certs,)) if step.path in _CERTIFICATES)


def _begin(run: InitRun) -> Changes:
    """The file's --initial-cluster has all members."""
    return _start(run, ())


def _join(others: Sequence[str], run: InitRun) -> Changes:
    from pykubeadm.config.model import LocalEtcd
    from pykubeadm.phases.etcd.join import Joining, join_by
    from pykubeadm.phases.etcd.members import client_at

    data_dir = (run.configuration.cluster.etcd.local or LocalEtcd()).data_dir
    peer_url = etcd_peer_url(run.configuration.this_node.local_api_endpoint.advertise_address)
    own = etcd_client_url(run.configuration.this_node.local_api_endpoint.advertise_address)
    client = client_at(run, [url for url in others if url != own] or others)
    return join_by(run, Joining("etcd/local", peer_url, data_dir, partial(_start, run)), client)


def _start(run: InitRun, members: tuple[Member, ...]) -> Changes:
    """The static pod and a kubelet. A manifest with whose member there is data stays: --initial-cluster means nothing then."""
    from pykubeadm.config.model import LocalEtcd
    from pykubeadm.etcd.membership import initial_cluster
    from pykubeadm.manifests.etcd import NAME, InitialMember, etcd_pod
    from pykubeadm.phases.etcd.join import has_member_data
    from pykubeadm.phases.kubelet.start import start_kubelet
    from pykubeadm.phases.static_pods.manifests import missing_directory, write_static_pod

    this, cluster = run.configuration.this_node, run.configuration.cluster
    data_dir = (cluster.etcd.local or LocalEtcd()).data_dir
    changes: list[str] = []
    if not (run.node.stat(MANIFEST) is not None and has_member_data(run, data_dir)):
        peer_url = etcd_peer_url(this.local_api_endpoint.advertise_address)
        listed = [InitialMember(*pair) for pair in initial_cluster(members, name=run.node_name, peer_url=peer_url)]
        pod = etcd_pod(cluster, this.local_api_endpoint, run.node_name, this.timeouts, listed)
        run.node.write(missing_directory(run.node, data_dir))
        changes += write_static_pod(run, NAME, pod)
    return [*changes, *start_kubelet(run, _kubelet_files(run))]


def _kubelet_files(run: InitRun) -> list[Any]:
    """Those of a kubelet that asks no cluster: it runs what lies in the manifests' directory, and nobody but root asks it."""
    from pykubeadm.manifests.addresses import loopback
    from pykubeadm.manifests.kubelet import API_VERSION, KIND, flags_environment
    from pykubeadm.phases.static_pods.manifests import missing_directory
    from pykubeadm.util.yaml_output import to_yaml

    this = run.configuration.this_node
    own = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "address": loopback(this.local_api_endpoint),
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": this.node_registration.cri_socket,
        "staticPodPath": MANIFESTS_DIR,
        "serverTLSBootstrap": False,
    }
    flags = flags_environment(["--bootstrap-kubeconfig=", "--kubeconfig="])  # without both it is in no cluster
    return [
        *missing_directory(run.node, KUBELET_DIR),
        File(KUBELET_FLAGS_ENV, flags.encode(), 0o644),
        File(KUBELET_CONFIG, to_yaml({"cgroupDriver": "systemd", **run.configuration.kubelet, **own}).encode(), 0o644),
    ]


def _verify(run: InitRun) -> None:
    """It sees a leader. The first members wait here for one another."""
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.phases.etcd.members import own_endpoint, own_etcd_client
    from pykubeadm.phases.waiting import wait

    client, url = own_etcd_client(run), own_endpoint(run)

    def probe() -> str | None:
        try:
            return None if client.status(url).leader else "it sees no leader yet"
        except EtcdError as error:
            return str(error)

    timeout = run.configuration.this_node.timeouts.control_plane_component_health_check
    wait(run, "etcd/local", {"this host's member of etcd": probe}, timeout, components=("etcd",))
