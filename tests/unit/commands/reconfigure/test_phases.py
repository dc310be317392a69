"""A control plane in memory is brought to what a file says, and finds nothing to do the second time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml

from pykubeadm.commands.reconfigure.addon import addon
from pykubeadm.commands.reconfigure.certificates import certs, names_missing
from pykubeadm.commands.reconfigure.endpoint import kubeconfig
from pykubeadm.commands.reconfigure.kubelet import kubelet
from pykubeadm.commands.reconfigure.phases import PHASES
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.config.model import Arg, Proxy
from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.node.port import UnitState
from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE, OF_UPGRADE
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.renewal import names_of_certificate
from pykubeadm.workflow.events import Event, Note
from tests.support.api import FakeApi
from tests.support.reconfigure_runs import cluster, document, file_of, perform, reconfigure_run
from tests.support.upgrade_runs import MANIFESTS, ControlPlaneNode, FakeEtcd, attach, secrets

ALGORITHM = {"encryptionAlgorithm": "ECDSA-P256"}
KUBELET = "/var/lib/kubelet/config.yaml"
KUBELET_HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
PROXY_HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
_ADDON_KINDS = ("Deployment", "DaemonSet", "ConfigMap")
Begin = Callable[..., ReconfigureRun]
CONTROL_PLANE = PHASES[1]


class Made:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node, self.api = cluster()
        attach(monkeypatch, self.node, FakeEtcd())
        monkeypatch.setattr("pykubeadm.phases.cluster.wait_control_plane.wait_for_kubelet", lambda *_: self.kubelet())
        monkeypatch.setattr("pykubeadm.commands.reconfigure.certificates._await_shown", lambda _run: None)
        self.monkeypatch = monkeypatch
        self.ails = lambda _config: ""

    def kubelet(self) -> None:
        """In place of `wait_for_kubelet`."""
        if reason := self.ails(self.node.text(KUBELET)):
            raise PhaseError(f"{reason}\nlast lines of its journal")

    def run(self, *documents: str, **options: Any) -> ReconfigureRun:
        source = file_of(*documents) if documents else None
        return reconfigure_run(self.monkeypatch, self.node, self.api, source, **options)[0]

    def stored(self, name: str, key: str) -> Any:
        return yaml.safe_load(self.api.objects["v1", "ConfigMap", "kube-system", name]["data"][key])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


def without_preflight(run: ReconfigureRun) -> list[str]:
    return perform(run, *PHASES[1:-1])


def test_an_unchanged_file_changes_nothing(made: Made) -> None:
    before, made.api.writes = dict(made.node.files), []
    assert without_preflight(made.run(document())) == []
    assert {kind for _verb, kind, _name in made.api.writes} <= {"Lease"}
    assert (made.node.files, made.node.unit_actions) == (before, [])


def test_flags_come_to_the_static_pods_and_into_the_cluster(made: Made) -> None:
    certificates = secrets(made.node)
    text = document(
        scheduler={"extraArgs": [{"name": "v", "value": "4"}]}, apiServer={"extraArgs": [{"name": "v", "value": "3"}]}
    )
    changes = without_preflight(made.run(text))
    assert [change for change in changes if change.startswith("kube-")] == [
        "kube-apiserver: v1.36.2, with other settings",
        "kube-scheduler: v1.36.2, with other settings",
    ]
    assert "- --v=3" in made.node.text(f"{MANIFESTS}/kube-apiserver.yaml")
    assert made.stored("kubeadm-config", "ClusterConfiguration")["scheduler"]["extraArgs"] == [{"name": "v", "value": "4"}]
    assert secrets(made.node) == certificates
    assert read_record(made.node) is None
    assert without_preflight(made.run(text)) == []


def test_what_does_not_become_healthy_is_put_back_and_not_stored(made: Made) -> None:
    before = made.node.manifests()
    made.node.ails = lambda name, manifest: "unknown flag: --bad" if name == "kube-apiserver" and "--bad" in manifest else ""
    with pytest.raises(PhaseError, match=r"unknown flag: --bad.*everything that was changed here was put back"):
        without_preflight(made.run(document(apiServer={"extraArgs": [{"name": "bad", "value": "1"}]})))
    assert made.node.manifests() == before
    assert made.stored("kubeadm-config", "ClusterConfiguration")["apiServer"] == {}


@pytest.mark.parametrize("reason", ["", "unknown flag: --bad"])
def test_a_run_that_was_killed_is_finished_or_put_back_without_the_api(made: Made, reason: str) -> None:
    before, text = made.node.manifests(), document(apiServer={"extraArgs": [{"name": "bad", "value": "1"}]})

    def killed(_name: str, manifest: str) -> str:
        if "--bad" in manifest:
            raise KeyboardInterrupt
        return ""

    made.node.ails = killed
    with pytest.raises(KeyboardInterrupt):
        perform(made.run(text, KUBELET_HEAD + "maxPods: 7\nclusterDomain: cluster.local\n"), CONTROL_PLANE)
    made.node.ails = lambda name, manifest: reason if name == "kube-apiserver" and "--bad" in manifest else ""
    made.api.failures = [ApiUnreachableError("nobody answers")] * 2
    made.api.call_timeout = timedelta()
    run = made.run(text, KUBELET_HEAD + "maxPods: 7\nclusterDomain: cluster.local\n")
    assert run.resumed
    if not reason:
        assert perform(run, CONTROL_PLANE) == []
        assert "--bad=1" in made.node.text(f"{MANIFESTS}/kube-apiserver.yaml")
    else:
        with pytest.raises(PhaseError, match="everything that was changed here was put back"):
            perform(run, CONTROL_PLANE)
        assert made.node.manifests() == before
    assert read_record(made.node) is None


def test_another_node_gets_what_is_stored(made: Made) -> None:
    text = document(scheduler={"extraArgs": [{"name": "v", "value": "4"}]})
    perform(made.run(text), upload_config)
    run = made.run()
    assert not run.for_cluster
    assert "kube-scheduler: v1.36.2, with other settings" in without_preflight(run)
    assert "- --v=4" in made.node.text(f"{MANIFESTS}/kube-scheduler.yaml")
    assert without_preflight(made.run()) == []


def names(made: Made) -> tuple[str, ...]:
    (certificate, *_) = load_certificates(made.node.read("/etc/kubernetes/pki/apiserver.crt") or b"")
    return names_of_certificate(certificate).dns


def test_a_name_is_added_to_the_certificate_alone(made: Made) -> None:
    before, key = made.node.manifests(), made.node.text("/etc/kubernetes/pki/apiserver.key")
    run = made.run(document(apiServer={"certSANs": ["api.example.org"]}))
    changes = perform(run, CONTROL_PLANE, certs)
    assert changes[-1].endswith("renewed, now for api.example.org too")
    assert "api.example.org" in names(made)
    assert "kubernetes.default.svc" in names(made)
    assert made.node.text("/etc/kubernetes/pki/apiserver.key") != key
    assert made.node.manifests() == before
    assert perform(run, certs) == []


def test_a_name_without_the_key_of_the_ca_is_refused(made: Made) -> None:
    made.node.remove(["/etc/kubernetes/pki/ca.key"])
    run = made.run(document(apiServer={"certSANs": ["api.example.org"]}))
    before = secrets(made.node)
    (problem,) = names_missing(run)[1]
    assert "apiserver.crt issued for the new names where the CA's key is" in problem
    assert perform(run, certs) == []
    assert secrets(made.node) == before


def test_the_kubelet_starts_with_its_new_configuration(made: Made) -> None:
    run = made.run(KUBELET_HEAD + "maxPods: 77\n")
    changes = perform(run, kubelet, upload_config)
    assert "restarted the kubelet" in " ".join(changes) or "started the kubelet" in " ".join(changes)
    assert "maxPods: 77" in made.node.text(KUBELET)
    assert made.node.stat(OF_RECONFIGURE) is None
    assert made.stored("kubelet-config", "kubelet")["maxPods"] == 77
    assert without_preflight(made.run(KUBELET_HEAD + "maxPods: 77\n")) == []


def test_a_kubelet_that_does_not_start_gets_its_former_configuration(made: Made) -> None:
    before = made.node.text(KUBELET)
    made.node.put(f"{OF_UPGRADE}{KUBELET}", "maxPods: 7")  # of an upgrade that did not come to its end
    made.ails = lambda config: "maxPods must not be negative" if "maxPods: -1" in config else ""
    with pytest.raises(
        PhaseError, match="must not be negative; its former configuration was put back, and it runs with that"
    ) as raised:
        perform(made.run(KUBELET_HEAD + "maxPods: -1\n"), kubelet)
    assert str(raised.value).endswith("\nlast lines of its journal")
    assert made.node.text(KUBELET) == before
    assert made.node.stat(OF_RECONFIGURE) is None


def test_a_kubelet_whose_run_was_killed_can_still_be_put_back(made: Made) -> None:
    before = made.node.text(KUBELET)
    run = made.run(KUBELET_HEAD + "maxPods: -1\n")

    def killed(_config: str) -> str:
        raise KeyboardInterrupt

    made.ails = killed
    with pytest.raises(KeyboardInterrupt):
        perform(run, kubelet)
    assert "maxPods: -1" in made.node.text(KUBELET)
    made.ails = lambda config: "it ended" if "maxPods: -1" in config else ""
    with pytest.raises(PhaseError, match="its former configuration was put back"):
        perform(made.run(KUBELET_HEAD + "maxPods: -1\n"), kubelet)
    assert made.node.text(KUBELET) == before


@pytest.mark.parametrize("written", ["--node-ip=10.0.0.9 --v=1", "--node-ip=10.0.0.9 --v 1", "--v 1 --node-ip 10.0.0.9"])
def test_flags_of_the_kubelet_stand_in_place_of_those_of_their_names(made: Made, written: str) -> None:
    made.node.put("/var/lib/kubelet/kubeadm-flags.env", f'KUBELET_KUBEADM_ARGS="{written}"\n')
    init = (
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
        "nodeRegistration: {kubeletExtraArgs: [{name: v, value: '4'}]}\n"
    )
    perform(made.run(init), kubelet)
    assert made.node.text("/var/lib/kubelet/kubeadm-flags.env") == 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.9 --v=4"\n'
    assert perform(made.run(init), kubelet) == []


def test_flags_of_the_kubelet_come_from_whoever_drives_the_nodes_too(made: Made) -> None:
    made.node.put("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.9 --v=1"\n')
    arguments = (Arg(name="v", value="4"), Arg(name="max-pods", value="9"))
    perform(made.run(kubelet_extra_args=arguments), kubelet)
    held = made.node.text("/var/lib/kubelet/kubeadm-flags.env")
    assert held == 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.9 --v=4 --max-pods=9"\n'
    assert perform(made.run(kubelet_extra_args=arguments), kubelet) == []


def test_kube_proxy_is_restarted_with_its_new_configuration(made: Made) -> None:
    text = PROXY_HEAD + "mode: nftables\n"
    changes = perform(made.run(text), addon)
    assert changes == ["updated ConfigMap kube-system/kube-proxy", "restarted kube-proxy, one node after the other"]
    assert made.stored("kube-proxy", "config.conf")["mode"] == "nftables"
    template = made.api.objects["apps/v1", "DaemonSet", "kube-system", "kube-proxy"]["spec"]["template"]
    assert template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    assert perform(made.run(text), addon) == []


def test_a_kube_proxy_that_was_not_restarted_is_so_by_the_next_run(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    text, patch = PROXY_HEAD + "mode: nftables\n", made.api.patch

    def killed(api_version: str, kind: str, *more: Any, **how: Any) -> Any:
        if kind == "DaemonSet":
            raise KeyboardInterrupt
        return patch(api_version, kind, *more, **how)

    monkeypatch.setattr(made.api, "patch", killed)
    with pytest.raises(KeyboardInterrupt):
        perform(made.run(text), addon)
    monkeypatch.setattr(made.api, "patch", patch)
    assert perform(made.run(text), addon) == ["restarted kube-proxy, one node after the other"]
    assert perform(made.run(text), addon) == []


def _without_addons(api: FakeApi) -> None:
    """As in a cluster of `init --skip-phases addon`."""
    for key in [key for key in api.objects if key[3] in ("coredns", "kube-proxy") and key[1] in _ADDON_KINDS]:
        del api.objects[key]


def test_addons_that_the_cluster_does_without_stay_away(made: Made) -> None:
    _without_addons(made.api)
    made.api.writes.clear()
    run, events = made.run(document(apiServer={"certSANs": ["api.example"]})), list[Event]()
    run.emit = events.append
    assert perform(run, addon) == []
    assert made.api.writes == []
    dns, proxy = (event.message for event in events if isinstance(event, Note))
    assert "set dns.disabled: true" in dns
    assert "set proxy.disabled: true" in proxy
    assert "`pykubeadm init phase addon kube-proxy`" in proxy


def test_an_addon_that_a_file_asks_for_comes(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    _without_addons(made.api)
    assert "created DaemonSet kube-system/kube-proxy" in perform(made.run(document(), PROXY_HEAD + "mode: nftables\n"), addon)
    node, api = cluster(proxy=Proxy(disabled=True))
    _without_addons(api)
    run, _ = reconfigure_run(monkeypatch, node, api, file_of(document(proxy={"disabled": False})))
    assert "created DaemonSet kube-system/kube-proxy" in perform(run, addon)


def test_coredns_gets_the_image_of_another_registry(made: Made) -> None:
    text = document(dns={"imageRepository": "registry.example.org/dns"})
    assert perform(made.run(text), addon) == ["updated Deployment kube-system/coredns"]
    deployment = made.api.objects["apps/v1", "Deployment", "kube-system", "coredns"]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.startswith("registry.example.org/dns/coredns:")


def server_of(node: ControlPlaneNode, path: str) -> str:
    return read_kubeconfig(node.read(path) or b"").server


def test_a_new_endpoint_comes_into_kubeconfigs_once_it_answers(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda _run, _phase, targets, _timeout: asked.extend(targets))
    run = made.run(document(controlPlaneEndpoint="api.example.org:6443"))
    perform(run, kubeconfig, upload_config)
    assert asked == ["the API at https://api.example.org:6443"]
    assert server_of(made.node, "/etc/kubernetes/admin.conf") == "https://api.example.org:6443"
    assert server_of(made.node, "/etc/kubernetes/scheduler.conf") == "https://10.0.0.9:6443"
    found = made.api.objects["v1", "ConfigMap", "kube-system", "kubeadm-config"]
    assert found["metadata"]["annotations"]["pykubeadm.kube/former-endpoint"] == "https://10.0.0.9:6443"


def test_a_control_planes_kubelet_stays_with_its_own_api_server(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda *_args: None)
    perform(made.run(document(controlPlaneEndpoint="api.example.org:6443")), kubeconfig)
    assert server_of(made.node, "/etc/kubernetes/kubelet.conf") == "https://10.0.0.9:6443"
    assert made.node.unit_actions == []


def test_whoever_missed_an_endpoint_comes_to_the_last_one(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda *_args: None)
    perform(made.run(document(controlPlaneEndpoint="api.example.org:6443")), upload_config)
    perform(made.run(document(controlPlaneEndpoint="lb.example.org:6443")), upload_config)
    made.node.remove([MANIFESTS])
    perform(made.run(), kubeconfig)
    assert server_of(made.node, "/etc/kubernetes/kubelet.conf") == "https://lb.example.org:6443"


def test_a_kubelet_that_was_left_stopped_is_started(made: Made) -> None:
    made.node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    assert perform(made.run(), kubelet) == ["started the kubelet"]
    assert perform(made.run(), kubelet) == []


def test_a_worker_leaves_the_former_endpoint_for_the_new_one(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda *_args: None)
    perform(made.run(document(controlPlaneEndpoint="api.example.org:6443")), upload_config)
    made.node.remove([MANIFESTS])
    run = made.run()
    assert not run.is_control_plane
    perform(run, kubeconfig)
    assert server_of(made.node, "/etc/kubernetes/kubelet.conf") == "https://api.example.org:6443"
    assert perform(made.run(), kubeconfig) == []


def test_whoever_speaks_to_another_server_goes_on_to(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda *_args: None)
    text = made.node.text("/etc/kubernetes/kubelet.conf").replace("https://10.0.0.9:6443", "https://127.0.0.1:8443")
    made.node.put("/etc/kubernetes/kubelet.conf", text, 0o600)
    perform(made.run(document(controlPlaneEndpoint="api.example.org:6443")), kubeconfig)
    assert server_of(made.node, "/etc/kubernetes/kubelet.conf") == "https://127.0.0.1:8443"


def test_an_endpoint_that_does_not_answer_changes_no_kubeconfig(made: Made) -> None:
    before = secrets(made.node)
    with pytest.raises(PhaseError, match=r"the API at https://127\.0\.0\.1:1"):
        perform(made.run(document(controlPlaneEndpoint="127.0.0.1:1")), kubeconfig)
    assert secrets(made.node) == before
