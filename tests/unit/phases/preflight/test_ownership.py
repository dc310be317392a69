"""Whose node this is: with the journal, without it, with it damaged, and where somebody else's cluster is."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from pykubeadm.commands.init.checks import init_checks
from pykubeadm.commands.init.etcd import etcd
from pykubeadm.commands.init.kubelet_start import kubelet_start
from pykubeadm.commands.init.phases import PHASES
from pykubeadm.commands.init.preflight import preflight
from pykubeadm.config.host import HostFacts
from pykubeadm.errors import PreflightError
from pykubeadm.node.journal import PATH, Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import File
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.preflight.ownership import ControlPlane
from pykubeadm.phases.static_pods.control_plane import control_plane
from tests.support.init_runs import configuration, init_run, perform
from tests.support.machines import crictl, listen, ready_machine
from tests.support.node import FakeNode, copy_of

PKI = "/etc/kubernetes/pki"
MANIFESTS = "/etc/kubernetes/manifests"
ETCD = f"{MANIFESTS}/etcd.yaml"
MADE: dict[str, FakeNode] = {}
ON_DISK = (certs, kubeconfig, etcd, control_plane, kubelet_start)


def made(**config: object) -> FakeNode:
    """A machine with a control plane that runs: its files are made once, and copied."""
    if str(config) not in MADE:
        MADE[str(config)] = another(**config)
    return copy_of(MADE[str(config)])


def another(**config: object) -> FakeNode:
    """One with keys of its own."""
    node = ready_machine()
    crictl(node, "images -o json", {"images": []})
    crictl(node, "inspecti", "")  # every image is there
    perform(init_run(node, configuration(**config))[0], *ON_DISK)  # type: ignore[arg-type] # fields of the configuration
    node.put("/var/lib/etcd/member/wal/0.wal")
    running = ((6443, "kube-apiserver"), (10257, "kube-controller"), (10259, "kube-scheduler"), (2379, "etcd"), (2380, "etcd"))
    listen(node, *((port, port, command) for port, command in (*running, (10250, "kubelet"))))
    return node


def refusal(node: FakeNode, **config: object) -> str:
    """What preflight says; "" where it has nothing to say."""
    try:
        preflight.apply(init_run(node, configuration(**config))[0])  # type: ignore[arg-type, misc] # as above; it has an apply
    except PreflightError as error:
        return str(error)
    return ""


def test_our_own_control_plane_is_ours() -> None:
    assert refusal(made()) == ""


@pytest.mark.parametrize("damage", [None, b"", b"{", b"\0" * 40, b"[]", b"cut"])
def test_a_lost_or_damaged_journal_does_not_make_it_another_ones(damage: bytes | None) -> None:
    node = made()
    if damage is None:
        node.remove([PATH])
    else:
        node.put(PATH, damage if damage != b"cut" else node.text(PATH)[:300])
    assert refusal(node) == ""


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "sa.key", "apiserver.crt", "front-proxy-ca.crt", "etcd/ca.crt"])
@pytest.mark.parametrize(
    "change",
    [lambda text: text + "\n", lambda _: "", lambda text: text[:100], lambda _: "\0\0"],
    ids=["newline", "empty", "cut", "NULs"],
)
def test_a_file_that_was_touched_or_damaged_does_not_make_it_another_ones(name: str, change: Callable[[str], str]) -> None:
    node = made()
    node.put(f"{PKI}/{name}", change(node.text(f"{PKI}/{name}")))
    before = node.text(PATH)
    assert refusal(node) == ""
    assert node.text(PATH) == before


def test_a_ca_that_was_exchanged_alone_does_not_make_it_another_ones() -> None:
    node, other = made(), another()
    node.put(f"{PKI}/ca.crt", other.text(f"{PKI}/ca.crt"))
    assert refusal(node) == ""


def test_another_cluster_in_the_place_of_ours_is_not_ours() -> None:
    """Somebody reset the node and made another cluster with other addresses; the journal still speaks of ours."""
    node, other = made(), made(address="10.0.0.77")
    for path, entry in other.files.items():
        if path.startswith("/etc/kubernetes/") and isinstance(entry, File):
            node.put(path, entry.content)
    said = refusal(node)
    assert said.count("[ERROR ") == 11
    assert "the CA on this node is not the one that this tool made" in said
    assert f"{MANIFESTS}/kube-apiserver.yaml has --advertise-address=10.0.0.77 where this configuration has 10.0.0.9" in said


def another_ca(node: FakeNode) -> None:
    other = another()
    for name in ("ca.crt", "ca.key"):
        node.put(f"{PKI}/{name}", other.text(f"{PKI}/{name}"))


def other_kubeconfig(node: FakeNode) -> None:
    node.put("/etc/kubernetes/admin.conf", another().text("/etc/kubernetes/admin.conf"))


def other_data_dir(node: FakeNode) -> None:
    node.put(ETCD, node.text(ETCD).replace("--data-dir=/var/lib/etcd", "--data-dir=/srv/etcd"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda node: node.remove([f"{PKI}/ca.crt"]), f"there is no {PKI}/ca.crt"),
        (
            lambda node: node.put(f"{PKI}/ca.crt", another().text(f"{PKI}/ca.crt")),
            f"{PKI}/ca.crt does not belong to {PKI}/ca.key",
        ),
        (another_ca, f"{PKI}/apiserver.crt is not signed by {PKI}/ca.crt"),
        (other_kubeconfig, f"/etc/kubernetes/admin.conf trusts another CA than {PKI}/ca.crt"),
        (other_data_dir, f"{ETCD} has --data-dir=/srv/etcd where this configuration has /var/lib/etcd"),
        (lambda node: node.put(ETCD, "kind: Pod"), f"{ETCD} is not a static pod of etcd"),
    ],
)
def test_without_a_journal_what_speaks_against_it_is_named_and_nothing_is_to_be_destroyed(
    change: Callable[[FakeNode], object], sentence: str
) -> None:
    node = made()
    node.remove([PATH])
    change(node)
    said = refusal(node)
    assert sentence in said
    assert "no earlier run of this tool is known to have made it" in said
    assert "reset" not in said
    assert "delete" not in said


def test_a_key_of_an_authority_that_was_lost_makes_no_external_one_of_it() -> None:
    node = made()
    node.remove([f"{PKI}/ca.key"])
    said = refusal(node)
    assert said.count("[ERROR ") == 1
    assert f"[ERROR CAKeys]: {PKI}/ca.key, which this tool made, is gone" in said
    node.remove([PATH])
    assert "CAKeys" not in refusal(node)


def test_data_of_etcd_alone_is_not_ours() -> None:
    node = ready_machine()
    node.put("/var/lib/etcd/member/wal/0.wal")
    assert "[ERROR DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty (it has member)" in refusal(node)


def test_the_api_server_that_runs_is_asked_for_its_certificate(tmp_path: pytest.TempPathFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config = {"address": "127.0.0.1", "port": port}
        node, other = another(**config), another(**config)
        node.remove([PATH])
        run, _ = init_run(node, configuration(**config))  # type: ignore[arg-type] # fields of the configuration
        run.host = HostFacts("cp1", addresses=frozenset({"127.0.0.1"}))
        serving = threading.Thread(target=serve, args=(listening, [node, other], tmp_path))
        serving.start()
        assert ControlPlane(run).owns(ETCD)
        asked_again = ControlPlane(run)
        assert not asked_again.owns(ETCD)
        assert f"the API server that runs at 127.0.0.1:{port} has a certificate of another CA" in asked_again.why_not()
        serving.join()


def serve(listening: socket.socket, nodes: list[FakeNode], place) -> None:  # type: ignore[no-untyped-def] # a path
    """Shake hands once with each node's certificate of the API server."""
    for node in nodes:
        (place / "pair").write_text(node.text(f"{PKI}/apiserver.crt") + node.text(f"{PKI}/apiserver.key"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place / "pair")
        connection, _ = listening.accept()
        with connection:
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                continue  # who asked did not trust it


def test_every_check_of_files_is_asked() -> None:
    """A check that comes to be added has its owner, too."""
    names = [check.name for check in init_checks(configuration())]
    assert {name for name in names if name.startswith(("FileAvailable", "DirAvailable"))} == {
        *(f"FileAvailable--etc-kubernetes-manifests-{name}.yaml" for name in ("etcd", "kube-apiserver", "kube-scheduler")),
        "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
        "DirAvailable--var-lib-etcd",
    }
    assert PHASES


def worker(*, journal: bool = True) -> FakeNode:
    """A node as `join` leaves it."""
    node, cluster = ready_machine(), made()
    node.put("/etc/kubernetes/kubelet.conf", cluster.text("/etc/kubernetes/kubelet.conf"))
    node.put(f"{PKI}/ca.crt", cluster.text(f"{PKI}/ca.crt"))
    if journal:
        joined = Journal(node)
        joined.will_start("kubelet")
        joined.begin("join", "2026-01-01T00:00:00+00:00")
        joined.finish("changed", "2026-01-01T00:00:01+00:00")
    listen(node, (10250, 7, "kubelet"))
    return node


@pytest.mark.parametrize("journal", [True, False])
def test_init_on_a_worker_says_so_and_nothing_else(journal: bool) -> None:
    said = refusal(worker(journal=journal))
    assert said.count("[ERROR ") == 1
    assert "this node, cp1, is a worker of a cluster that it joined (/etc/kubernetes/kubelet.conf)" in said


def test_init_on_a_worker_whose_kubeconfig_is_damaged_says_so() -> None:
    node = worker()
    node.put("/etc/kubernetes/kubelet.conf", "\0")
    assert "this node is a worker of a cluster that it joined" in refusal(node)


def test_init_on_a_control_plane_that_joined_says_so() -> None:
    node = made()
    node.put(ETCD, node.text(ETCD).replace("    - --name=", "    - --initial-cluster-state=existing\n    - --name="))
    assert "is a control plane of a cluster that it joined" in refusal(node)


@pytest.mark.parametrize("tried", [False, True])
def test_init_on_a_control_plane_whose_join_was_cut_off_says_so(tried: bool) -> None:
    node, cluster = ready_machine(), made()
    journal = Journal(node)
    journal.begin("join", "2026-01-01T00:00:00+00:00")
    journal.phase("control-plane-prepare/download-certs")
    content = cluster.text(f"{PKI}/ca.key").encode()
    JournaledNode(node, journal).write([File(f"{PKI}/ca.key", content, 0o600)])
    if tried:
        again = Journal(node)
        again.begin("init", "2026-01-01T00:00:01+00:00")
        again.phase("preflight")
        again.finish("failed", "2026-01-01T00:00:02+00:00")
    assert "this node was to become a control plane of a cluster by a join that was cut off, or failed" in refusal(node)


def test_a_node_that_left_its_cluster_may_be_made_another() -> None:
    node = worker()
    node.remove(["/etc/kubernetes", "/proc/net/tcp"])
    assert refusal(node) == ""
    assert json.loads(node.text(PATH))["runs"][0]["command"] == "join"
