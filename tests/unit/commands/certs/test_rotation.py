"""A rotation, stage by stage: who can speak to whom after each file, what is there at the end, and runs that were killed."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from pykubeadm.commands.certs.phases import BACKUP
from pykubeadm.commands.certs.rotation import pods, record
from pykubeadm.commands.certs.rotation.record import NAME
from pykubeadm.commands.certs.rotation.run import Advice
from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.config.host import HostFacts
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import Completed, File
from pykubeadm.phases.replacing.record import PATH as REPLACING
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.keys import encode_public_key, generate_key
from pykubeadm.workflow.events import Note
from tests.support.init_runs import configuration
from tests.support.rotation_runs import assert_rotated, former_of, rotate, rotated_although_power_is_lost, round_of, said
from tests.support.rotations import ALL, PKI, SERVING, TOKEN, PowerCutError, rotating_cluster, sign_with_group, trusted


def test_one_control_plane_alone_is_rotated_by_two_commands(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    former, (node,) = former_of(cluster), cluster.control_planes()
    manifest = node.text("/etc/kubernetes/manifests/kube-controller-manager.yaml")
    events = rotate(node, *ALL)
    assert "--finish` removes the former CA" in said(events)
    assert len(load_certificates(node.ca())) == 2
    assert f"--cluster-signing-cert-file={PKI}/ca-signing.crt" in node.text(
        "/etc/kubernetes/manifests/kube-controller-manager.yaml"
    )
    assert "Rotated ca" in said(rotate(node, finish=True))
    assert_rotated(cluster, former)
    assert node.text("/etc/kubernetes/manifests/kube-controller-manager.yaml") == manifest
    assert "No rotation is under way" in said(rotate(node))


def test_whoever_runs_it_on_many_nodes_says_what_is_to_be_run_next(attach) -> None:
    first, worker = attach(rotating_cluster()).nodes.values()
    desk = Advice("pykubeadm cluster certs rotate-ca", where="")
    with pytest.raises(PhaseError, match=r"^no rotation is under way; `pykubeadm cluster certs rotate-ca all` starts one$"):
        rotate(first, abort=True, advice=desk)
    heard = [said(rotate(node, *names, advice=desk)) for node, names in ((first, ()), (first, ALL), (worker, ()), (worker, ()))]
    assert "Continue with `pykubeadm cluster certs rotate-ca`." in heard[-1]
    assert "pykubeadm certs" not in "".join(heard)


def test_with_a_worker_each_node_comes_to_each_stage(attach) -> None:
    cluster = attach(rotating_cluster())
    former = former_of(cluster)
    first, worker = cluster.nodes.values()
    token = worker.text(TOKEN)
    assert "Next, one after the other, on worker1" in said(rotate(first, *ALL))
    assert "trust" in said(rotate(worker))
    assert "on worker1" in said(rotate(first))
    assert "reached the stage issue" in said(rotate(worker))
    assert worker.text(TOKEN) != token
    assert "--finish" in said(rotate(first))
    assert "reached the stage issue" in said(rotate(worker))
    assert "on worker1" in said(rotate(first, finish=True))
    rotate(worker)
    assert "Rotated" in said(rotate(first))
    assert_rotated(cluster, former)


def test_a_worker_whose_turn_has_not_come_does_nothing(attach) -> None:
    cluster = attach(rotating_cluster(control_planes=2))
    first, _, worker = cluster.nodes.values()
    before = worker.ca()
    assert "No rotation is under way" in said(rotate(worker))
    rotate(first, *ALL)
    assert "Control planes take the stage trust first" in said(rotate(worker))
    assert worker.ca() == before


@pytest.mark.parametrize(
    ("name", "restarted", "rotated"),
    [
        ("ca", {"kube-controller-manager", "kube-scheduler", "kubelet"}, "ca.crt"),
        ("front-proxy-ca", set(), "front-proxy-ca.crt"),
        ("etcd-ca", {"etcd", "kube-apiserver"}, "etcd/ca.crt"),
        ("sa", {"kube-apiserver", "kube-controller-manager", "kubelet"}, "sa.pub"),
    ],
)
def test_one_of_them_alone_restarts_no_more_than_it_needs(attach, name: str, restarted: set[str], rotated: str) -> None:
    cluster = attach(rotating_cluster(workers=0))
    former, (node,) = former_of(cluster), cluster.control_planes()
    rotate(node, name, finish=True)
    assert set(node.restarts) == restarted
    assert {other for other, content in former.items() if node.read(f"{PKI}/{other}") != content} == {rotated}
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None


def test_an_api_server_that_checks_kubelets_is_restarted_to_trust_both(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    former = "    - --kubelet-client-key="
    node.put(path, node.text(path).replace(former, f"    - --kubelet-certificate-authority={PKI}/ca.crt\n{former}"), 0o600)
    rotate(node, "ca", finish=True)
    assert node.restarts.count("kube-apiserver") == 2
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None


def test_kubelets_know_the_api_servers_by_their_group_as_older_clusters_have_it(attach) -> None:
    cluster = attach(rotating_cluster())
    first = cluster.control_planes()[0]
    sign_with_group(first, "apiserver-kubelet-client", "kubeadm:cluster-admins")
    rotate(first, "ca")
    round_of(cluster)
    round_of(cluster, finish=True)
    round_of(cluster)
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None
    assert "kubeadm:cluster-admins" in load_certificates(first.ca("apiserver-kubelet-client"))[0].subject.rfc4514_string()


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_aborted_before_the_last_stage_all_is_the_former_cas(attach, rounds: int) -> None:
    cluster = attach(rotating_cluster())
    former, first = former_of(cluster), cluster.control_planes()[0]
    rotate(first, *ALL)
    for _ in range(rounds):
        round_of(cluster)
    rotate(first, abort=True)
    for _ in range(3):
        round_of(cluster)
    assert former_of(cluster) == former
    for node in cluster.nodes.values():
        assert read_kubeconfig(node.read("/etc/kubernetes/kubelet.conf") or b"").ca == former["ca.crt"]
        assert trusted(node.read(SERVING) or first.read(f"{PKI}/apiserver.crt") or b"", former["ca.crt"])
        assert not node.list_dir(CA_ROTATION_DIR)
    assert trusted(first.read(f"{PKI}/etcd/peer.crt") or b"", former["etcd/ca.crt"])
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None


def test_once_nodes_forget_there_is_no_way_back(attach) -> None:
    cluster = attach(rotating_cluster())
    first = cluster.control_planes()[0]
    rotate(first, *ALL)
    round_of(cluster)
    round_of(cluster, finish=True)
    with pytest.raises(PhaseError, match="cannot be aborted"):
        rotate(first, abort=True)


@pytest.mark.parametrize("name", ["cp1", "worker1"])
def test_power_lost_at_any_file_and_run_again_all_is_right(attach, name: str) -> None:
    """Whoever could speak to each other before still can after each file; all is right at the end. Not every moment: there are
    hundreds."""
    cut = rotated_although_power_is_lost(lambda: attach(rotating_cluster()), name, cut=1, step=29)
    assert cut > 40


@pytest.mark.parametrize("calls", range(6))
def test_killed_while_it_ends_the_next_run_has_nothing_left_to_do(attach, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """At each request with which the cluster forgets it."""
    cluster = attach(rotating_cluster())
    former, left = former_of(cluster), calls

    def cut(call):
        def requesting(*arguments) -> None:
            nonlocal left
            if left == 0:
                raise PowerCutError
            left -= 1
            call(*arguments)

        return requesting

    rotate(cluster.nodes["cp1"], *ALL)
    with monkeypatch.context() as patched:
        for name in ("_delete", "_forget"):
            patched.setattr(record, name, cut(getattr(record, name)))
        for _ in range(2):
            round_of(cluster, finish=True)
        with pytest.raises(PowerCutError):
            round_of(cluster, finish=True)
    rotate(cluster.nodes["cp1"])
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None
    assert_rotated(cluster, former)


def test_pods_of_before_are_named_and_restarted_by_their_controllers(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    owner = {"kind": "ReplicaSet", "name": "web-6b7f", "controller": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-6b7f-x",
            "namespace": "default",
            "labels": {"pod-template-hash": "6b7f"},
            "ownerReferences": [owner],
        },
        "spec": {"volumes": [{"projected": {"sources": [{"serviceAccountToken": {}}]}}]},
        "status": {"containerStatuses": [{"state": {"running": {"startedAt": "2026-03-01T00:00:00Z"}}}]},
    }
    cluster.put(pod)
    cluster.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}, "spec": {}})
    events = rotate(node, *ALL)
    warnings = [event.message for event in events if isinstance(event, Note) and "began before" in event.message]
    assert len(warnings) == 1
    assert "Deployment default/web" in warnings[0]


def test_tokens_in_secrets_are_signed_again(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    former = base64.b64encode(cluster.token().encode()).decode()
    metadata = {"name": "ci", "namespace": "default"}
    cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/service-account-token",
            "data": {"token": former},
        }
    )
    rotate(node, "sa")
    stored = cluster.get("v1", "Secret", "ci", "default") or {}
    assert stored["data"]["token"] != former
    rotate(node, finish=True)
    assert (cluster.get("v1", "Secret", "ci", "default") or {}) == stored


def test_what_cannot_be_rotated_is_refused_before_anything_is_changed(attach) -> None:
    cluster = attach(rotating_cluster())
    first, worker = cluster.nodes.values()
    with pytest.raises(PhaseError, match="this node is a worker"):
        rotate(worker, *ALL)
    kept = dict(first.files)
    first.remove([f"{PKI}/ca.key"])
    before = {path: entry for path, entry in first.files.items() if isinstance(entry, File) and path.startswith("/etc")}
    with pytest.raises(PhaseError, match=r"ca.key does not exist"):
        rotate(first, *ALL)
    assert {path: entry for path, entry in first.files.items() if isinstance(entry, File) and path.startswith("/etc")} == before
    first.files = dict(kept)
    first.put(f"{PKI}/sa.pub", first.text(f"{PKI}/sa.pub") + encode_public_key(generate_key("ECDSA-P256").public_key()).decode())
    with pytest.raises(PhaseError, match=r"sa.pub holds further public keys"):
        rotate(first, *ALL)
    first.files = kept
    found = cluster.get("v1", "Node", "worker1") or {}
    cluster.put(found | {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    with pytest.raises(PhaseError, match="worker1 is not Ready"):
        rotate(first, *ALL)
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None


def test_an_upgrade_that_was_cut_off_is_finished_before_a_node_takes_part(attach) -> None:
    cluster = attach(rotating_cluster(control_planes=2))
    first, second, _ = cluster.nodes.values()
    rotate(first, "etcd-ca")
    second.put(REPLACING, "{}")
    before = second.ca("etcd/ca")
    with pytest.raises(PhaseError, match="run that command again first"):
        rotate(second)
    assert second.ca("etcd/ca") == before


def test_without_crictl_nothing_is_begun(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    former = former_of(cluster)
    node.commands |= {"crictl": Completed(127)}
    with pytest.raises(PhaseError, match="could not be started again: cp1: there is no crictl"):
        rotate(node, "sa")
    assert former_of(cluster) == former


def test_a_pod_whose_service_account_is_gone_is_named(attach, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    metadata = {"name": "web-1", "namespace": "shop", "uid": "2"}
    cluster.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "cp1", "serviceAccountName": "web"}}
    )
    node.put(TOKEN.replace("/pods/1/", "/pods/2/"), node.text(TOKEN))
    monkeypatch.setattr(pods, "_REPLACED_WITHIN", timedelta(seconds=0.2))
    with pytest.raises(PhaseError, match="that of pod shop/web-1; where its ServiceAccount web is gone, delete the pod or bring"):
        rotate(node, "sa")


def test_certificates_are_not_renewed_meanwhile(attach) -> None:
    cluster = attach(rotating_cluster(workers=0))
    (node,) = cluster.control_planes()
    rotate(node, "ca")
    run = CertsRun(
        node=node, host=HostFacts("cp1"), journal=Journal(node), emit=lambda _event: None, configuration=configuration()
    )
    assert BACKUP.apply is not None
    with pytest.raises(PhaseError, match="are being rotated"):
        BACKUP.apply(run)
    rotate(node, finish=True)
    BACKUP.apply(run)
