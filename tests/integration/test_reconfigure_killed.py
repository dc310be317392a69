"""Reconfigurations that are killed before each single change: the next run finishes them, whatever was killed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import pytest
import yaml

from pykubeadm.commands.reconfigure.phases import PHASES
from pykubeadm.errors import PhaseError
from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.renewal import names_of_certificate
from tests.support.api import FakeApi, copy_of
from tests.support.reconfigure_runs import cluster, document, file_of, perform, reconfigure_run
from tests.support.upgrade_runs import MANIFESTS, ControlPlaneNode, FakeEtcd, WatchedNode, attach

EVERY = 3
KUBELET = "/var/lib/kubelet/config.yaml"
FILE = file_of(
    document(
        apiServer={"certSANs": ["api.example.org"], "extraArgs": [{"name": "v", "value": "3"}]},
        scheduler={"extraArgs": [{"name": "v", "value": "4"}]},
        etcd={"local": {"extraArgs": [{"name": "max-request-bytes", "value": "3145728"}]}},
    ),
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 77\n",
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n",
)


@dataclass
class Watched(WatchedNode):
    """With the cluster as it was then."""

    api: FakeApi = field(default_factory=FakeApi)
    clusters: list[FakeApi] = field(default_factory=list)

    def before_change(self) -> None:
        super().before_change()
        self.clusters.append(copy_of(self.api))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.commands.reconfigure.certificates._await_shown", lambda _run: None)
    monkeypatch.setattr("pykubeadm.phases.cluster.wait_control_plane.wait_for_kubelet", lambda *_: None)


def reconfigured(monkeypatch: pytest.MonkeyPatch, node: ControlPlaneNode, api: FakeApi) -> list[str]:
    """What the phases changed, but for those that need a machine or etcd's content."""
    attach(monkeypatch, node, FakeEtcd())
    return perform(reconfigure_run(monkeypatch, node, api, FILE)[0], *PHASES[1:-1])


def states(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ControlPlaneNode, FakeApi]]:
    """Node and cluster as a run leaves them that is killed before each of its changes."""
    made, api = cluster()
    watched = Watched(name="cp1", files=dict(made.files), api=api)
    reconfigured(monkeypatch, watched, api)
    assert len(watched.states) > 20
    return [
        (ControlPlaneNode(name="cp1", files=files), then) for files, then in zip(watched.states, watched.clusters, strict=True)
    ]


def test_killed_before_any_change_the_next_run_finishes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (node, api) in enumerate(states(monkeypatch)):
        reconfigured(monkeypatch, node, api)
        manifests = node.manifests()
        assert "--v=3" in manifests["kube-apiserver"], number
        assert "--v=4" in manifests["kube-scheduler"], number
        assert "--max-request-bytes=3145728" in manifests["etcd"], number
        assert "maxPods: 77" in node.text(KUBELET), number
        (certificate, *_) = load_certificates(node.read("/etc/kubernetes/pki/apiserver.crt") or b"")
        assert "api.example.org" in names_of_certificate(certificate).dns, number
        assert _stored(api, "kube-proxy", "config.conf")["mode"] == "nftables", number
        assert _restarted_proxy(api), number
        assert node.units["kubelet"].active == "active"
        assert _stored(api, "kubelet-config", "kubelet")["maxPods"] == 77, number
        assert _stored(api, "kubeadm-config", "ClusterConfiguration")["scheduler"]["extraArgs"], number
        assert read_record(node) is None
        assert node.stat(OF_RECONFIGURE) is None
        if number % EVERY == 0:
            assert reconfigured(monkeypatch, node, api) == [], number


def test_killed_before_a_change_and_failing_then_the_static_pods_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cluster()[0].manifests()
    for number, (node, api) in enumerate(islice(states(monkeypatch), 0, None, EVERY)):
        if read_record(node) is None and "--v=4" in node.manifests()["kube-scheduler"]:
            continue  # the static pods were through
        node.ails = lambda name, manifest: "it crashed" if name == "kube-scheduler" and "--v=4" in manifest else ""
        with pytest.raises(PhaseError, match="everything that was changed here was put back"):
            reconfigured(monkeypatch, node, api)
        assert node.manifests() == before, number
        assert read_record(node) is None
        assert f"{MANIFESTS}/kube-scheduler.yaml" in node.files


def _stored(api: FakeApi, name: str, key: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(api.objects["v1", "ConfigMap", "kube-system", name]["data"][key])
    return found


def _restarted_proxy(api: FakeApi) -> bool:
    template = api.objects["apps/v1", "DaemonSet", "kube-system", "kube-proxy"]["spec"]["template"]
    marked = api.objects["v1", "ConfigMap", "kube-system", "kube-proxy"]["metadata"].get("annotations") or {}
    return (
        "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"] and "pykubeadm.kube/to-restart" not in marked
    )
