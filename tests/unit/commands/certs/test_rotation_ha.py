"""A rotation with several control planes: how the keys get to the others, one restart after the other, and what was killed."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from pykubeadm.commands.certs.rotation.material import make_material
from pykubeadm.commands.certs.rotation.record import NAME
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.phases.replacing.turns import LEASE
from pykubeadm.pki.check import load_certificates
from pykubeadm.tokens.certificate_key import parse_certificate_key
from pykubeadm.tokens.shared_certificates import encrypt_files
from pykubeadm.workflow.events import Event
from tests.support.rotation_runs import (
    assert_rotated,
    changes,
    digest,
    former_of,
    rotate,
    rotated_although_power_is_lost,
    round_of,
    said,
)
from tests.support.rotations import ALL, PKI, RotatingCluster, rotating_cluster, trusted


def key_shown(events: Sequence[Event]) -> str:
    return said(events).partition("--certificate-key ")[2].split()[0]


def three_begun(attach) -> tuple[RotatingCluster, str]:
    """Three control planes and a worker, in the stage trust on the first; and the certificate key."""
    cluster = attach(rotating_cluster(control_planes=3))
    return cluster, key_shown(rotate(cluster.control_planes()[0], *ALL))


def test_three_control_planes_get_the_keys_encrypted(attach) -> None:
    cluster = attach(rotating_cluster(control_planes=3))
    former = former_of(cluster)
    first, second, third, worker = cluster.nodes.values()
    events = rotate(first, *ALL)
    assert "one after the other, on cp2, cp3" in said(events)
    key = key_shown(events)
    for stored in cluster.objects.values():  # neither the keys nor what opens them
        values = [base64.b64decode(value) for value in (stored.get("data") or {}).values()] if stored["kind"] == "Secret" else []
        assert not [value for value in (*values, json.dumps(stored).encode()) if b"PRIVATE" in value or key.encode() in value]
    for node in (second, third):
        assert "reached the stage trust" in changes(rotate(node, certificate_key=key))
    assert "--certificate-key" not in said(rotate(third))
    for _ in range(2):
        round_of(cluster)
    assert "--certificate-key" not in said(rotate(first))
    for _ in range(3):
        round_of(cluster, finish=cluster.get("v1", "ConfigMap", NAME, "kube-system") is not None)
    assert_rotated(cluster, former)
    assert not [each for each in cluster.objects.values() if each["metadata"]["name"] == NAME]
    assert worker.restarts == ["kubelet", "kubelet"]
    assert [node.restarts.count("kube-apiserver") for node in (first, second, third)] == [3, 3, 3]


@pytest.mark.parametrize(("key", "said"), [("", "give the key that the control plane shows"), ("cd" * 32, "with another key")])
def test_without_the_certificate_key_nothing_is_changed(attach, key: str, said: str) -> None:
    cluster, _ = three_begun(attach)
    before = digest(cluster)
    with pytest.raises(PhaseError, match=said):
        rotate(cluster.nodes["cp2"], certificate_key=key)
    assert digest(cluster) == before


def test_the_certificate_key_is_shown_until_all_have_the_keys(attach) -> None:
    """Also by who was given it, and where the Secret is gone."""
    cluster, key = three_begun(attach)
    assert key_shown(rotate(cluster.nodes["cp2"], certificate_key=key)) == key
    cluster.delete("v1", "Secret", NAME, "kube-system")
    with pytest.raises(PhaseError, match=r"neither in .* nor in the Secret"):
        rotate(cluster.nodes["cp3"], certificate_key=key)
    assert key_shown(rotate(cluster.nodes["cp2"])) == key
    rotate(cluster.nodes["cp3"], certificate_key=key)
    assert cluster.nodes["cp3"].ca() == cluster.nodes["cp1"].ca()


def test_a_key_of_the_users_choice(attach) -> None:
    cluster = attach(rotating_cluster(control_planes=2))
    assert key_shown(rotate(cluster.nodes["cp1"], *ALL, certificate_key="ab" * 32)) == "ab" * 32
    rotate(cluster.nodes["cp2"], certificate_key="ab" * 32)


def test_a_secret_of_another_rotation_is_not_taken(attach) -> None:
    cluster, key = three_begun(attach)
    stored = cluster.get("v1", "Secret", NAME, "kube-system") or {}
    contents = dict.fromkeys(stored["data"], b"another")
    cluster.put(stored | {"data": encrypt_files(contents, parse_certificate_key(key))})
    with pytest.raises(PhaseError, match="does not hold the ca of the rotation that is under way"):
        rotate(cluster.nodes["cp2"], certificate_key=key)
    assert cluster.nodes["cp2"].ca() == cluster.nodes["worker1"].ca()


def test_a_control_plane_that_took_no_part_needs_no_key_to_abort(attach) -> None:
    cluster, key = three_begun(attach)
    former = former_of(cluster)
    first, second, third, worker = cluster.nodes.values()
    rotate(second, certificate_key=key)
    rotate(first, abort=True)
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system")
    assert third.restarts == []
    for node in (second, third, worker, first):
        rotate(node)
    assert third.restarts == []
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None
    for node in cluster.control_planes():
        assert {name: node.read(f"{PKI}/{name}") for name in former} == {name: first.read(f"{PKI}/{name}") for name in former}
        assert load_certificates(node.ca()) == load_certificates(third.ca())
        assert not node.list_dir(CA_ROTATION_DIR)


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_three_control_planes_aborted_before_the_last_stage(attach, rounds: int) -> None:
    cluster = attach(rotating_cluster(control_planes=3))
    former = former_of(cluster)
    first, second, third, _ = cluster.nodes.values()
    key = key_shown(rotate(first, *ALL))
    for node in (second, third):
        rotate(node, certificate_key=key)
    for _ in range(rounds):
        round_of(cluster)
    rotate(second, abort=True)
    for _ in range(3):
        round_of(cluster)
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None
    for node in cluster.control_planes():
        assert {name: node.read(f"{PKI}/{name}") for name in former} == former
        for leaf in ("apiserver", "etcd/peer", "etcd/server", "apiserver-etcd-client"):
            ca = former["etcd/ca.crt" if "etcd" in leaf else "ca.crt"]
            assert trusted(node.read(f"{PKI}/{leaf}.crt") or b"", ca), leaf


@pytest.mark.parametrize("name", ["cp1", "cp2"])
def test_power_lost_on_one_of_several_and_run_again_all_is_right(attach, name: str) -> None:
    """As with one control plane: at no moment one cannot speak to another, and all is right at the end."""
    cut = rotated_although_power_is_lost(
        lambda: attach(rotating_cluster(control_planes=2)), name, cut=5, step=67, certificate_key="ab" * 32
    )
    assert cut > 70


def test_a_control_plane_waits_for_the_api_servers_of_the_others(attach) -> None:
    cluster = attach(rotating_cluster(control_planes=3))
    first, second = cluster.control_planes()[:2]
    second.is_away = True
    with pytest.raises(PhaseError, match=r"the API server of cp2.*Connection refused"):
        rotate(first, "sa")
    assert first.restarts == []
    second.is_away = False
    rotate(first)
    assert first.restarts == ["kube-apiserver"]


def test_a_control_plane_waits_for_its_turn(attach, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = attach(rotating_cluster(control_planes=3))
    first = cluster.control_planes()[0]
    monkeypatch.setattr("pykubeadm.phases.replacing.turns.QUEUE", timedelta(seconds=0.6))
    spec = {"holderIdentity": "cp3", "leaseDurationSeconds": 20}
    cluster.put(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": "kube-system"},
            "spec": spec,
        }
    )
    with pytest.raises(PhaseError, match="cp3 has the Lease"):
        rotate(first, "etcd-ca")
    assert first.restarts == []


@pytest.mark.parametrize("file", ["kubelet.conf", "controller-manager.conf"])
def test_tokens_of_several_control_planes_come_from_the_own_api_server(attach, file: str) -> None:
    path = f"/etc/kubernetes/{file}"
    for control_planes in (1, 2):
        cluster = attach(rotating_cluster(control_planes=control_planes))
        (first, *others) = cluster.control_planes()
        first.put(path, first.text(path).replace("https://10.0.0.9:6443", "https://lb.example:6443"), 0o600)
        if not others:
            rotate(first, "sa")
            continue
        with pytest.raises(PhaseError, match=f"{file} to https://lb.example:6443"):
            rotate(first, "sa")
        assert first.restarts == []
        rotate(first, abort=True)


def test_two_that_begin_at_once(attach, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was slower is told, and goes on with the other's."""
    cluster = attach(rotating_cluster(control_planes=2))
    first, second = cluster.control_planes()
    faster = []

    def made(run, names):
        monkeypatch.setattr("pykubeadm.commands.certs.rotation.progress.make_material", make_material)
        faster.append(key_shown(rotate(second, *ALL)))
        return make_material(run, names)

    monkeypatch.setattr("pykubeadm.commands.certs.rotation.progress.make_material", made)
    with pytest.raises(PhaseError, match="another control plane has just started"):
        rotate(first, *ALL)
    assert first.restarts == []
    rotate(first, certificate_key=faster[0])
    assert first.ca() == second.ca()
