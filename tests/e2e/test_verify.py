"""`verify` shows a new cluster to be one, and `doctor` finds nothing; then something is broken, one thing at a time: a row of
`verify` fails for it, and `doctor` says what it is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.host import CHECKOUT, docker
from lab.node import Node
from lab.oci import Image, write_archive
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage
from tests.e2e.ageing import valid_for
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import connect, first_control_plane, join, join_command
from tests.e2e.test_join_refusals import SKEWED
from tests.support.browser import browser
from tests.support.servers import NOW, authority, ca_pem

UNHEALTHY = 10
# What the lab's clusters do not have.
_NOT_SERVED = {
    "controllers/autoscaler",
    "configuration/network-policy",
    "storage/default-class",
    "storage/csi",
    "devices/plugin",
    "control-plane/restart",
}


@dataclass(frozen=True)
class Pair:
    """A control plane and a worker."""

    plane: Node
    worker: Node


@pytest.fixture(scope="module")
def pair(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with nodes_of(kubernetes, request) as new_node:
        yield make_pair(new_node, kubernetes, "pykubeadm")


def make_pair(new_node: NewNode, kubernetes: assets.Assets, tool: str, name: str = "verify") -> Pair:
    """A cluster of two nodes, made by `tool`."""
    plane = first_control_plane(new_node, kubernetes, name, tool=tool)
    worker = new_node(f"{name}w")
    join(worker, join_command(plane, tool=tool), tool=tool)
    connect(plane, (plane, worker))
    cluster.wait_rolled_out(plane, "daemonset/kube-proxy", "deployment/coredns")
    return Pair(plane, worker)


def verify(plane: Node, *rows: str, timeout: float = 400.0) -> dict[str, Any]:
    """What `verify` says of some rows, or of all."""
    only = [f"--only={','.join(rows)}"] if rows else []
    done = plane.run("pykubeadm", "verify", "--output=json", *only, check=False, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (UNHEALTHY if found["failed"] else 0), done.stderr
    left = kubectl(plane, "get", "namespaces", "--output=name")
    assert found["namespace"] not in left
    return found


def doctor(node: Node, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = node.run("pykubeadm", "doctor", "--output=json", check=False, env=env, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (UNHEALTHY if found["problems"] else 0), done.stderr
    return found


def said(found: dict[str, Any], *levels: str) -> list[str]:
    """The remarks of these levels, each with the name of its check."""
    return [
        f"{check['name']}: {remark['found']}"
        for check in found["checks"]
        for remark in check["remarks"]
        if remark["level"] in levels
    ]


def shown(found: dict[str, Any], *also: str) -> list[str]:
    """Every row has passed but for those that the lab's clusters do not serve; this one serves `also`. Lines for people."""
    failed = [f"{row['name']}: {row['said']} {row['evidence']}" for row in found["rows"] if row["outcome"] == "failed"]
    assert failed == []
    assert {row["name"] for row in found["rows"] if row["outcome"] == "not served"} == _NOT_SERVED - set(also)
    lines = [f"  {row['name']:<30} {row['seconds']:>5} s  {row['said']}" for row in found["rows"]]
    return [f"verify: {found['passed']} rows in {found['seconds']} s", *lines]


def test_every_row_is_shown_on_a_new_cluster(pair: Pair, results: list[str]) -> None:
    results += shown(verify(pair.plane))


def test_without_an_image_with_a_shell_it_says_which_rows_need_one(pair: Pair) -> None:
    done = pair.plane.run(
        "pykubeadm", "verify", "--only=controllers/job,pods", "--image=pykubeadm.test/none:1", check=False, timeout=300
    )
    assert done.returncode == UNHEALTHY
    assert "shown           controllers/job" in done.stdout
    assert "FAILED          pods/shared" in done.stdout
    assert "pykubeadm.test/none:1" in done.stdout


def test_nothing_is_wrong_with_the_nodes_of_a_new_cluster(pair: Pair) -> None:
    for node in (pair.plane, pair.worker):
        assert said(doctor(node), "problem", "unknown") == []


def test_a_node_whose_clock_is_off(pair: Pair, results: list[str]) -> None:
    """A container has the machine's clock, so Python is told another time."""
    for node in (pair.plane, pair.worker):
        node.write("/tmp/skewed/sitecustomize.py", SKEWED)
        remarks = said(doctor(node, {"PYTHONPATH": "/tmp/skewed"}), "problem")
        server = f"{pair.plane.address}:6443"
        assert f"node/clock: this node's clock is 3 days behind that of the API server at {server}" in remarks
        assert not [remark for remark in remarks if remark.startswith("cluster/clocks")]  # the kubelets' are right
        results.append(f"clock off: doctor on {node.name}: {remarks}"[:300])


def test_the_page_to_send_needs_nothing_else(pair: Pair) -> None:
    page = pair.plane.run("pykubeadm", "doctor", "--output=html", check=False).stdout
    assert page.startswith("<!doctype html>")
    assert "cluster/etcd" in page
    assert "src=" not in page
    assert "<script" not in page


def test_the_page_of_a_cluster_in_a_browser(pair: Pair, tmp_path: Path) -> None:
    """All checks are on it, and nothing is asked of anybody."""
    (tmp_path / "doctor.html").write_text(pair.plane.run("pykubeadm", "doctor", "--output=html", check=False).stdout)
    with browser(tmp_path / "profile") as started:
        page = started.open((tmp_path / "doctor.html").as_uri())
        names = page.value("[...document.querySelectorAll('tbody tr')].map(row => row.cells[1].innerText)")
        assert set(names) == {check["name"] for check in doctor(pair.plane)["checks"]}
        assert page.requests == [page.value("location.href")]
        assert page.complaints == []


def test_a_device_is_given_to_a_pod(pair: Pair, kubernetes: assets.Assets, results: list[str]) -> None:
    """By Kubernetes' own sample of a device plugin, where it lies beside the other binaries."""
    plugin = kubernetes.bin / "sample-device-plugin"
    if not plugin.is_file():
        pytest.skip(f"there is no {plugin} (kubernetes: test/images/sample-device-plugin)")
    docker("cp", str(plugin), f"{pair.worker.name}:/root/sample-device-plugin")
    pair.worker.run("systemd-run", "--quiet", "--unit=devices", "/root/sample-device-plugin")
    eventually(lambda: None if "example.com/resource" in _allocatable(pair) else "it has none", "devices of the worker", 30)
    found = verify(pair.plane, "devices")
    assert [row["outcome"] for row in found["rows"]] == ["passed"], found["rows"]
    results.append(f"devices: {found['rows'][0]['said']}")
    pair.worker.run("systemctl", "stop", "devices")


_CSI = "hostpath.csi.k8s.io"


def test_a_csi_driver_is_registered(pair: Pair, kubernetes: assets.Assets, results: list[str]) -> None:
    """The hostpath driver as a process of the worker, with the registrar, where both lie beside the other binaries."""
    worker, place = pair.worker, f"/var/lib/kubelet/plugins/{_CSI}"
    for name in ("hostpathplugin", "csi-node-driver-registrar"):
        if not (kubernetes.bin / name).is_file():
            pytest.skip(f"there is no {kubernetes.bin / name} (kubernetes-csi)")
        docker("cp", str(kubernetes.bin / name), f"{worker.name}:/root/{name}")
    worker.run("mkdir", "-p", place, "/var/lib/csi")
    driver = [f"--drivername={_CSI}", f"--endpoint=unix://{place}/csi.sock", f"--nodeid={worker.name}", "--statedir=/var/lib/csi"]
    worker.run("systemd-run", "--quiet", "--unit=csi", "/root/hostpathplugin", *driver)
    registrar = [f"--csi-address={place}/csi.sock", f"--kubelet-registration-path={place}/csi.sock"]
    sockets = "--plugin-registration-path=/var/lib/kubelet/plugins_registry"
    worker.run("systemd-run", "--quiet", "--unit=csi-registrar", "/root/csi-node-driver-registrar", *registrar, sockets)

    def registered() -> str | None:
        return None if kubectl_json(pair.plane, "get", "csinode", worker.name)["spec"].get("drivers") else "it has no driver"

    try:
        eventually(registered, "the CSINode of the worker", 30)
        found = verify(pair.plane, "storage/csi")
        assert [row["outcome"] for row in found["rows"]] == ["passed"], found["rows"]
        results.append(f"csi: {found['rows'][0]['said']}")
    finally:
        worker.run("systemctl", "stop", "csi-registrar", "csi")


_METRICS_SERVER = CHECKOUT / "docs/guides/metrics-server.yaml"


def test_a_busy_workload_gets_more_pods(pair: Pair, kubernetes: assets.Assets, results: list[str], tmp_path: Path) -> None:
    """With the documented manifest as it is, where metrics-server lies beside the other binaries: its image is made of that."""
    server = kubernetes.bin / "metrics-server"
    if not server.is_file():
        pytest.skip(f"there is no {server} (kubernetes-sigs/metrics-server)")
    manifest, plane = _METRICS_SERVER.read_text(), pair.plane
    [container] = [
        container
        for document in yaml.safe_load_all(manifest)
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    program = {"/metrics-server": str(server)}
    _import(Image(container["image"], files=program, entrypoint=("/metrics-server",)), tmp_path, plane, pair.worker)
    kubectl(plane, "apply", "--filename=-", stdin=manifest)
    try:
        kubectl(plane, "wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=120s", timeout=130)
        found = verify(plane, "controllers/autoscaler")
        assert [row["outcome"] for row in found["rows"]] == ["passed"], found["rows"]
        results.append(f"autoscaler: {found['rows'][0]['said']} in {found['rows'][0]['seconds']} s")
        assert pair.worker.name in kubectl(plane, "top", "nodes")
    finally:
        kubectl(plane, "delete", "--filename=-", "--ignore-not-found", stdin=manifest, timeout=120)


def _import(image: Image, folder: Path, *nodes: Node) -> None:
    """Have nodes have an image that is made here."""
    archive = folder / "image.tar"
    write_archive(image, archive)
    for node in nodes:
        docker("cp", str(archive), f"{node.name}:/root/image.tar")
        node.run("ctr", "--namespace=k8s.io", "images", "import", "/root/image.tar", timeout=120)
        node.run("rm", "/root/image.tar")


def _allocatable(pair: Pair) -> dict[str, str]:
    node: dict[str, dict[str, dict[str, str]]] = kubectl_json(pair.plane, "get", "node", pair.worker.name)
    return node["status"]["allocatable"]


def test_an_archive_for_who_helps(pair: Pair, results: list[str]) -> None:
    """No key or token of the cluster is in it."""
    token = pair.plane.run("pykubeadm", "token", "create").stdout.strip()
    pair.plane.shell(f"logger --tag kubelet 'a token {token} in a log'; mkdir -p /root/support")
    done = pair.plane.run("pykubeadm", "support", "--output-file=/root/support/a.tar.gz", timeout=200)
    results.append(done.stdout.splitlines()[-1])
    assert "doctor.html" in done.stdout
    assert "cluster/events.txt" in done.stdout
    pair.plane.shell("cd /root/support && tar xzf a.tar.gz --strip-components=1")
    secret = token.partition(".")[2]
    assert pair.plane.run("grep", "-r", "--files-with-matches", secret, "/root/support", check=False).returncode == 1
    keys = pair.plane.run("grep", "-r", "--files-with-matches", "PRIVATE KEY", "/root/support", check=False)
    assert keys.returncode == 1, keys.stdout


Change = Callable[[Pair], None]


def _on(which: str, script: str) -> Change:
    def change(pair: Pair) -> None:
        for name, node in (("plane", pair.plane), ("worker", pair.worker)):
            if which in (name, "both"):
                node.shell(script, timeout=120)

    return change


def _another_scheduler(pair: Pair) -> None:
    """Of a version that nobody has; the kubelet ends the one that ran."""
    pair.plane.shell(
        f"cp {_SCHEDULER} /root/; sed 's/kube-scheduler:v.*/kube-scheduler:v1.36.99/' {_SCHEDULER} >/root/other.yaml;"
        f" mv /root/other.yaml {_SCHEDULER}"
    )
    eventually(lambda: None if unready(pair.plane) else "it runs", "the end of the scheduler", 60)


def _dns_that_asks_itself(pair: Pair) -> None:
    """New pods get the resolver that the node has now."""
    _on("both", "cp /etc/resolv.conf /root/resolv.conf && echo nameserver 127.0.0.53 >/etc/resolv.conf")(pair)
    _restart_dns(pair)

    def runs() -> str | None:
        pods = kubectl_json(pair.plane, "--namespace=kube-system", "get", "pods", "--selector=k8s-app=kube-dns")["items"]
        ended = [each for each in pods if (each["status"].get("containerStatuses") or [{}])[0].get("restartCount")]
        return None if len(ended) == len(pods) == 2 else f"{len(ended)} of {len(pods)} pods have ended"

    eventually(runs, "a DNS that ends", 60)


def _dns_that_asks_others(pair: Pair) -> None:
    _on("both", "cat /root/resolv.conf >/etc/resolv.conf")(pair)
    _restart_dns(pair)


def _expired_certificate(pair: Pair) -> None:
    words = ("certs", "renew", "apiserver-kubelet-client", "--config", valid_for(pair.plane, "5s"))
    pair.plane.run("pykubeadm", *words, timeout=300)


def _restart_dns(pair: Pair) -> None:
    kubectl(pair.plane, "--namespace=kube-system", "delete", "pods", "--selector=k8s-app=kube-dns", "--grace-period=1")


def _kubectl(*words: str) -> Change:
    return lambda pair: [kubectl(pair.plane, *words)][0] and None


# On the node; what it says no to is not written anywhere.
_DENYING_SERVER = """
import http.server, json, ssl


class Denying(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"uid": asked["request"]["uid"], "allowed": False, "status": {"message": "no pods on Fridays"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("", 9443), Denying)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/webhook.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def _denying_webhook(pair: Pair) -> None:
    """A program on the control plane, over TLS, whose CA the webhook's configuration names."""
    plane, key = pair.plane, generate_key("ECDSA-P256")
    names = Names(ips=(ip_address(plane.address),))
    subject = Subject("webhook", NOW - timedelta(hours=1), NOW + timedelta(days=1), usages=(Usage.SERVER_AUTH,), names=names)
    certificate = encode_certificate(issue_leaf(subject, key.public_key(), authority()))
    plane.write("/root/webhook.pem", (certificate + encode_private_key(key)).decode(), "0600")
    plane.write("/root/webhook.py", _DENYING_SERVER)
    plane.run("systemd-run", "--quiet", "--unit=webhook", "python3", "/root/webhook.py")
    eventually(lambda: None if plane.shell("ss -Hltn sport = :9443") else "it does not listen", "the webhook", 20)
    where = {"url": f"https://{plane.address}:9443/", "caBundle": base64.b64encode(ca_pem()).decode()}
    deny = yaml.safe_load(_DENY)
    deny["webhooks"][0]["clientConfig"] = where
    kubectl(plane, "apply", "--filename=-", stdin=yaml.safe_dump(deny))


def _no_webhook(pair: Pair) -> None:
    kubectl(pair.plane, "delete", "validatingwebhookconfiguration", "deny")
    pair.plane.shell("systemctl stop webhook; rm -f /root/webhook.pem /root/webhook.py")


# What the kubelet of a node does whose clock was set back.
_RENEWING = r"""
while true; do
    at=$(date --utc --date='3 minutes ago' +%Y-%m-%dT%H:%M:%S.%6NZ)
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace=kube-node-lease patch lease NODE \
        --type=merge --field-manager=kubelet --patch="{\"spec\":{\"renewTime\":\"$at\"}}"
    sleep 2
done
"""


def _slow_clock(pair: Pair) -> None:
    """Of the worker, as far as the cluster can see."""
    pair.worker.run("systemctl", "stop", "kubelet")
    last = _renewed(pair)
    pair.plane.write("/root/renewing.sh", _RENEWING.replace("NODE", pair.worker.name))
    pair.plane.run("systemd-run", "--quiet", "--unit=renewing", "sh", "/root/renewing.sh")
    eventually(lambda: None if _renewed(pair) < last else f"it is of {_renewed(pair)}", "a Lease by the other clock", 20)


def _renewed(pair: Pair) -> str:
    """When the worker's kubelet says that it renewed its Lease; times of this form are in order as texts."""
    lease = kubectl_json(pair.plane, "--namespace=kube-node-lease", "get", "lease", pair.worker.name)
    return str(lease["spec"]["renewTime"])


def _right_clock(pair: Pair) -> None:
    pair.plane.run("systemctl", "stop", "renewing")
    pair.worker.run("systemctl", "start", "kubelet")


_KILLING = "systemd-run --quiet --unit=no-proxy sh -c 'while true; do pkill -KILL kube-proxy; sleep 0.05; done'"


def _proxy_lives_again(pair: Pair) -> None:
    """In new pods: the kubelet waits longer before each further start of one that was killed."""
    _on("both", "systemctl stop no-proxy")(pair)
    kubectl(pair.plane, "--namespace=kube-system", "delete", "pods", "--selector=k8s-app=kube-proxy", "--grace-period=1")


_DENY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: deny}
webhooks:
- name: deny.example.org
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  clientConfig: {service: {name: nobody, namespace: default, path: /}}
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 2
"""
_KUBELET = "/var/lib/kubelet/config.yaml"
_CONFLIST = cluster.CNI_CONFIG
_SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"


@dataclass(frozen=True)
class Sabotage:
    """`row` fails where `do` was done, and a remark of `doctor`'s on `where` has `words`."""

    name: str
    do: Change
    undo: Change
    row: str
    where: str
    words: str
    level: str = "problem"


SABOTAGES = (
    Sabotage(
        "CoreDNS scaled to 0",
        _kubectl("--namespace=kube-system", "scale", "deployment", "coredns", "--replicas=0"),
        _kubectl("--namespace=kube-system", "scale", "deployment", "coredns", "--replicas=2"),
        "services/dns",
        "plane",
        "cluster/dns: coredns is scaled to 0",
    ),
    Sabotage(
        "kube-proxy kept off the nodes",
        _kubectl(
            *("--namespace=kube-system", "patch", "daemonset", "kube-proxy", "--type=merge"),
            '--patch={"spec":{"template":{"spec":{"nodeSelector":{"nowhere":"true"}}}}}',
        ),
        _kubectl(
            *("--namespace=kube-system", "patch", "daemonset", "kube-proxy", "--type=merge"),
            '--patch={"spec":{"template":{"spec":{"nodeSelector":{"nowhere":null}}}}}',
        ),
        "services/cluster-ip",
        "plane",
        "cluster/kube-proxy: kube-proxy is to run on 0 of 2 nodes",
    ),
    Sabotage(
        "kube-proxy killed whenever it starts",
        _on("both", _KILLING),
        _proxy_lives_again,
        "services/cluster-ip",
        "plane",
        "cluster/kube-proxy: kube-proxy is ready on",
    ),
    Sabotage(
        "CNI configuration removed",
        _on("worker", f"mv {_CONFLIST} /root/cni"),
        # Written, not moved: a file that only appears is no event for containerd 1.7.
        _on("worker", f"cp /root/cni {_CONFLIST} && rm /root/cni"),
        "controllers/daemon-set",
        "worker",
        "node/network-plugin: there is no network configuration in /etc/cni/net.d",
    ),
    Sabotage(
        "a webhook without a running backend",
        lambda pair: [kubectl(pair.plane, "apply", "--filename=-", stdin=_DENY)][0] and None,
        _kubectl("delete", "validatingwebhookconfiguration", "deny"),
        "containers/exec",
        "plane",
        "cluster/webhooks: the webhook deny.example.org",
    ),
    Sabotage(
        "a webhook that denies",
        _denying_webhook,
        _no_webhook,
        "containers/exec",
        "plane",
        'admission webhook "deny.example.org" denied the request: no pods on Fridays',
    ),
    Sabotage(
        "an image that is not there",
        _another_scheduler,
        _on("plane", f"mv /root/kube-scheduler.yaml {_SCHEDULER}"),
        "control-plane/components",
        "plane",
        "node/images: the image registry.k8s.io/kube-scheduler:v1.36.99 of kube-scheduler is not on the node",
    ),
    Sabotage(
        "a DNS that asks itself",
        _dns_that_asks_itself,
        _dns_that_asks_others,
        "services/dns",
        "plane",
        "asks itself (Loop detected): the node's name server is on its loopback interface",
    ),
    Sabotage(
        "a firewall between pods of two nodes",
        _on("worker", "iptables -I FORWARD -i eth0 -d 10.244.0.0/16 -j DROP"),
        _on("worker", "iptables -D FORWARD -i eth0 -d 10.244.0.0/16 -j DROP"),
        "services/pod-network",
        "worker",
        "node/firewall: a rule of this node's packet filter (iptables-nft) refuses packets: -A FORWARD",
        "warning",
    ),
    Sabotage(
        "a firewall before a kubelet",
        _on("worker", "iptables -I INPUT -p tcp --dport 10250 -j DROP"),
        _on("worker", "iptables -D INPUT -p tcp --dport 10250 -j DROP"),
        "containers/exec",
        "plane",
        "cluster/kubelets: the API server cannot reach the kubelet of verifyw",
    ),
    Sabotage(
        "an expired certificate",
        _expired_certificate,
        _on("plane", "pykubeadm certs renew apiserver-kubelet-client"),
        "containers/exec",
        "plane",
        "node/certificates: the certificate apiserver-kubelet-client expired",
    ),
    Sabotage(
        "a full disk",
        # A directory costs a tmpfs no room, but a file's number: two, of its root and of the file that fills it.
        _on("worker", "mount -t tmpfs -o size=1M,nr_inodes=2 full /var/log; cat /dev/zero >/var/log/full 2>/dev/null || true"),
        _on("worker", "umount /var/log"),
        "controllers/daemon-set",
        "worker",
        "node/disk: /var/log is full",
    ),
    Sabotage(
        "the kubelet stopped",
        _on("worker", "systemctl stop kubelet"),
        _on("worker", "systemctl start kubelet"),
        "controllers/daemon-set",
        "worker",
        "node/units: the unit kubelet is inactive",
    ),
    Sabotage(
        "the cgroup driver of the kubelet changed",
        _on("worker", f"sed -i.bak 's/^cgroupDriver:.*/cgroupDriver: cgroupfs/' {_KUBELET} && systemctl restart kubelet"),
        _on("worker", f"mv {_KUBELET}.bak {_KUBELET} && systemctl restart kubelet"),
        "controllers/daemon-set",
        "worker",
        "node/cgroup-driver: the container runtime uses the cgroup driver systemd, the kubelet cgroupfs",
    ),
    Sabotage(
        "a node's clock set back",
        _slow_clock,
        _right_clock,
        "control-plane/clocks",
        "plane",
        "cluster/clocks: the clock of verifyw",
    ),
)


@pytest.mark.long
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_what_was_broken_is_found(pair: Pair, sabotage: Sabotage, results: list[str]) -> None:
    sabotage.do(pair)
    try:
        found = verify(pair.plane, sabotage.row)
        assert found["failed"] == 1, found["rows"]
        [row] = found["rows"]
        results.append(f"{sabotage.name}: {row['name']} failed after {row['seconds']} s: {row['said'][:200]}")
        remarks = said(doctor(pair.plane if sabotage.where == "plane" else pair.worker), sabotage.level)
        named = [remark for remark in remarks if sabotage.words in remark]
        assert named, remarks
        results.append(f"{sabotage.name}: doctor: {named[0][:200]}")
    finally:
        sabotage.undo(pair)
    for node in (pair.plane, pair.worker):
        cluster.wait_node_ready(pair.plane, node.name)
    cluster.wait_rolled_out(pair.plane, "daemonset/kube-proxy", "deployment/coredns")
    eventually(lambda: unready(pair.plane), "a control plane that is ready again", 90)


@pytest.mark.long
def test_a_cluster_that_kubeadm_made(new_node: NewNode, kubernetes: assets.Assets, results: list[str]) -> None:
    pair = make_pair(new_node, kubernetes, "kubeadm", "theirs")
    found = verify(pair.plane)
    failed = [f"{row['name']}: {row['said']} {row['evidence']}" for row in found["rows"] if row["outcome"] == "failed"]
    assert failed == []
    results.append(f"verify on kubeadm's cluster: {found['passed']} rows in {found['seconds']} s")
    for node in (pair.plane, pair.worker):
        assert said(doctor(node), "problem", "unknown") == []


def unready(plane: Node) -> str | None:
    """Static pods that are not ready."""
    pods = cluster.kubectl_json(plane, "--namespace=kube-system", "get", "pods", "--selector=tier=control-plane")["items"]
    missing = [
        pod["metadata"]["name"]
        for pod in pods
        if not any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ())
    ]
    return ", ".join(missing) or None
