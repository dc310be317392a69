"""What `join` asks the cluster before the node changes, and what it says when the answer is no."""

import base64
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pykubeadm.commands.join import ask_cluster as discovery
from pykubeadm.commands.join.ask_cluster import ask_cluster
from pykubeadm.commands.join.trust import Trust
from pykubeadm.config.model import (
    APIEndpoint,
    Arg,
    BootstrapTokenDiscovery,
    ClusterConfiguration,
    Discovery,
    ExternalEtcd,
    JoinConfiguration,
    JoinControlPlane,
    NodeRegistration,
)
from pykubeadm.errors import ApiError, PhaseError, PreflightError
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.manifests.cluster_objects import kubeadm_config_objects, kubelet_config_objects
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import File
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.tokens.certificate_key import generate_certificate_key, parse_certificate_key
from pykubeadm.tokens.shared_certificates import encrypt_files, shared_certificates_secret, shared_files
from pykubeadm.util.yaml_output import to_yaml
from tests.support.api import FakeApi
from tests.support.node import FakeNode
from tests.support.servers import authority, ca_pem

CLUSTER = ClusterConfiguration(kubernetes_version="v1.36.2", control_plane_endpoint="api.example:6443", cluster_name="prod")
KUBELET = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "clusterDNS": ["10.96.0.10"]}
FOUND = Trust(
    {"server": "https://10.0.0.1:6443", "certificate-authority-data": base64.b64encode(b"CA").decode()},
    {"token": "t"},
    "u",
    "the token",
)
FILES = {
    "ca.crt": b"CA",
    "ca.key": b"KEY",
    "sa.key": b"SA",
    "sa.pub": b"PUB",
    "front-proxy-ca.crt": b"F",
    "front-proxy-ca.key": b"FK",
}


def cluster(configuration: ClusterConfiguration = CLUSTER, **kubelet: object) -> FakeApi:
    api = FakeApi()
    for document in (
        *kubeadm_config_objects(configuration.document()),
        *kubelet_config_objects({**KUBELET, **kubelet}, user_supplied=True),
    ):
        api.put(document)
    return api


def joining(*, control_plane: JoinControlPlane | None = None, **registration: object) -> JoinConfiguration:
    by_token = BootstrapTokenDiscovery(
        token="abcdef.0123456789abcdef", api_server_endpoint="10.0.0.1:6443", unsafe_skip_ca_verification=True
    )
    return JoinConfiguration(
        node_registration=NodeRegistration(**{"name": "n1", "cri_socket": "unix:///run/x.sock", **registration}),
        discovery=Discovery(bootstrap_token=by_token, tls_bootstrap_token=by_token.token),
        control_plane=control_plane,
    )


def ask(
    api: FakeApi,
    join: JoinConfiguration,
    monkeypatch,
    *,
    node: FakeNode | None = None,
    trust: Trust = FOUND,
):
    node = node or FakeNode()
    reported: list[str] = []
    monkeypatch.setattr(discovery, "discover", lambda *_args, **_options: trust)
    monkeypatch.setattr(Trust, "api", lambda _trust, _join, _node: api)
    answers = ask_cluster(
        join,
        node,
        journal=Journal(node),
        emit=lambda event: reported.append(str(getattr(event, "message", ""))),
        now=lambda: datetime.now(UTC),
    )
    return answers, reported


def test_the_clusters_configuration_gets_this_nodes_part(monkeypatch):
    join = joining(control_plane=JoinControlPlane(local_api_endpoint=APIEndpoint(advertise_address="10.0.0.9", bind_port=7443)))
    node = FakeNode()
    for name in (*FILES, "etcd/ca.crt", "etcd/ca.key"):
        node.put(f"/etc/kubernetes/pki/{name}")
    answers, _reported = ask(cluster(), join, monkeypatch, node=node)
    assert answers.configuration.cluster.cluster_name == "prod"
    assert answers.configuration.this_node.node_registration.name == "n1"
    assert answers.configuration.this_node.local_api_endpoint.bind_port == 7443
    assert answers.configuration.kubelet["clusterDNS"] == ["10.96.0.10"]
    assert answers.shared_files == {}


def test_who_joins_with_little_time_left_is_warned(monkeypatch):
    now = datetime.now(UTC)
    key, ca = generate_key("ECDSA-P256"), authority()

    def shown(days: int) -> x509.Certificate:
        subject = Subject("x", now - timedelta(days=300), now + timedelta(days=days, hours=1))
        return issue_leaf(subject, key.public_key(), ca)

    api = cluster()
    api.server_certificate = shown(12).public_bytes(Encoding.DER)
    data = {"client-certificate-data": encode_certificate(shown(11)), "client-key-data": encode_private_key(key)}
    user = {name: base64.b64encode(value).decode() for name, value in data.items()}
    ca_data = {"certificate-authority-data": base64.b64encode(ca_pem()).decode()}
    trust = replace(FOUND, cluster={**FOUND.cluster, **ca_data}, user=user, source="/root/discovery.conf")
    remedy = "run `pykubeadm certs renew all` on each control plane"
    of_server = f"the certificate of the API server at {api.server} expires in 12d: {remedy}"
    _answers, reported = ask(api, joining(), monkeypatch, trust=trust)
    assert [message for message in reported if "expires" in message] == [
        f"the client certificate in /root/discovery.conf expires in 11d: {remedy}",
        of_server,
    ]
    _answers, reported = ask(api, joining(), monkeypatch, trust=replace(trust, own=True))  # the kubelet renews its own
    assert [message for message in reported if "expires" in message] == [of_server]
    api.server_certificate = shown(31).public_bytes(Encoding.DER)
    _answers, reported = ask(api, joining(), monkeypatch)
    assert not [message for message in reported if "expires" in message]


def test_fields_of_a_newer_kubeadm_are_reported_and_left_out(monkeypatch):
    api = cluster()
    stored = api.get("v1", "ConfigMap", "kubeadm-config", "kube-system")
    stored["data"]["ClusterConfiguration"] += "somethingNew: 1\n"
    api.put(stored)
    answers, reported = ask(api, joining(), monkeypatch)
    assert answers.configuration.cluster.kubernetes_version == "v1.36.2"
    assert any("somethingNew" in message for message in reported)


def test_a_cluster_without_kubeadms_configuration_is_reported(monkeypatch):
    with pytest.raises(ApiError, match="no ConfigMap kube-system/kubeadm-config"):
        ask(FakeApi(), joining(), monkeypatch)


@pytest.mark.parametrize(("code", "sentence"), [(401, 'the usage "authentication"'), (403, "default-node-token")])
def test_a_token_that_may_not_do_enough_is_reported(monkeypatch, code, sentence):
    api = cluster()
    api.failures += [ApiStatusError("no", code=code, reason="")] * 100
    with pytest.raises(ApiError, match=sentence):
        ask(api, joining(), monkeypatch)


THIS_MACHINE = {"machineID": "4a7f", "bootID": "b00d-1"}


def this_machine(node: FakeNode) -> FakeNode:
    node.put("/etc/machine-id", "4a7f\n")
    node.put("/proc/sys/kernel/random/boot_id", "b00d-1\n")
    return node


def with_node(api: FakeApi, name: str, ready: str, **info: str) -> FakeApi:
    api.put(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "status": {"conditions": [{"type": "Ready", "status": ready}], "nodeInfo": info},
        }
    )
    return api


def test_the_name_of_a_ready_node_is_taken(monkeypatch):
    with pytest.raises(PreflightError, match="has a node n1 already, and it is Ready"):
        ask(with_node(cluster(), "n1", "True"), joining(), monkeypatch)


def test_what_it_says_of_a_taken_name_costs_no_node(monkeypatch):
    with pytest.raises(PreflightError, match="it is not this machine: give this one another name") as error:
        ask(with_node(cluster(), "n1", "True", machineID="other", bootID="b00d-2"), joining(), monkeypatch)
    assert "delete" not in str(error.value)


@pytest.mark.parametrize(
    "info", [{**THIS_MACHINE, "machineID": "other"}, {**THIS_MACHINE, "bootID": "b00d-0"}, {"machineID": "", "bootID": ""}, {}]
)
def test_another_machine_and_another_boot_are_not_this_one(monkeypatch, info):
    with pytest.raises(PreflightError, match="it is not this machine"):
        ask(with_node(cluster(), "n1", "True", **info), joining(), monkeypatch, node=this_machine(FakeNode()))


def test_a_ready_node_of_that_name_on_this_machine_is_this_one(monkeypatch):
    api = with_node(cluster(), "n1", "True", **THIS_MACHINE)
    answers, _told = ask(api, joining(), monkeypatch, node=this_machine(FakeNode()))
    assert answers.is_member


def test_the_name_is_that_of_hostname_override(monkeypatch):
    join = joining(kubelet_extra_args=(Arg(name="hostname-override", value="other"),))
    with pytest.raises(PreflightError, match="has a node other already"):
        ask(with_node(cluster(), "other", "True"), join, monkeypatch)


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_that_is_not_ready_is_no_obstacle(monkeypatch, ready):
    answers, _reported = ask(with_node(cluster(), "n1", ready), joining(), monkeypatch)
    assert answers.configuration.this_node.node_registration.name == "n1"


def test_a_kubelet_without_the_clusters_resolv_conf_takes_its_own(monkeypatch):
    path = "/run/systemd/resolve/resolv.conf"
    answers, reported = ask(cluster(resolvConf=path), joining(), monkeypatch)
    assert answers.configuration.kubelet["resolvConf"] == "/etc/resolv.conf"
    assert any(path in message for message in reported)
    node = FakeNode()
    node.put(path)
    answers, _told = ask(cluster(resolvConf=path), joining(), monkeypatch, node=node)
    assert answers.configuration.kubelet["resolvConf"] == path


CONTROL_PLANE = JoinControlPlane(local_api_endpoint=APIEndpoint(advertise_address="10.0.0.9"))


def test_a_cluster_without_an_endpoint_takes_no_second_control_plane(monkeypatch):
    with pytest.raises(PreflightError, match="no controlPlaneEndpoint"):
        ask(cluster(replace(CLUSTER, control_plane_endpoint="")), joining(control_plane=CONTROL_PLANE), monkeypatch)


def test_a_control_plane_needs_a_key_or_the_files(monkeypatch):
    node = FakeNode()
    node.put("/etc/kubernetes/pki/ca.crt")
    with pytest.raises(PreflightError, match="--certificate-key") as error:
        ask(cluster(), joining(control_plane=CONTROL_PLANE), monkeypatch, node=node)
    assert "/etc/kubernetes/pki/ca.crt" not in str(error.value)
    assert "/etc/kubernetes/pki/etcd/ca.key" in str(error.value)


def test_keys_of_an_external_ca_are_not_asked_for(monkeypatch):
    """Where a CA's key is elsewhere, what it signs has to be here."""
    node = FakeNode()
    names = ["ca", "front-proxy-ca", "etcd/ca", "apiserver", "apiserver-kubelet-client", "front-proxy-client"]
    names += ["etcd/server", "etcd/peer", "etcd/healthcheck-client"]
    for name in (*(f"{name}.crt" for name in names), "sa.key", "sa.pub"):
        node.put(f"/etc/kubernetes/pki/{name}")
    with pytest.raises(PreflightError, match=r"on this node, /etc/kubernetes/pki/etcd/ca\.key: give"):
        ask(cluster(), joining(control_plane=CONTROL_PLANE), monkeypatch, node=node)
    node.put("/etc/kubernetes/pki/apiserver-etcd-client.crt")
    ask(cluster(), joining(control_plane=CONTROL_PLANE), monkeypatch, node=node)


def uploaded(key: str, configuration: ClusterConfiguration = CLUSTER, *, without: Collection[str] = ()) -> FakeApi:
    api = cluster(configuration)
    contents = {name: None if name in without else path.encode() for name, path in shared_files(configuration).items()}
    api.put(shared_certificates_secret(encrypt_files(contents, parse_certificate_key(key)), "owner", "uid"))
    return api


def with_key(key: str) -> JoinConfiguration:
    return joining(control_plane=replace(CONTROL_PLANE, certificate_key=key))


def test_the_shared_files_are_decrypted_to_their_paths(monkeypatch):
    key = generate_certificate_key()
    answers, _told = ask(uploaded(key), with_key(key), monkeypatch)
    assert answers.shared_files["/etc/kubernetes/pki/etcd/ca.key"] == b"/etc/kubernetes/pki/etcd/ca.key"
    assert len(answers.shared_files) == 8


def test_an_external_etcds_certificates_come_along(monkeypatch):
    external = ExternalEtcd(endpoints=("https://e:2379",), ca_file="/x/ca.crt", cert_file="/x/c.crt", key_file="/x/c.key")
    configuration = replace(CLUSTER, etcd=replace(CLUSTER.etcd, external=external))
    key = generate_certificate_key()
    answers, _told = ask(uploaded(key, configuration), with_key(key), monkeypatch)
    assert {"/x/ca.crt", "/x/c.crt", "/x/c.key"} <= answers.shared_files.keys()
    assert "/etc/kubernetes/pki/etcd/ca.key" not in answers.shared_files


def test_a_cas_key_that_the_control_planes_lack_is_reported_before_anything_is_changed(monkeypatch):
    key = generate_certificate_key()
    with pytest.raises(PreflightError, match=r"share no /etc/kubernetes/pki/ca\.key \(an external CA\?\)"):
        ask(uploaded(key, without=["ca.key"]), with_key(key), monkeypatch)


def test_another_key_opens_nothing(monkeypatch):
    with pytest.raises(PreflightError, match="another") as error:
        ask(uploaded(generate_certificate_key()), with_key(generate_certificate_key()), monkeypatch)
    assert "upload-certs" in str(error.value)


def test_certificates_that_were_removed_are_reported(monkeypatch):
    with pytest.raises(PreflightError, match="kept for two hours"):
        ask(cluster(), with_key(generate_certificate_key()), monkeypatch)


def test_certificates_that_an_earlier_run_downloaded_need_not_be_in_the_cluster_any_more(monkeypatch):
    node = FakeNode()
    paths = shared_files(CLUSTER).values()
    for path in paths:
        node.put(path)
    with pytest.raises(PreflightError, match="kept for two hours"):  # as far as we know they are another cluster's
        ask(cluster(), with_key(generate_certificate_key()), monkeypatch, node=node)
    Journal(node).will_write([File(path, b"") for path in paths])
    answers, _told = ask(cluster(), with_key(generate_certificate_key()), monkeypatch, node=node)
    assert answers.shared_files == {}


def earlier(node: FakeNode, server: str = "https://10.0.0.9:6443") -> FakeNode:
    """As an earlier run left the node: the kubelet has its own credentials."""
    ca = {"server": server, "certificate-authority-data": base64.b64encode(b"CA").decode()}
    pem = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    node.put(pem, "PEM")
    kubelet = {"client-certificate": pem, "client-key": pem}
    node.put("/etc/kubernetes/kubelet.conf", to_yaml(for_cluster("kubernetes", ca, "default-auth", kubelet)))
    Journal(node).will_write([])
    node.put(
        "/var/lib/pykubeadm/journal.json",
        '{"schema": "pykubeadm.journal/v1", "files": {"/var/lib/kubelet/kubeadm-flags.env": ""}, "units": [], "runs": []}',
    )
    return node


def test_a_node_that_has_joined_goes_on_with_its_own_credentials(monkeypatch):
    answers, _told = ask(with_node(cluster(), "n1", "True"), joining(), monkeypatch, node=earlier(FakeNode()))
    assert answers.trust.own
    assert answers.trust.user["client-key-data"] == base64.b64encode(b"PEM").decode()


def test_where_its_own_api_server_is_down_the_given_endpoint_is_asked(monkeypatch):
    api = cluster()
    api.failures.append(ApiUnreachableError("down"))
    answers, _told = ask(api, joining(), monkeypatch, node=earlier(FakeNode()))
    assert answers.trust.own
    assert answers.trust.cluster["server"] == "https://10.0.0.1:6443"


def test_credentials_that_are_no_longer_let_in_are_discovered_again_and_the_node_is_still_its_own(monkeypatch):
    api = with_node(cluster(), "n1", "True", **THIS_MACHINE)
    api.failures += [ApiStatusError("expired", code=401, reason="Unauthorized")] * 2
    answers, _told = ask(api, joining(), monkeypatch, node=this_machine(earlier(FakeNode())))
    assert answers.is_member
    assert not answers.trust.own


def test_a_worker_that_is_to_be_a_control_plane_is_reported_what_is_missing(monkeypatch):
    """With its own credentials it may not read what control planes share, whatever the key."""
    with pytest.raises(PreflightError, match=r"has joined the cluster already, without /etc/kubernetes/pki/sa\.key"):
        ask(cluster(), with_key(generate_certificate_key()), monkeypatch, node=earlier(FakeNode()))


def test_a_worker_with_copies_of_what_control_planes_share_asks_for_no_more(monkeypatch):
    node = earlier(FakeNode())
    for name in (*FILES, "etcd/ca.crt", "etcd/ca.key"):
        node.put(f"/etc/kubernetes/pki/{name}")
    answers, _told = ask(cluster(), with_key(generate_certificate_key()), monkeypatch, node=node)
    assert answers.shared_files == {}


def test_what_another_tool_left_is_not_taken_for_ours(monkeypatch):
    node = earlier(FakeNode())
    node.remove(["/var/lib/pykubeadm/journal.json"])
    answers, _told = ask(cluster(), joining(), monkeypatch, node=node)
    assert not answers.trust.own


def test_without_any_way_to_the_cluster_it_says_so():
    node = FakeNode()
    join = JoinConfiguration(node_registration=NodeRegistration(name="n1"))
    with pytest.raises(PhaseError, match="not known which cluster"):
        ask_cluster(join, node, journal=Journal(node), emit=lambda _event: None, now=lambda: datetime.now(UTC))
