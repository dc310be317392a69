"""A node leaves: what the cluster keeps of it goes, what it keeps of others stays, and its majority is guarded."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pykubeadm.errors import PreflightError
from pykubeadm.etcd.client import ClusterUnhealthyError, EtcdClient, Member, MemberNotFoundError
from pykubeadm.kube.waits import WaitError
from pykubeadm.phases.cluster.leaving import look_at, remove_objects, require_spare, right_endpoint
from pykubeadm.phases.etcd.leave import remove_member
from pykubeadm.pki.keys import generate_key
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi
from tests.support.odd_requests import ODD, odd_request

NAMES = ("cp1", "cp2", "cp3")
MEMBERS = tuple(
    Member(number, name, (f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",))
    for number, name in enumerate(NAMES, 1)
)


class Etcd(EtcdClient):
    def __init__(
        self, members: Sequence[Member] = MEMBERS, ailing: Sequence[str] = (), failures: Sequence[Exception] = ()
    ) -> None:
        super().__init__([], None)
        self.known, self.ailing, self.failures, self.removed = tuple(members), ailing, list(failures), list[int]()

    def at(self, endpoints: Sequence[str]) -> EtcdClient:
        return self

    def members(self, *, agreed: bool = True) -> tuple[Member, ...]:
        return self.known

    def unhealthy(self, members: Sequence[Member]) -> dict[int, str]:
        return {member.id: "it does not answer" for member in members if member.name in self.ailing}

    def remove(self, member_id: int) -> tuple[Member, ...]:
        if self.failures:
            raise self.failures.pop(0)
        self.removed.append(member_id)
        return ()


def node(name: str, address: str, *, ready: bool = True) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "node-role.kubernetes.io/control-plane": ""}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def lease(name: str, namespace: str, **labels: str) -> KubeObject:
    metadata = {"name": name, "namespace": namespace, "labels": {key.replace("_", "/"): value for key, value in labels.items()}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}


def request(name: str, user: str, subject: str = "") -> KubeObject:
    spec = {"username": user}
    if subject:
        common = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        made = x509.CertificateSigningRequestBuilder().subject_name(common).sign(generate_key("ECDSA-P256"), SHA256())
        spec["request"] = base64.b64encode(made.public_bytes(Encoding.PEM)).decode()
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    for number, name in enumerate(NAMES, 1):
        made.put(node(name, f"10.0.0.{number}", ready=name != "cp1"))
        made.put(lease(name, "kube-node-lease"))
        identity = {"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": name}
        apiserver = lease(f"apiserver-{name}", "kube-system")
        apiserver["metadata"]["labels"] = identity
        made.put(apiserver)
        made.put(request(f"csr-{name}", f"system:node:{name}"))
        made.put(request(f"boot-{name}", "system:bootstrap:abcdef", f"system:node:{name}"))
    made.put(request("broken", "system:bootstrap:abcdef") | {"spec": {"username": "x", "request": "bm9uZQ=="}})
    for number, what in enumerate(ODD):
        found = {"username": "x", "request": odd_request(what, "system:node:cp1")}
        made.put(request(f"odd-{number}", "system:bootstrap:abcdef") | {"spec": found})
    return made


def left(api: FakeApi) -> set[str]:
    return {f"{kind}/{name}" for _version, kind, _namespace, name in api.objects}


def test_all_that_is_kept_of_it_goes_and_nothing_else(api: FakeApi) -> None:
    before = left(api)
    leaving = look_at(api, Etcd(), "cp1")
    assert (leaving.member, leaving.ready, leaving.is_control_plane) == (MEMBERS[0], False, True)
    changes = remove_objects(api, leaving)
    assert changes[-1] == "deleted Node cp1"  # by which an interrupted run would find it
    assert before - left(api) == {
        "Node/cp1",
        "Lease/cp1",
        "Lease/apiserver-cp1",
        "CertificateSigningRequest/csr-cp1",
        "CertificateSigningRequest/boot-cp1",
    }
    assert remove_objects(api, leaving) == []


def test_a_member_whose_node_is_gone_is_found_by_its_name(api: FakeApi) -> None:
    api.delete("v1", "Node", "cp1")
    assert look_at(api, Etcd(), "cp1").member == MEMBERS[0]


def test_a_name_that_nobody_has_is_refused_with_those_there_are(api: FakeApi) -> None:
    with pytest.raises(PreflightError, match="knows no node cp9, nor has etcd such a member; its nodes are cp1, cp2, cp3"):
        look_at(api, Etcd(), "cp9")
    with pytest.raises(PreflightError, match="knows no node cp9"):
        look_at(api, None, "cp9")


@pytest.mark.parametrize(
    ("etcd", "said"),
    [
        (Etcd(ailing=("cp2",)), r"2 members that would be left only 1 would be healthy \(member cp2"),
        (Etcd(MEMBERS[:1]), "has etcd's only member"),
        (Etcd(MEMBERS[:2], ailing=("cp2",)), None),  # it has no majority that could be lost
        (Etcd(ailing=("cp1",)), None),
        (Etcd(), None),
    ],
)
def test_the_majority_is_guarded(api: FakeApi, etcd: Etcd, said: str | None) -> None:
    leaving = look_at(api, etcd, "cp1")
    if said is None:
        require_spare(leaving, etcd)
        return
    with pytest.raises(PreflightError, match=said):
        require_spare(leaving, etcd)


def test_a_worker_is_not_etcds_business(api: FakeApi) -> None:
    api.put(node("w1", "10.0.0.9"))
    etcd = Etcd(ailing=("cp2",))
    leaving = look_at(api, etcd, "w1")
    assert leaving.member is None
    require_spare(leaving, etcd)


def test_removal_is_tried_again_while_etcd_elects_a_leader() -> None:
    etcd = Etcd(failures=[ClusterUnhealthyError("no leader")])
    done = remove_member(etcd, MEMBERS, MEMBERS[0], timedelta(seconds=5), report=lambda *_words: None)
    assert (done, etcd.removed) == (f"removed etcd's {MEMBERS[0]}", [1])
    etcd = Etcd(failures=[MemberNotFoundError("gone")])  # the answer to an earlier request was lost
    remove_member(etcd, MEMBERS, MEMBERS[0], timedelta(seconds=5), report=lambda *_words: None)
    assert etcd.removed == []


def test_what_etcd_refuses_is_said() -> None:
    etcd = Etcd(failures=[ClusterUnhealthyError("unhealthy cluster")] * 1000)
    with pytest.raises(WaitError, match="unhealthy cluster"):
        remove_member(etcd, MEMBERS, MEMBERS[0], timedelta(), report=lambda *_words: None)


def cluster_info(server: str) -> KubeObject:
    kubeconfig = f"apiVersion: v1\nclusters:\n- cluster:\n    server: {server}\n  name: ''\nkind: Config\n"
    metadata = {"name": "cluster-info", "namespace": "kube-public"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kubeconfig": kubeconfig}}


def test_cluster_info_does_not_lead_to_what_is_gone(api: FakeApi) -> None:
    leaving = look_at(api, Etcd(), "cp1")
    api.put(cluster_info("https://10.0.0.1:6443"))
    changes, sentence = right_endpoint(api, leaving, "api.example:8443")
    assert (changes, sentence) == (["cluster-info leads to api.example:8443 now, no longer to https://10.0.0.1:6443"], "")
    stored = api.get("v1", "ConfigMap", "cluster-info", "kube-public")
    assert stored is not None
    assert "server: https://api.example:8443\n" in stored["data"]["kubeconfig"]
    assert right_endpoint(api, leaving, "api.example:8443") == ([], "")


def test_an_endpoint_that_leaves_with_it_is_said(api: FakeApi) -> None:
    leaving = look_at(api, Etcd(), "cp1")
    changes, sentence = right_endpoint(api, leaving, "10.0.0.1:6443")
    assert changes == []
    assert "have another control plane take that address or name over" in sentence


@pytest.mark.parametrize("info", [None, cluster_info("https://api.example:6443"), cluster_info("]")])
def test_a_cluster_info_that_is_right_stays_as_it_is(api: FakeApi, info: KubeObject | None) -> None:
    if info:
        api.put(info)
    assert right_endpoint(api, look_at(api, Etcd(), "cp1"), "api.example:6443") == ([], "")
