"""What `doctor` says of a cluster, from its objects alone."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pykubeadm.commands.doctor.check import examine
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.commands.doctor.cluster_checks import CHECKS
from pykubeadm.kube.pod_streams import Ended
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.transport.http import Response
from pykubeadm.util.kube_object import KubeObject
from tests.support import servers
from tests.support.api import FakeApi
from tests.support.clocks import kubelets
from tests.support.servers import serving

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SYSTEM = "kube-system"


@dataclass
class FakeStreams:
    """Answers of etcdctl and logs of pods."""

    answers: dict[str, str] = field(default_factory=dict)
    said: str = ""
    refused: str = ""
    metrics: bytes = b""
    ports: list[tuple[str, int]] = field(default_factory=list)

    def through_port(self, _namespace: str, pod: str, port: int, request: bytes) -> bytes:
        assert request.startswith(b"GET /metrics HTTP/1.0")
        self.ports.append((pod, port))
        return self.metrics

    def run(self, _namespace: str, _pod: str, argv: tuple[str, ...], **_more: Any) -> Ended:
        return Ended(0, next(answer for words, answer in self.answers.items() if words in " ".join(argv)), "")

    def logs(self, _namespace: str, _pod: str, _container: str = "", **_more: Any) -> str:
        if self.refused:
            raise ApiStatusError(self.refused, code=500)
        return self.said


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def pod(
    name: str, labels: dict[str, str], *, ready: bool = True, node: str = "cp", image: str = "x:v1.36.2", **status: Any
) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SYSTEM, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": name, "image": image, "command": ["x"]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}], **status},
    }


def component(name: str, **more: Any) -> KubeObject:
    return pod(f"{name}-{more.get('node', 'cp')}", {"tier": "control-plane", "component": name}, **more)


def node(name: str, *, version: str = "v1.36.2", ready: bool = True, plane: bool = False, **spec: Any) -> KubeObject:
    condition = {
        "type": "Ready",
        "status": str(ready),
        "message": "cni plugin not initialized",
        "lastTransitionTime": at(minutes=5),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/control-plane": ""} if plane else {}},
        "spec": spec,
        "status": {"conditions": [condition], "nodeInfo": {"kubeletVersion": version}},
    }


def lease(name: str, namespace: str, **ago: float) -> KubeObject:
    spec = {"renewTime": at(**ago), "holderIdentity": name, "leaseDurationSeconds": 40}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def dns(*, replicas: int = 2, available: int = 2) -> KubeObject:
    metadata = {"name": "coredns", "namespace": SYSTEM, "labels": {"k8s-app": "kube-dns"}}
    spec, status = {"replicas": replicas}, {"availableReplicas": available}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}


def proxy(wanted: int, ready: int) -> KubeObject:
    status = {"desiredNumberScheduled": wanted, "numberReady": ready}
    metadata = {"name": "kube-proxy", "namespace": SYSTEM}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {}, "status": status}


def listed(*names: str) -> str:
    """What etcdctl says of the members."""
    return json.dumps({"members": [{"name": name, "clientURLs": [f"https://{name}:2379"]} for name in names]})


def member(name: str, *, leader: int = 7, size: int = 1000, learner: bool = False) -> str:
    return f'{{"Endpoint":"https://{name}:2379","Status":{{"version":"3.6.0","leader":{leader},"dbSize":{size},"isLearner":{str(learner).lower()}}}}}'


def measured_etcd(node: str = "cp") -> KubeObject:
    found = component("etcd", node=node)
    found["spec"]["containers"][0]["command"] = ["etcd", "--listen-metrics-urls=http://127.0.0.1:2381"]
    return found


def served(**counted: tuple[int, int]) -> bytes:
    """etcd's metrics over HTTP: of each disk's histogram how many took 8 ms at most, and how many between 16 and 32."""
    lines = [
        f'etcd_disk_{name}_duration_seconds_bucket{{le="{bound}"}} {count}'
        for name, (fast, slow) in counted.items()
        for bound, count in (("0.008", fast), ("0.016", fast), ("0.032", fast + slow), ("+Inf", fast + slow))
    ]
    return "\r\n".join(["HTTP/1.0 200 OK", "Content-Type: text/plain", "", "\n".join(lines)]).encode()


@dataclass
class Scene:
    """A healthy cluster of two nodes, and what a test makes of it."""

    api: FakeApi
    streams: FakeStreams
    readyz: Response = field(default_factory=lambda: Response(200, b"ok", ""))

    def raw(self, path: str) -> Response:
        assert path == "/readyz"
        return self.readyz

    def said(self, name: str, now: Callable[[], datetime] = lambda: NOW) -> list[str]:
        """ "level: what was found -> what to run"."""
        view = ClusterView(self.api, self.api, self.raw, self.streams, now)  # type: ignore[arg-type]
        checks = [check for check in CHECKS if check.name == f"cluster/{name}"]
        assert checks
        return [f"{remark.level}: {remark.found} -> {remark.run}" for each in examine(checks, view) for remark in each.remarks]


@pytest.fixture
def scene() -> Scene:
    api = FakeApi()
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        api.put(component(name))
    api.put(measured_etcd())
    for document in (node("cp", plane=True), node("w"), dns(), proxy(2, 2)):
        api.put(document)
    for name in ("kube-controller-manager", "kube-scheduler"):
        api.put(lease(name, SYSTEM, seconds=2))
    for name in ("cp", "w"):
        api.put(lease(name, "kube-node-lease", seconds=4))
    answers = {"member list": listed("cp"), "endpoint status": f"[{member('cp')}]", "alarm list": "{}"}
    return Scene(api, FakeStreams(answers, metrics=served(wal_fsync=(990, 10), backend_commit=(990, 10))))


def test_a_healthy_cluster(scene: Scene) -> None:
    names = [check.name for check in CHECKS if check.name != "cluster/api-certificate"]
    assert {name: found for name in names if (found := scene.said(name.removeprefix("cluster/")))} == {}


def test_an_api_server_that_is_not_ready(scene: Scene) -> None:
    scene.readyz = Response(500, b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n", "")
    [remark] = scene.said("api")
    assert remark.startswith(
        "problem: the API server at https://192.0.2.1:6443 is not ready: status 500, not healthy yet: etcd -> kubectl"
    )


def test_who_may_not_see_whether_it_is_ready_is_not_told_that_it_is_not(scene: Scene) -> None:
    scene.readyz = Response(403, b"{}", "")
    assert scene.said("api") == [
        "unknown: the API server at https://192.0.2.1:6443 does not let this user see whether it is ready -> "
    ]


def test_components_that_are_missing_or_not_ready(scene: Scene) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    scene.api.put(component("kube-scheduler", ready=False, containerStatuses=[{"name": "kube-scheduler", "state": waiting}]))
    scene.api.delete("v1", "Pod", "kube-controller-manager-cp", SYSTEM)
    scene.api.put(component("etcd", containerStatuses=[{"name": "etcd", "restartCount": 9, "state": {}}]))
    assert [line.partition(" ->")[0] for line in scene.said("components")] == [
        "problem: kube-controller-manager has no pod on cp",
        "problem: kube-scheduler on cp is not ready: container kube-scheduler waits (ImagePullBackOff): no such image",
        "warning: etcd on cp was started again 9 times",
    ]


def test_etcd_without_a_member_or_a_leader_and_nearly_full(scene: Scene) -> None:
    scene.api.put(component("etcd", node="cp2"))
    scene.streams.answers = {
        "member list": listed("cp", "cp2"),
        "endpoint status": f"[{member('cp', leader=0, size=1_700_000_000, learner=True)}]",
        "alarm list": '{"alarms":[{"memberID":1,"alarm":1}]}',
    }
    found = "\n".join(scene.said("etcd"))
    assert "problem: etcd's member cp2 does not answer; 1 of 2 do" in found
    assert "problem: etcd's members do not agree on a leader" in found
    assert "problem: etcd has raised the alarm NOSPACE and takes no more writes" in found
    assert "warning: the etcd member at https://cp:2379 is a learner" in found
    assert "warning: etcd's database at https://cp:2379 has 1621 MiB, and at 2048 (its quota)" in found


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--quota-backend-bytes=8589934592", ""),
        ("--quota-backend-bytes=2000000000", "and at 1907 (its quota) it takes no more writes"),
        ("--quota-backend-bytes=0", "and at 2048 (its quota)"),
        ("--quota-backend-bytes=-1", ""),
    ],
)
def test_the_quota_is_that_of_the_member(scene: Scene, flag: str, said: str) -> None:
    etcd = component("etcd")
    etcd["spec"]["containers"] = [{"name": "etcd", "command": ["etcd", flag]}]
    etcd["status"]["hostIP"] = "cp"
    scene.api.put(etcd)
    scene.streams.answers["endpoint status"] = f"[{member('cp', size=1_700_000_000)}]"
    found = "\n".join(scene.said("etcd"))
    assert said in found
    assert bool(said) == ("quota" in found)


def test_a_disk_that_is_slow_for_etcd(scene: Scene) -> None:
    scene.streams.metrics = served(wal_fsync=(900, 100), backend_commit=(900, 100))
    log, database = scene.said("etcd-latency")
    assert log.startswith(
        "warning: etcd on cp waits up to 30 ms to have a change of the log written to the disk (99 % of times since it was"
        " started; it should be less than 10) -> give /var/lib/etcd a faster disk"
    )
    assert database.startswith("warning: etcd on cp waits up to 30 ms to have changes written to the database")
    assert "it should be less than 25" in database
    assert scene.streams.ports == [("etcd-cp", 2381)]
    scene.streams.metrics = served(wal_fsync=(90, 10))  # too few to say
    assert scene.said("etcd-latency") == []


def test_an_etcd_whose_metrics_cannot_be_read(scene: Scene) -> None:
    scene.api.put(component("etcd", node="cp2"))
    scene.streams.metrics = b"HTTP/1.0 404 Not Found\r\n\r\n"
    here, there = scene.said("etcd-latency")
    assert "unknown: how long etcd's disk on cp takes could not be read: port 2381 of Pod etcd-cp gives no metrics" in here
    assert "HTTP/1.0 404 Not Found" in here
    assert "on cp2 takes could not be read: etcd in Pod etcd-cp2 serves metrics at no URL of its own" in there


def test_the_certificates_of_all_api_servers_that_can_be_reached(scene: Scene) -> None:
    soon, later = servers.NOW + timedelta(days=10, minutes=5), servers.NOW + timedelta(days=300)
    with (
        servers.serving(end=servers.NOW - timedelta(days=3), begin=servers.NOW - timedelta(days=9)) as expired,
        servers.serving(end=soon, ca=servers.authority("another")) as expiring,
        servers.serving(end=later) as fine,
    ):
        for number, server in enumerate((expired, expiring, fine)):
            scene.api.put(api_server_at(number, server.server_port))
        scene.api.put(api_server_at(9, 1))  # nobody
        scene.api.server_certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", fine.server_port)))
        found = scene.said("api-certificate", lambda: servers.NOW)
        assert found == [
            "note: the certificates of https://127.0.0.1:1 cannot be seen from here -> run it on a control plane",
            f"problem: the certificate of https://{expired.endpoint} expired 3d ago -> pykubeadm certs renew all",
            f"warning: the certificate of https://{expiring.endpoint} expires in 10d -> pykubeadm certs renew all",
        ]


def api_server_at(number: int, port: int) -> KubeObject:
    """A piece of the Service "kubernetes". (The real one has one address for each, and one port.)"""
    labels = {"kubernetes.io/service-name": "kubernetes"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"kubernetes-{number}", "namespace": "default", "labels": labels},
        "ports": [{"port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"]}],
    }


def test_a_component_without_a_leader(scene: Scene) -> None:
    scene.api.put(lease("kube-scheduler", SYSTEM, minutes=20))
    [remark] = scene.said("leaders")
    assert remark.startswith("problem: kube-scheduler has no leader: kube-scheduler renewed the Lease 20m ago")


def test_nodes_that_take_no_pods(scene: Scene) -> None:
    scene.api.put(node("w", ready=False, unschedulable=True))
    assert [line.partition(" ->")[0] for line in scene.said("nodes")] == [
        "problem: w is not ready, since 5m: cni plugin not initialized",
        "warning: w takes no new pods: it is cordoned",
    ]


def test_a_kubelet_that_the_api_server_does_not_reach(scene: Scene) -> None:
    scene.api.put(pod("kube-proxy-w", {"k8s-app": "kube-proxy"}, node="w"))
    scene.api.put(node("w", ready=False))
    scene.streams.refused = "could not read the log: Get https://192.0.2.9:10250/containerLogs/x: dial tcp: i/o timeout"
    [remark] = scene.said("kubelets")  # of w it is said elsewhere that it is not ready
    assert remark.startswith("problem: the API server cannot reach the kubelet of cp: could not read the log")
    scene.streams.refused = "could not read the log: failed to try resolving symlinks in path"  # its kubelet was reached
    assert scene.said("kubelets") == []


def test_versions_that_do_not_go_together(scene: Scene) -> None:
    scene.api.put(node("w", version="v1.37.0"))
    assert scene.said("skew")[0].startswith("problem: the kubelet of w, v1.37.0, is newer than the API server v1.36.2")
    scene.api.put(node("w", version="v1.32.0"))
    assert scene.said("skew")[0].startswith("problem: the kubelet of w, v1.32.0, is too old for the API server v1.36.2")


def test_clocks_that_are_fast_or_slow(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock of doctor's machine says; also of a Node that is not ready, as after its clock was set back."""
    scene.api.put(node("slow", ready=False))
    kubelets(monkeypatch, scene.api, cp=0.4, fast=90, slow=-120)
    for now in (NOW, NOW + timedelta(days=3)):
        fast, slow = scene.said("clocks", lambda now=now: now)
        assert fast == (
            "problem: the clock of fast is 90s ahead of that of the API server -> on fast: timedatectl set-ntp true, or chronyc "
            "makestep; if its clock is right, the same on the control planes"
        )
        assert re.match(r"problem: the clock of slow is (119s|2m) behind that of the API server -> on slow: ", slow)


def test_api_servers_whose_clocks_differ(scene: Scene) -> None:
    with serving() as one, serving(date=servers.NOW + timedelta(hours=1)) as other:
        for number, server in enumerate((one, other)):
            server.answers = [(401, b"{}")]
            scene.api.put(api_server_at(number, server.server_port))
        [remark] = scene.said("clocks")
    assert remark.startswith(
        f"problem: the clock of the API server at {other.endpoint} is 60m ahead of that of the one at {one.endpoint}"
        " -> on that machine: timedatectl set-ntp true"
    )


def test_dns_that_is_off_partly_there_or_asks_itself(scene: Scene) -> None:
    scene.api.put(dns(replicas=0, available=0))
    assert scene.said("dns")[0].startswith("problem: coredns is scaled to 0: no name is resolved")
    scene.api.put(dns(available=1))
    scene.api.put(pod("coredns-1", {"k8s-app": "kube-dns"}, ready=False))
    scene.streams.said = "[FATAL] plugin/loop: Loop (127.0.0.1:3 -> :53) detected"
    partly, loop = scene.said("dns")
    assert partly.startswith("warning: 1 of 2 pods of coredns are ready: coredns-1: ")
    assert loop.startswith("problem: coredns-1 asks itself (Loop detected)")


def test_kube_proxy_that_does_not_run_everywhere(scene: Scene) -> None:
    scene.api.put(proxy(1, 0))
    scene.api.put(pod("kube-proxy-1", {"k8s-app": "kube-proxy"}, ready=False, node="w"))
    few, unready = scene.said("kube-proxy")
    assert few.startswith("problem: kube-proxy is to run on 1 of 2 nodes")
    assert unready.startswith("problem: kube-proxy is ready on 0 of 1 nodes (w: ")
    scene.api.delete("v1", "Pod", "kube-proxy-1", SYSTEM)
    scene.api.delete("apps/v1", "DaemonSet", "kube-proxy", SYSTEM)
    assert scene.said("kube-proxy")[0].startswith("warning: there is no kube-proxy")


def webhook(policy: str) -> KubeObject:
    hook = {"name": "h.example.org", "failurePolicy": policy, "clientConfig": {"service": {"namespace": "x", "name": "s"}}}
    group = "admissionregistration.k8s.io/v1"
    return {"apiVersion": group, "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "v"}, "webhooks": [hook]}


def test_webhooks_with_nobody_behind_them(scene: Scene) -> None:
    scene.api.put(webhook("Fail"))
    assert scene.said("webhooks")[0].startswith(
        "problem: the webhook h.example.org (ValidatingWebhookConfiguration v) has no running backend"
    )
    scene.api.delete("v1", "Pod", "pykubeadm-doctor", "default")  # FakeApi stores what it rehearses
    scene.api.put(webhook("Ignore"))
    assert scene.said("webhooks")[0].startswith("warning: the webhook h.example.org")


def test_a_webhook_that_denies(scene: Scene) -> None:
    class Denying(FakeApi):
        def create(self, document: KubeObject) -> KubeObject:
            raise ApiStatusError('admission webhook "h.example.org" denied the request: no', code=403)

    denying = Denying(objects=scene.api.objects)
    [remark] = Scene(denying, scene.streams).said("webhooks")
    assert 'would be refused: admission webhook "h.example.org" denied the request: no' in remark


def test_an_aggregated_api_that_is_not_there(scene: Scene) -> None:
    status = {"conditions": [{"type": "Available", "status": "False", "message": "no endpoints"}]}
    document = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.x"}, "status": status}
    scene.api.put(document)
    assert scene.said("aggregated-apis")[0].startswith("problem: the API v1.x is not available: no endpoints")


def test_requests_that_wait(scene: Scene) -> None:
    for name, signer in (("a", "kubernetes.io/kubelet-serving"), ("b", "example.org/other")):
        metadata = {"name": name}
        group = "certificates.k8s.io/v1"
        scene.api.put(
            {"apiVersion": group, "kind": "CertificateSigningRequest", "metadata": metadata, "spec": {"signerName": signer}}
        )
    serving, other = scene.said("signing-requests")
    assert serving.startswith(
        "warning: kubelets wait for serving certificates, without which there are no logs, exec or metrics: a ->"
    )
    assert "pykubeadm certs approve-kubelet-serving" in serving
    assert other.startswith("warning: requests for certificates wait for approval: b ->")
