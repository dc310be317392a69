"""How `certs rotate-ca` begins on a node whose API server was starting again when the run before was killed."""

from __future__ import annotations

import pytest
import yaml

from pykubeadm.commands.certs.rotation.command import rotate_ca
from pykubeadm.config.host import HostFacts
from pykubeadm.errors import ApiError
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from tests.support.api import FakeApi
from tests.support.rotations import rotating_cluster

PLACE = "pykubeadm.commands.certs.rotation.command"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    found = FakeApi()
    document = {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "kubernetesVersion": "v1.35.6"}
    metadata = {"name": "kubeadm-config", "namespace": "kube-system"}
    data = {"ClusterConfiguration": yaml.safe_dump(document)}
    found.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    monkeypatch.setattr(f"{PLACE}.own_api", lambda *_args, **_options: found)
    monkeypatch.setattr(f"{PLACE}.host_facts", lambda _node: HostFacts("cp1", default_ipv4="10.0.0.9"))
    monkeypatch.setattr(f"{PLACE}._LOOK_EVERY", 0.0)
    return found


def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch, api: FakeApi) -> None:
    api.failures = [ApiUnreachableError("refused"), ApiStatusError("forbidden", code=403), ApiStatusError("starts", code=500)]
    begun = []
    monkeypatch.setattr(f"{PLACE}.execute", lambda _name, _steps, run, **_options: begun.append(run))
    rotate_ca((), {}, lambda _event: None, machine=rotating_cluster().nodes["cp1"])
    assert begun[0].configuration.cluster.kubernetes_version == "v1.35.6"
    assert api.failures == []


def test_credentials_of_another_cluster_are_not_tried_again(api: FakeApi) -> None:
    api.failures = [ApiStatusError("Unauthorized", code=401)] * 2
    with pytest.raises(ApiError, match="does not let the credentials of"):
        rotate_ca((), {}, lambda _event: None, machine=rotating_cluster().nodes["cp1"])
