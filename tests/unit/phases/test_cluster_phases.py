"""The phases that fill the cluster: what a first run makes, that a second changes nothing, what becomes of a user's changes."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.commands.init.addon import addon
from pykubeadm.commands.init.bootstrap_token import bootstrap_token
from pykubeadm.commands.init.run import InitRun
from pykubeadm.commands.init.show_join_command import show_join_command
from pykubeadm.commands.init.upload_certs import upload_certs
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    DNS,
    APIEndpoint,
    BootstrapToken,
    Configuration,
    Etcd,
    ExternalEtcd,
    InitConfiguration,
    Patches,
    Proxy,
    Taint,
    Timeouts,
)
from pykubeadm.errors import PhaseError
from pykubeadm.kube import admin
from pykubeadm.manifests.apiserver import apiserver_pod
from pykubeadm.node.port import UnitState
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.cluster import connection as cluster
from pykubeadm.phases.cluster.mark_control_plane import mark_control_plane
from pykubeadm.phases.cluster.upload_config import upload_config
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.tokens.bootstrap import Token
from pykubeadm.tokens.jws import is_signed_with
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Event, Result
from tests.support.api import FakeApi
from tests.support.init_runs import NOW, configuration, init_run, perform
from tests.support.node import FakeNode

TOKEN = "abcdef.0123456789abcdef"
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp1", "labels": {"kubernetes.io/hostname": "cp1"}}, "spec": {}}
PHASES = (upload_config, upload_certs, mark_control_plane, bootstrap_token, addon)


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    """A node with certificates and kubeconfigs."""
    node = FakeNode()
    run, _ = init_run(node, configured())
    perform(run, certs, kubeconfig)
    return node.files


@pytest.fixture
def node(files: dict[str, Any]) -> FakeNode:
    return FakeNode(files=dict(files))


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.put(NODE)
    return api


def configured(*, taints: tuple[Taint, ...] | None = None, **fields: Any) -> Configuration:
    found = configuration(**fields)
    registration = replace(found.this_node.node_registration, taints=taints)
    return replace(found, this_node=replace(found.this_node, node_registration=registration))


def with_token(token: BootstrapToken | None = None) -> InitConfiguration:
    return InitConfiguration(bootstrap_tokens=(token or BootstrapToken(token=TOKEN, ttl=timedelta(hours=24)),))


def started(node: FakeNode, api: FakeApi, config: Configuration | None = None, **fields: Any) -> tuple[InitRun, list[Event]]:
    return init_run(node, config or configured(), api=api, **{"init": with_token()} | fields)


def secret_value(api: FakeApi, name: str, key: str) -> str:
    return base64.b64decode(api.objects["v1", "Secret", "kube-system", name]["data"][key]).decode()


def results(events: list[Event]) -> dict[str, Result]:
    return {event.name: event for event in events if isinstance(event, Result)}


def test_a_second_run_changes_nothing(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api)
    assert len(perform(run, *PHASES)) > 25
    api.writes.clear()
    again, _ = started(node, api)
    assert perform(again, *PHASES) == []
    assert api.writes == []


def test_a_token_keeps_its_expiry(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api)
    perform(run, bootstrap_token)
    run.now = lambda: NOW + timedelta(hours=3)
    assert perform(run, bootstrap_token) == []
    assert secret_value(api, "bootstrap-token-abcdef", "expiration") == "2026-03-05T05:06:07Z"


def test_an_expired_token_gets_new_life(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api)
    perform(run, bootstrap_token)
    run.now = lambda: NOW + timedelta(hours=30)
    assert perform(run, bootstrap_token) == ["updated Secret kube-system/bootstrap-token-abcdef"]


@pytest.mark.parametrize("expiration", ["2030-01-01", "tomorrow", "\udcff"])
def test_a_token_whose_expiry_is_no_time_gets_one(node: FakeNode, api: FakeApi, expiration: str) -> None:
    """As where it was edited by hand; it cannot be used by then."""
    run, _ = started(node, api)
    perform(run, bootstrap_token)
    secret = api.objects["v1", "Secret", "kube-system", "bootstrap-token-abcdef"]
    secret["data"]["expiration"] = base64.b64encode(expiration.encode(errors="surrogateescape")).decode()
    assert perform(run, bootstrap_token) == ["updated Secret kube-system/bootstrap-token-abcdef"]


def test_a_token_that_nobody_named_is_made_once(node: FakeNode, api: FakeApi) -> None:
    for token in ("aaaaaa.0123456789abcdef", "bbbbbb.0123456789abcdef"):
        init = with_token(BootstrapToken(token=token, ttl=timedelta(hours=24)))
        run, _ = started(node, api, init=init, made_tokens=frozenset({token}))
        perform(run, bootstrap_token)
        assert run.tokens == ("aaaaaa.0123456789abcdef",)
    assert [name for _, kind, _, name in api.objects if kind == "Secret"] == ["bootstrap-token-aaaaaa"]


def test_cluster_info_names_the_endpoint_and_keeps_others_signatures(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api)
    perform(run, bootstrap_token)
    info = api.objects["v1", "ConfigMap", "kube-public", "cluster-info"]
    assert "server: https://10.0.0.9:6443" in info["data"]["kubeconfig"]
    assert "client-key-data" not in info["data"]["kubeconfig"]
    info["data"]["jws-kubeconfig-fedcba"] = "e30..x"
    assert perform(run, bootstrap_token) == []


def test_nodes_can_join_before_the_controller_manager_signs(node: FakeNode, api: FakeApi) -> None:
    signing = BootstrapToken(token="abcdef.0123456789abcdef", usages=("signing", "authentication"))
    other = BootstrapToken(token="fedcba.0123456789abcdef", usages=("authentication",))
    run, _ = started(node, api, init=InitConfiguration(bootstrap_tokens=(signing, other)))
    perform(run, bootstrap_token)
    data = api.objects["v1", "ConfigMap", "kube-public", "cluster-info"]["data"]
    signature = data.pop("jws-kubeconfig-abcdef")
    assert is_signed_with(signature, data["kubeconfig"], Token("abcdef", "0123456789abcdef"))
    assert data.keys() == {"kubeconfig"}


def test_the_node_is_marked_and_others_taints_stay(node: FakeNode, api: FakeApi) -> None:
    not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    api.objects["v1", "Node", "", "cp1"]["spec"] = {"taints": [not_ready]}
    run, _ = started(node, api)
    perform(run, mark_control_plane)
    marked = api.objects["v1", "Node", "", "cp1"]
    assert marked["spec"]["taints"] == [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}, not_ready]
    assert marked["metadata"]["labels"] == {
        "kubernetes.io/hostname": "cp1",
        "node-role.kubernetes.io/control-plane": "",
        "node.kubernetes.io/exclude-from-external-load-balancers": "",
    }


def test_no_taints_and_own_taints(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api, configured(taints=()))
    perform(run, mark_control_plane)
    assert "taints" not in api.objects["v1", "Node", "", "cp1"]["spec"]
    run, _ = started(node, api, configured(taints=(Taint(key="a", value="b", effect="NoExecute"),)))
    assert perform(run, mark_control_plane) == ["tainted Node cp1 a:NoExecute"]
    assert api.objects["v1", "Node", "", "cp1"]["spec"]["taints"] == [{"key": "a", "value": "b", "effect": "NoExecute"}]


def test_certificates_are_uploaded_only_where_wanted(node: FakeNode, api: FakeApi) -> None:
    run, events = started(node, api)
    assert perform(run, upload_certs) == []
    run, events = started(node, api, upload_certs=True)
    assert perform(run, upload_certs)[0] == "created Secret kube-system/kubeadm-certs"
    assert results(events)["certificate-key"].data == {"key": run.certificate_key}
    secret = api.objects["v1", "Secret", "kube-system", "kubeadm-certs"]
    (owner,) = secret["metadata"]["ownerReferences"]
    assert api.objects["v1", "Secret", "kube-system", owner["name"]]["metadata"]["uid"] == owner["uid"]


def test_uploaded_are_the_files_that_the_cluster_names_whatever_the_phase_was_reported(node: FakeNode, api: FakeApi) -> None:
    files = {"ca_file": "/etcd/ca.crt", "cert_file": "/etcd/tls.crt", "key_file": "/etcd/tls.key"}
    external = Etcd(external=ExternalEtcd(endpoints=("https://10.0.0.5:2379",), **files))
    perform(started(node, api, configured(etcd=external))[0], upload_config)
    for path in files.values():
        node.put(path, path)
    perform(started(node, api, upload_certs=True)[0], upload_certs)
    data = api.objects["v1", "Secret", "kube-system", "kubeadm-certs"]["data"]
    assert {"external-etcd-ca.crt", "external-etcd.crt", "external-etcd.key"} < data.keys()
    assert "etcd-ca.key" not in data


def test_an_external_etcd_without_tls_has_no_files_to_share(node: FakeNode, api: FakeApi) -> None:
    external = Etcd(external=ExternalEtcd(endpoints=("http://10.0.0.5:2379",)))
    perform(started(node, api, configured(etcd=external), upload_certs=True)[0], upload_config, upload_certs)
    data = api.objects["v1", "Secret", "kube-system", "kubeadm-certs"]["data"]
    assert data["external-etcd.key"] == ""


def test_the_local_api_server_is_where_its_manifest_says(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "bind_admins", lambda _api, _super_admin: False)
    assert cluster.cluster_api(init_run(node)[0]).server == "https://10.0.0.9:6443"
    endpoint = APIEndpoint(advertise_address="fd00::9", bind_port=7443)
    pod = apiserver_pod(configuration().cluster, endpoint, Timeouts(), HostFacts("cp1"), lambda _level, _message: None)
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", to_yaml(pod))
    assert cluster.cluster_api(init_run(node)[0]).server == "https://[fd00::9]:7443"


@pytest.mark.parametrize("manifest", ["", "\tno: [yaml", "- a list", "metadata: {}"])
def test_a_damaged_manifest_leaves_the_configured_address(node: FakeNode, monkeypatch: pytest.MonkeyPatch, manifest: str) -> None:
    monkeypatch.setattr(admin, "bind_admins", lambda _api, _super_admin: False)
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest)
    assert cluster.cluster_api(init_run(node)[0]).server == "https://10.0.0.9:6443"


def test_a_named_certificate_key_is_uploaded_once(node: FakeNode, api: FakeApi) -> None:
    run, events = started(node, api, upload_certs=True, certificate_key="ab" * 32, skip_certificate_key_print=True)
    perform(run, upload_certs)
    api.writes.clear()
    assert perform(run, upload_certs) == []
    assert api.writes == []
    assert results(events) == {}


def test_a_scaled_name_server_and_an_own_corefile_stay(node: FakeNode, api: FakeApi) -> None:
    run, _ = started(node, api)
    perform(run, addon)
    api.objects["apps/v1", "Deployment", "kube-system", "coredns"]["spec"]["replicas"] = 5
    api.objects["v1", "ConfigMap", "kube-system", "coredns"]["data"]["Corefile"] = "mine"
    assert perform(run, addon) == []


def test_a_node_that_was_deleted_is_registered_by_a_kubelet_that_starts(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    node.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    start = node.ensure_unit

    def register(*arguments: Any, **more: Any) -> tuple[str, ...]:
        api.put(NODE)
        return start(*arguments, **more)

    monkeypatch.setattr(node, "ensure_unit", register)
    run, _ = started(node, api)
    assert perform(run, mark_control_plane)[0] == "restarted the kubelet, so that it registers Node cp1"
    assert perform(started(node, api)[0], mark_control_plane) == []


def test_disabled_addons_are_left_out_but_can_be_printed(node: FakeNode, api: FakeApi) -> None:
    config = configured(dns=DNS(disabled=True), proxy=Proxy(disabled=True))
    run, _ = started(node, api, config)
    assert perform(run, addon) == []
    run, events = started(node, api, config, print_manifest=True)
    assert perform(run, addon) == []
    printed = [event.text for event in events if isinstance(event, Result)]
    assert "kind: Deployment" in printed[0]
    assert "kind: DaemonSet" in printed[1]
    assert api.writes == []


def test_add_ons_are_installed_with_the_users_patches(node: FakeNode, api: FakeApi) -> None:
    node.put("/patches/corednsdeployment.yaml", "metadata: {labels: {mine: dns}}")
    node.put("/patches/kubeproxydaemonset.yaml", "metadata: {labels: {mine: proxy}}")
    config = configured()
    config = replace(config, this_node=replace(config.this_node, patches=Patches(directory="/patches")))
    perform(started(node, api, config)[0], addon)
    for kind, name, label in (("Deployment", "coredns", "dns"), ("DaemonSet", "kube-proxy", "proxy")):
        assert api.objects["apps/v1", kind, "kube-system", name]["metadata"]["labels"]["mine"] == label
    assert "mine" not in api.objects["v1", "ConfigMap", "kube-system", "kube-proxy"]["metadata"]["labels"]


def test_join_commands(node: FakeNode, api: FakeApi) -> None:
    run, events = started(
        node, api, configured(control_plane_endpoint="api.example:6443"), upload_certs=True, certificate_key="ab" * 32
    )
    node.put("/etc/kubernetes/admin.conf", node.text("/etc/kubernetes/admin.conf").replace("10.0.0.9:6443", "api.example:6443"))
    perform(run, show_join_command)
    shown = results(events)["join-commands"]
    assert shown.data["joinWorker"].startswith(f"pykubeadm join api.example:6443 --token {TOKEN} \\\n")
    assert "--discovery-token-ca-cert-hash sha256:" in shown.data["joinWorker"]
    assert shown.data["joinControlPlane"].endswith(f"--control-plane --certificate-key {'ab' * 32}")
    assert "cp -i /etc/kubernetes/admin.conf $HOME/.kube/config" in shown.text


def test_the_join_command_alone_shows_a_token_that_works(node: FakeNode, api: FakeApi) -> None:
    made = frozenset({TOKEN})
    run, events = started(node, api, made_tokens=made)
    perform(run, show_join_command)
    assert "joinWorker" not in results(events)["join-commands"].data
    assert "`pykubeadm token create --print-join-command` makes one" in results(events)["join-commands"].text
    perform(started(node, api, made_tokens=made)[0], bootstrap_token)
    other = "zzzzzz.0123456789abcdef"
    init = with_token(BootstrapToken(token=other, ttl=timedelta(hours=24)))
    run, events = started(node, api, init=init, made_tokens=frozenset({other}))
    perform(run, show_join_command)
    assert f"--token {TOKEN}" in results(events)["join-commands"].data["joinWorker"]
    assert [kind for _, kind, name in api.writes if name == "bootstrap-token-zzzzzz"] == []


def test_secrets_can_be_withheld(node: FakeNode, api: FakeApi) -> None:
    config = configured(control_plane_endpoint="api.example:6443")
    run, events = started(
        node, api, config, upload_certs=True, certificate_key="ab" * 32, skip_token_print=True, skip_certificate_key_print=True
    )
    perform(run, show_join_command)
    text = results(events)["join-commands"].text
    assert TOKEN not in text
    assert "ab" * 32 not in text
    assert text.count("<value withheld>") == 3


def test_secrets_are_in_no_other_event(node: FakeNode, api: FakeApi) -> None:
    run, events = started(node, api, upload_certs=True, certificate_key="ab" * 32, skip_certificate_key_print=True)
    changes = perform(run, *PHASES)
    said = repr(events) + repr(changes)
    assert "0123456789abcdef" not in said
    assert "ab" * 32 not in said


def test_a_dry_run_hands_out_no_key_and_no_command(node: FakeNode, api: FakeApi) -> None:
    node.dry_run = True
    run, events = started(node, api, upload_certs=True)
    perform(run, upload_certs, show_join_command)
    assert results(events) == {}


def test_a_dry_run_tells_and_sends_nothing(files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.node.health.look", lambda *_arguments: "connection refused")
    node = FakeNode(files=dict(files), dry_run=True)
    run, events = init_run(node, configured())
    assert len(perform(run, *PHASES)) > 25
    reported = "\n".join(event.text for event in events if hasattr(event, "text"))
    assert "create ConfigMap kube-system/kubeadm-config:" in reported
    assert "patch Node cp1:" in reported
    assert "MDEyMzQ1Njc4OWFiY2RlZg" not in reported


def test_without_admin_conf_the_way_in_is_named() -> None:
    run, _ = init_run(FakeNode())
    with pytest.raises(PhaseError, match=r"/etc/kubernetes/admin\.conf does not exist; make it with"):
        cluster.cluster_api(run)
