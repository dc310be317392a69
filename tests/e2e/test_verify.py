"""`verify` shows a new cluster to be one, and `doctor` finds nothing; then something is broken, one thing at a time: a row of
`verify` fails for it, and `doctor` says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.host import CHECKOUT, docker
from lab.node import Node
from lab.oci import Image, write_archive
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import connect, first_control_plane, join, join_command
from tests.e2e.sabotages import SABOTAGES, Pair, Sabotage
from tests.e2e.test_join_refusals import SKEWED
from tests.e2e.verifying import UNHEALTHY, doctor, said, shown, unready, verify
from tests.support.browser import browser


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
