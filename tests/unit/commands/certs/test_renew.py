from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pykubeadm.commands.certs.phases import steps_of
from pykubeadm.commands.certs.renew import renew
from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Configuration
from pykubeadm.config.source import Source
from pykubeadm.errors import PhaseError
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import File, HealthEndpoint, UnitState
from pykubeadm.phases.certs.leaves import LEAVES
from pykubeadm.pki.check import is_for_key, load_certificates
from pykubeadm.pki.keys import load_private_key
from pykubeadm.workflow.events import Event, Note, PhaseFinished
from pykubeadm.workflow.runner import run_steps
from tests.support.control_plane_files import CONFIG, all_ends, write_control_plane
from tests.support.init_runs import NOW, certified, configuration
from tests.support.node import FakeNode, completed

SOURCE = Source("cfg.yaml", CONFIG.encode())
PKI = "/etc/kubernetes/pki"
LATER = NOW + timedelta(days=200)
CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def made() -> FakeNode:
    return certified()


def run_on(
    node, *, now: datetime = LATER, name: str = "all", only: tuple[str, ...] = (), **fields
) -> tuple[CertsRun, list[Event]]:
    events: list[Event] = []
    journal = Journal(node)
    run = CertsRun(
        node=JournaledNode(node, journal),  # which knows nothing of what is there: kubeadm may have made it
        host=HostFacts("cp1"),
        journal=journal,
        emit=events.append,
        now=lambda: now,
        leaves=tuple(leaf for leaf in LEAVES if leaf.name in (only or (leaf.name if name == "all" else name,))),
        **{"configuration": configuration(), "kubelet": "expired" if name == "all" else ""} | fields,
    )
    run_steps(f"certs renew {name}", "cp1", steps_of((name,)), run, dry_run=False, recorder=run.journal, emit=events.append)
    return run, events


def contents(node: FakeNode) -> dict[str, bytes]:
    return {path: file.content for path, file in node.files.items() if isinstance(file, File)}


def outcomes(events: list[Event]) -> dict[str, str]:
    return {event.phase: event.outcome for event in events if isinstance(event, PhaseFinished)}


def test_all_of_a_control_plane_below_another_root(tmp_path: Path) -> None:
    begin_at = datetime.now(UTC) - timedelta(days=300)
    write_control_plane(tmp_path, all_ends(begin_at), begin=begin_at)
    kubernetes = tmp_path / "etc/kubernetes"
    before = {path: path.read_bytes() for path in kubernetes.rglob("*") if path.is_file()}
    events: list[Event] = []
    renew("all", {}, events.append, machine=LocalNode(str(tmp_path)), source=SOURCE)
    changed = {str(path.relative_to(kubernetes)) for path, content in before.items() if path.read_bytes() != content}
    bases = ("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client")
    pairs = [f"pki/{base}" for base in (*bases, "etcd/server", "etcd/peer", "etcd/healthcheck-client")]
    confs = {f"{name}.conf" for name in ("admin", "super-admin", "controller-manager", "scheduler")}
    assert changed == confs | {f"{pair}.{ending}" for pair in pairs for ending in ("crt", "key")}
    (backup,) = (tmp_path / "var/lib/pykubeadm/backup").iterdir()
    assert backup.stat().st_mode & 0o777 == 0o700
    for name in changed:
        kept = backup / "etc/kubernetes" / name
        assert kept.read_bytes() == before[kubernetes / name]
        assert kept.stat().st_mode & 0o777 == 0o600
    journal = json.loads((tmp_path / "var/lib/pykubeadm/journal.json").read_text())
    assert (journal["runs"][-1]["command"], journal["runs"][-1]["outcome"]) == ("certs renew all", "changed")


def test_what_a_killed_run_left_of_its_copies_is_removed(tmp_path: Path) -> None:
    begin_at = datetime.now(UTC) - timedelta(days=300)
    write_control_plane(tmp_path, all_ends(begin_at), begin=begin_at)
    backups = tmp_path / "var/lib/pykubeadm/backup"
    for name, file in (("certs-20260101T000000Z", "apiserver.key"), ("certs-20260102T000000Z", ".pykubeadm-tmp-3")):
        (backups / name / "etc/kubernetes/pki").mkdir(parents=True)
        (backups / name / "etc/kubernetes/pki" / file).write_text("a key")
    renew("apiserver", {}, lambda _event: None, machine=LocalNode(str(tmp_path)), source=SOURCE)
    kept = sorted(path.name for path in backups.iterdir())
    assert kept[0] == "certs-20260101T000000Z"
    assert len(kept) == 2


def test_only_what_is_named_is_renewed() -> None:
    node = made()
    before = contents(node)
    run_on(node, name="etcd-peer")
    changed = {path for path, content in contents(node).items() if before.get(path) != content}
    assert {path for path in changed if path.startswith("/etc")} == {f"{PKI}/etcd/peer.crt", f"{PKI}/etcd/peer.key"}


class PowerCutError(Exception):
    pass


class FailingNode(FakeNode):
    """Loses power after a number of files, also in the middle of a batch."""

    left = 0

    def write(self, files):
        for file in files:
            if self.left == 0:
                raise PowerCutError
            self.left -= 1
            super().write([file])
        return tuple(file.path for file in files)


def test_killed_at_any_file_and_run_again_all_is_right() -> None:
    template, only = made(), ("apiserver", "etcd-server", "admin.conf")  # of each kind one
    cut = 0
    while True:
        node = FailingNode(files=dict(template.files))
        node.left = cut
        try:
            run_on(node, only=only)
        except PowerCutError:
            cut += 1
        else:
            break
        node.left = 10_000
        run_on(node, now=LATER + timedelta(minutes=1), only=only)
        for leaf in LEAVES:
            if leaf.name in only and not leaf.name.endswith(".conf"):
                certificate = load_certificates(contents(node)[f"{PKI}/{leaf.spec.base}.crt"])[0]
                assert is_for_key(certificate, load_private_key(contents(node)[f"{PKI}/{leaf.spec.base}.key"])), (cut, leaf.name)
                assert certificate.not_valid_after_utc > NOW + timedelta(days=500)
    assert cut >= 2 * 5  # the copies, and the files


def test_nothing_is_changed_where_one_of_them_cannot_be_renewed() -> None:
    node = made()
    node.put(f"{PKI}/front-proxy-client.crt", "garbage")
    before = contents(node)
    with pytest.raises(PhaseError, match=r"front-proxy-client.crt holds no certificate in PEM form"):
        run_on(node)
    assert {path: content for path, content in contents(node).items() if path.startswith("/etc")} == {
        path: content for path, content in before.items() if path.startswith("/etc")
    }


def test_only_the_newest_backups_are_kept() -> None:
    node = made()
    for day in range(7):
        run_on(node, now=LATER + timedelta(days=day), name="apiserver")
    kept = node.list_dir("/var/lib/pykubeadm/backup")
    assert len(kept) == 5
    assert kept[-1] == f"certs-{LATER + timedelta(days=6):%Y%m%d}T050607Z"


class Runtime:
    """crictl of a node on which a stopped container is started again at once. `running` are the component's names."""

    def __init__(self, node: FakeNode, *running: str) -> None:
        self.created = dict.fromkeys(running, int(NOW.timestamp()) * 10**9)
        self.stopped: list[str] = []
        node.commands["crictl"] = self.answer

    def answer(self, command):
        argv = command.argv
        if "ps" in argv:
            entries = [
                {
                    "id": name,
                    "metadata": {"name": name},
                    "labels": {"io.kubernetes.pod.namespace": "kube-system"},
                    "state": "CONTAINER_RUNNING",
                    "createdAt": created,
                }
                for name, created in self.created.items()
            ]
            return completed(json.dumps({"containers": entries}))
        if "stop" in argv:
            self.stopped.append(argv[-1])
            self.created[argv[-1]] = 4_102_444_800 * 10**9  # whenever the test takes place
            return completed(argv[-1])
        return completed("", 1, "unknown")


def control_plane(*components: str) -> FakeNode:
    node = made()
    for component in components:
        pod = {"kind": "Pod", "spec": {"containers": [{"name": component, "command": [component]}]}}
        node.put(f"/etc/kubernetes/manifests/{component}.yaml", json.dumps(pod))
    node.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    return node


COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


Health = dict[str, list[str]]


def impatient() -> Configuration:
    config = configuration()
    timeouts = replace(config.this_node.timeouts, control_plane_component_health_check=timedelta())
    return replace(config, this_node=replace(config.this_node, timeouts=timeouts))


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> Health:
    """What is wrong at the health endpoints at each look, by port; all is well where nothing is left."""
    answers: Health = {}

    def look(endpoint: HealthEndpoint, _contexts: object) -> str:
        left = answers.get(endpoint.url.rpartition(":")[2].partition("/")[0])
        return left.pop(0) if left else ""

    monkeypatch.setattr("pykubeadm.node.health.look", look)
    return answers


@pytest.mark.usefixtures("healthy")
def test_what_keeps_its_certificate_in_memory_is_restarted_one_after_the_other() -> None:
    node = control_plane(*COMPONENTS)
    runtime = Runtime(node, *COMPONENTS)
    _, events = run_on(node)
    assert runtime.stopped == ["kube-controller-manager", "kube-scheduler"]
    assert outcomes(events)["restart"] == "changed"
    assert node.unit_actions == []
    runtime.stopped.clear()
    run_on(node, name="apiserver")
    assert runtime.stopped == []


def test_the_second_is_not_restarted_where_the_first_does_not_come_back(healthy: Health) -> None:
    node = control_plane(*COMPONENTS)
    runtime = Runtime(node, *COMPONENTS)
    healthy["10257"] = ["status 500"] * 100
    with pytest.raises(PhaseError, match="of waiting for kube-controller-manager"):
        run_on(node, configuration=impatient())
    assert runtime.stopped == ["kube-controller-manager"]


@pytest.mark.usefixtures("healthy")
def test_restarts_can_be_left_to_the_user() -> None:
    node = control_plane(*COMPONENTS)
    runtime = Runtime(node, *COMPONENTS)
    _, events = run_on(node, restart=False)
    assert runtime.stopped == []
    notes = [event.message for event in events if isinstance(event, Note)]
    assert notes == ["restart kube-controller-manager and kube-scheduler: they continue with their old certificates"]


@pytest.mark.usefixtures("healthy")
def test_without_crictl_the_user_is_warned() -> None:
    node = control_plane(*COMPONENTS)
    _, events = run_on(node)
    notes = [event.message for event in events if isinstance(event, Note)]
    assert [note.split(":")[0] for note in notes] == [
        f"{name} was not restarted and continues with its old certificate" for name in COMPONENTS[1:]
    ]


def expired_kubelet(node: FakeNode) -> None:
    """kubelet.conf leads to the pair that the kubelet renews, which has expired with all the rest."""
    document = node.text("/etc/kubernetes/kubelet.conf")
    user = yaml.safe_load(document)["users"][0]["user"]
    pair = base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
    node.put(CURRENT, pair, 0o600)
    lines = [line for line in document.splitlines() if "client-" not in line]
    lines += [f"    client-certificate: {CURRENT}", f"    client-key: {CURRENT}", ""]
    node.put("/etc/kubernetes/kubelet.conf", "\n".join(lines), 0o600)


def test_a_cluster_found_dead_is_repaired_the_kubelet_too(healthy: Health) -> None:
    node = control_plane(*COMPONENTS)
    Runtime(node, *COMPONENTS)
    expired_kubelet(node)
    healthy["6443"] = ["connection refused"] * 3
    later = NOW + timedelta(days=500)
    run, events = run_on(node, now=later)
    certificate = load_certificates(contents(node)[CURRENT])[0]
    assert certificate.subject.rfc4514_string() == "CN=system:node:cp1,O=system:nodes"
    assert certificate.not_valid_after_utc == later + timedelta(days=365)
    assert is_for_key(certificate, load_private_key(contents(node)[CURRENT]))
    assert node.unit_actions.count(("kubelet", "restarted")) == 1
    assert outcomes(events)["kubelet.conf"] == outcomes(events)["restart"] == "changed"
    assert run.was_down


def test_the_first_of_several_dead_control_planes_says_to_go_on_with_the_others(
    healthy: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pykubeadm.commands.certs.phases._UP_WITHIN", timedelta())
    node = control_plane(*COMPONENTS)
    runtime = Runtime(node, *COMPONENTS)
    healthy["6443"] = healthy["10257"] = healthy["10259"] = ["connection refused"] * 1000
    _, events = run_on(node, now=NOW + timedelta(days=500))
    warnings = [event.message for event in events if isinstance(event, Note) and event.level == "warning"]
    assert len(warnings) == 1
    assert "run the same command on the other control planes" in warnings[0]
    assert runtime.stopped == ["kube-controller-manager", "kube-scheduler"]


def test_a_healthy_kubelet_is_left_alone_and_renewed_where_it_is_named() -> None:
    node = made()
    before = node.text("/etc/kubernetes/kubelet.conf")
    _, events = run_on(node)
    assert node.text("/etc/kubernetes/kubelet.conf") == before
    assert outcomes(events)["kubelet.conf"] == "unchanged"
    run_on(node, name="kubelet.conf", kubelet="always")
    after = yaml.safe_load(node.text("/etc/kubernetes/kubelet.conf"))
    certificate = load_certificates(base64.b64decode(after["users"][0]["user"]["client-certificate-data"]))[0]
    assert certificate.not_valid_after_utc == LATER + timedelta(days=365)


def test_on_a_node_without_certificates_nothing_is_done() -> None:
    node = FakeNode()
    _, events = run_on(node)
    assert set(outcomes(events).values()) == {"unchanged"}
    assert not contents(node)


def test_on_a_worker_the_kubelet_s_certificate_cannot_be_signed() -> None:
    node = made()
    node.remove([f"{PKI}/ca.key"])
    with pytest.raises(PhaseError, match=r"on a worker remove /etc/kubernetes/kubelet.conf and join again"):
        run_on(node, name="kubelet.conf", kubelet="always")


def test_an_expired_self_signed_serving_certificate_is_removed_so_that_the_kubelet_makes_another() -> None:
    node = made()
    for ending in ("crt", "key"):
        node.put(f"/var/lib/kubelet/pki/kubelet.{ending}", node.text(f"{PKI}/apiserver.{ending}"))
    run_on(node, now=NOW + timedelta(days=300))
    assert node.stat("/var/lib/kubelet/pki/kubelet.crt") is not None
    run_on(node, now=NOW + timedelta(days=400))
    assert node.stat("/var/lib/kubelet/pki/kubelet.crt") is None
    assert node.stat("/var/lib/kubelet/pki/kubelet.key") is None
