"""Files that a run reads and others wrote or damaged: whatever is in them, it ends in a sentence that names the file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pykubeadm.commands.init.kubelet_finalize import kubelet_finalize
from pykubeadm.errors import PhaseError
from pykubeadm.node import health
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.cluster.wait_control_plane import wait_for_components, wait_for_kubelet
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.util.yaml_output import to_yaml
from tests.support.damage import DAMAGED
from tests.support.init_runs import init_run, perform, warnings
from tests.support.node import FakeNode

MANIFESTS = [f"/etc/kubernetes/manifests/kube-{name}.yaml" for name in ("apiserver", "controller-manager", "scheduler")]
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
ADMIN, KUBELET = "/etc/kubernetes/admin.conf", "/etc/kubernetes/kubelet.conf"
PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    node = FakeNode()
    perform(init_run(node)[0], certs, kubeconfig, control_plane)
    node.put(PEM, "pem")
    return node.files


@pytest.fixture
def node(files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    monkeypatch.setattr(health, "look", lambda *_arguments: "")
    return FakeNode(files=dict(files))


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("path", MANIFESTS)
def test_a_manifest_is_named_with_how_to_make_it_again(node: FakeNode, path: str, damage: str) -> None:
    node.put(path, DAMAGED[damage])
    with pytest.raises(PhaseError, match=f"^{path} .*; make it again with `pykubeadm init phase control-plane") as error:
        wait_for_components(init_run(node)[0])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_manifest_is_written_again_by_its_phase(node: FakeNode, files: dict[str, Any], damage: str) -> None:
    node.put(MANIFESTS[0], DAMAGED[damage])
    run, events = init_run(node)
    assert perform(run, control_plane) == [MANIFESTS[0]]
    assert node.files == files
    [warning] = warnings(events)
    assert warning.startswith(f"{MANIFESTS[0]} ")
    assert warning.endswith("; it is written again")


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_kubelets_configuration_is_named(node: FakeNode, damage: str) -> None:
    node.put(KUBELET_CONFIG, DAMAGED[damage])
    with pytest.raises(PhaseError, match=f"^{KUBELET_CONFIG} "):
        wait_for_kubelet(init_run(node)[0])


@pytest.mark.parametrize("settings", ["healthzPort: abc", "healthzPort: '10248'", "healthzPort: true", "healthzBindAddress: 5"])
def test_a_kubelets_setting_of_another_type_is_named(node: FakeNode, settings: str) -> None:
    node.put(KUBELET_CONFIG, settings)
    with pytest.raises(PhaseError, match=rf"^{KUBELET_CONFIG} has .* for healthz\w+ where .* must be \(line 1\)$"):
        wait_for_kubelet(init_run(node)[0])


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_kubeconfig_is_named_with_how_to_make_it_again(node: FakeNode, damage: str) -> None:
    node.put(ADMIN, DAMAGED[damage])
    node.put(KUBELET, DAMAGED[damage])
    run, _ = init_run(node)
    with pytest.raises(
        PhaseError, match=f"^{ADMIN} .*; put the right one there, or move it away and make it again with `pykubeadm init phase"
    ):
        cluster_api(run)
    with pytest.raises(PhaseError, match=f"^{KUBELET} .*; move it away and make it again with `pykubeadm init phase"):
        perform(run, kubelet_finalize)
    with pytest.raises(PhaseError, match=f"^{ADMIN} .*; put the right one there, or move it away to have it made again"):
        perform(run, kubeconfig)


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3))
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), _SCALARS, max_size=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=_VALUES)
def test_any_value_anywhere_in_a_manifest_ends_in_a_wait_or_a_sentence(node: FakeNode, data: st.DataObject, value: Any) -> None:
    document = yaml.load(node.text(MANIFESTS[0]), yaml.CSafeLoader)
    kept = dict(node.files)
    place = data.draw(st.sampled_from(_places(document)))
    inner: Any = document
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    node.put(MANIFESTS[0], to_yaml(document))
    try:
        wait_for_components(init_run(node)[0])
    except PhaseError as error:
        assert MANIFESTS[0] in str(error)  # noqa: PT017 - either is right
    finally:
        node.files = kept


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [place for key, value in entries for place in ((*path, key), *_places(value, (*path, key)))]
