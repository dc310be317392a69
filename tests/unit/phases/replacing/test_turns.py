"""One control plane after the other is without its etcd member or its API server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pykubeadm.constants import ENDPOINT_ANNOTATION
from pykubeadm.errors import PhaseError
from pykubeadm.kube import waits
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.phases.replacing.turns import LEASE
from pykubeadm.workflow.events import Waiting
from tests.support.api import FakeApi
from tests.support.upgrade_runs import (
    COMPONENTS,
    NEW,
    OLD,
    ControlPlaneNode,
    FakeEtcd,
    cluster_of,
    images,
    other_members,
    run_phase,
    upgrade_run,
    upgraded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.node.port import HealthEndpoint


def turn(api: FakeApi) -> str | None:
    """Who replaces its etcd member: the holder of the Lease; None where there is no Lease."""
    lease = api.get("coordination.k8s.io/v1", "Lease", LEASE, "kube-system")
    return lease["spec"]["holderIdentity"] if lease else None


def test_one_of_several_members_is_replaced_in_its_turn_which_is_given_back(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    etcd.all = (*etcd.all, *other_members())
    api, held = cluster_of(), dict[str, str | None]()

    def note(name: str, _manifest: str) -> str:
        held[name] = turn(api)
        return ""

    node.ails = note
    run_phase(upgrade_run(node, api)[0], control_plane)
    assert held == {"etcd": "cp1", "kube-apiserver": "cp1"} | dict.fromkeys(COMPONENTS[2:], "")
    assert turn(api) == ""


def other_server() -> dict[str, Any]:
    """The pod of cp2's API server, which listens nowhere."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "kube-apiserver-cp2",
            "namespace": "kube-system",
            "labels": {"component": "kube-apiserver", "tier": "control-plane"},
            "annotations": {ENDPOINT_ANNOTATION: "192.0.2.2:6443"},
        },
        "spec": {"nodeName": "cp2"},
    }


def with_other_server(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, reason: str
) -> tuple[FakeApi, list[tuple[str, str | None]]]:
    """The cluster with another API server, and the list of who is asked for its health while whose turn it is."""
    api, asked = cluster_of(), list[tuple[str, str | None]]()
    api.put(other_server())

    def unhealthy(endpoints: Sequence[HealthEndpoint], _patience: float = 0.0) -> tuple[str, ...]:
        asked.extend((endpoint.url, turn(api)) for endpoint in endpoints)
        return tuple(reason for _ in endpoints)

    monkeypatch.setattr(node, "unhealthy", unhealthy)
    return api, asked


def test_an_api_server_is_replaced_in_its_turn_while_all_others_answer(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where etcd stays, as in an upgrade to the next patch release."""
    upgraded(node)
    api, asked = with_other_server(node, monkeypatch, "")
    held: dict[str, str | None] = {}

    def note(name: str, _manifest: str) -> str:
        held[name] = turn(api)
        return ""

    node.ails = note
    run_phase(upgrade_run(node, api, "v1.36.1")[0], control_plane)
    assert asked == [("https://192.0.2.2:6443/readyz", "cp1")]
    assert held == {"kube-apiserver": "cp1"} | dict.fromkeys(COMPONENTS[2:], "")


def test_while_another_api_server_is_away_nothing_changes(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.manifests()
    api, _asked = with_other_server(node, monkeypatch, "connection refused")
    run, _events = upgrade_run(node, api)
    timeouts = replace(run.configuration.this_node.timeouts, control_plane_component_health_check=timedelta(milliseconds=10))
    run.configuration = replace(run.configuration, this_node=replace(run.configuration.this_node, timeouts=timeouts))
    with pytest.raises(PhaseError, match=r"the API server of cp2 \(connection refused\).*node remove.*was put back"):
        run_phase(run, control_plane)
    assert node.manifests() == before
    assert turn(api) == ""


def test_an_api_server_that_is_away_itself_waits_for_no_other(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run left may need to be gone on with for it to come back."""
    api, asked = with_other_server(node, monkeypatch, "")
    api.call_timeout = timedelta()
    api.failures = [ApiUnreachableError("connection refused")]
    run_phase(upgrade_run(node, api)[0], control_plane)
    assert asked == []
    assert images(node) == {NEW, "3.6.8-0"}


def test_the_only_member_waits_for_nobody(node: ControlPlaneNode) -> None:
    api = cluster_of()
    run_phase(upgrade_run(node, api)[0], control_plane)
    assert turn(api) is None


def test_a_turn_that_its_node_did_not_live_to_give_back_is_taken_over(
    node: ControlPlaneNode, etcd: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pykubeadm.kube.lease.time", waits.time)  # one clock, which waiting moves
    etcd.all, api = (*etcd.all, *other_members()), cluster_of()
    spec = {"holderIdentity": "cp2", "leaseDurationSeconds": 20}
    api.put(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": "kube-system"},
            "spec": spec,
        }
    )
    run, events = upgrade_run(node, api)
    run_phase(run, control_plane)
    assert images(node) == {NEW, "3.6.8-0"}
    assert any(isinstance(event, Waiting) and f"cp2 has the Lease kube-system/{LEASE}" in event.reason for event in events)


def test_a_healthy_member_is_put_back_in_its_turn_too(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    etcd.all, api = (*etcd.all, *other_members()), cluster_of()
    held: list[tuple[bool, str | None]] = []

    def ails(name: str, manifest: str) -> str:
        if name == "etcd":
            held.append(("3.6.8-0" in manifest, turn(api)))
        return "it crashed" if name == "kube-scheduler" and NEW in manifest else ""

    node.ails = ails
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        run_phase(upgrade_run(node, api)[0], control_plane)
    assert held == [(True, "cp1"), (False, "cp1")]
    assert turn(api) == ""


def test_a_member_that_others_need_now_is_put_back_by_the_next_run(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    etcd.all, before = (*etcd.all, *other_members()), node.manifests()

    def ails(name: str, manifest: str) -> str:
        if name == "kube-scheduler" and NEW in manifest:
            etcd.ailments = {2: "connection refused"}
            return "it crashed"
        return ""

    node.ails = ails
    with pytest.raises(PhaseError, match=r"not everything could be put back(.|\n)*etcd: .*it would have no majority"):
        upgraded(node)
    assert "3.6.8-0" in node.manifests()["etcd"]
    etcd.ailments = {}
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)
    assert node.manifests() == before
