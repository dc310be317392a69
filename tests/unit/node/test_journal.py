"""The journal knows our own files before they are there, survives being lost, and costs nothing when nothing changes."""

from __future__ import annotations

import json

import pytest

from pykubeadm.errors import NodeError, NotRootError, PhaseError
from pykubeadm.node.journal import PATH, Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Directory, File, Unit, UnitState
from tests.support.node import FakeNode


class FullDisk(FakeNode):
    """Takes the journal, nothing else."""

    def write(self, files: object) -> tuple[str, ...]:
        if any(getattr(file, "path", "") == "/etc/kubernetes/pki/ca.key" for file in files):  # type: ignore[attr-defined] # a sequence
            raise NodeError("no space left")
        return super().write(files)  # type: ignore[arg-type] # as above


class OrdinaryUser(FakeNode):
    """Has files of their own, and may not look at what is root's."""

    def read(self, path: str) -> bytes | None:
        if path == PATH:
            raise NotRootError("permission denied")
        return super().read(path)

    def write(self, files: object) -> tuple[str, ...]:
        if any(getattr(file, "path", "") == PATH for file in files):  # type: ignore[attr-defined] # a sequence
            raise NotRootError("permission denied")
        return super().write(files)  # type: ignore[arg-type] # as above


def test_an_ordinary_user_has_none() -> None:
    inner = OrdinaryUser()
    journal = Journal(inner)
    journal.begin("certs generate-csr", "now")
    JournaledNode(inner, journal).write([File("/home/jane/pki/apiserver.key", b"key", 0o600)])
    journal.finish("changed", "now")
    assert inner.text("/home/jane/pki/apiserver.key") == "key"
    assert list(inner.files) == ["/home/jane/pki/apiserver.key"]


def test_a_file_is_known_as_ours_before_it_is_written() -> None:
    inner = FullDisk()
    node = JournaledNode(inner, Journal(inner))
    with pytest.raises(NodeError):
        node.write([File("/etc/kubernetes/pki/ca.key", b"key", 0o600)])
    assert Journal(inner).owns("/etc/kubernetes/pki/ca.key")
    assert not Journal(inner).owns("/etc/kubernetes/pki/ca.crt")


def test_it_never_holds_what_the_files_hold() -> None:
    inner = FakeNode()
    JournaledNode(inner, Journal(inner)).write([File("/etc/kubernetes/pki/ca.key", b"very secret", 0o600, secret=True)])
    assert "very secret" not in inner.text(PATH)
    assert inner.stat(PATH).mode == 0o600  # type: ignore[union-attr] # it was just read


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"schema": "other/v9"}',
        "\x00\x7f",
        "[" * 100_000,
        '{"schema": "pykubeadm.journal/v1", "files": []}',
        '{"schema": "pykubeadm.journal/v1", "files": {"/a": 1}}',
        '{"schema": "pykubeadm.journal/v1", "units": {}}',
        '{"schema": "pykubeadm.journal/v1", "remade": [1]}',
        '{"schema": "pykubeadm.journal/v1", "directories": [null]}',
        '{"schema": "pykubeadm.journal/v1", "runs": [5]}',
    ],
)
def test_a_damaged_journal_costs_its_knowledge_and_is_kept(content: str) -> None:
    node = FakeNode()
    node.put(PATH, content)
    journal = Journal(node)
    assert journal.owned() == ()
    assert journal.last_run() is None
    assert "cannot be read" in journal.why_not()
    journal.will_start("kubelet")
    assert Journal(node).started_kubelet()
    assert node.text(journal.kept_as) == content


def test_removed_files_are_forgotten() -> None:
    inner = FakeNode()
    node = JournaledNode(inner, Journal(inner))
    node.write([File("/etc/kubernetes/admin.conf", b"x")])
    node.remove(["/etc/kubernetes/admin.conf"])
    assert not Journal(inner).owns("/etc/kubernetes/admin.conf")


@pytest.mark.parametrize("name", ["kubelet", "kubelet.service"])
def test_a_unit_is_ours_until_it_is_stopped_for_good(name: str) -> None:
    inner = FakeNode(units={"kubelet": UnitState("loaded", "inactive", "dead", "disabled")})
    node = JournaledNode(inner, Journal(inner))
    node.ensure_unit(Unit("kubelet"))
    node.ensure_unit(Unit(name, enabled=None, state="stopped"))
    assert Journal(inner).started_kubelet()
    node.ensure_unit(Unit(name, enabled=False, state="stopped"))
    assert not Journal(inner).started_kubelet()


def test_whatever_becomes_of_a_file_it_is_not_forgotten() -> None:
    inner = FakeNode()
    written = File("/etc/kubernetes/pki/ca.crt", b"our CA")
    JournaledNode(inner, Journal(inner)).write([written, File("/etc/kubernetes/manifests/etcd.yaml", b"pod", 0o600)])
    inner.put(written.path, "our CA\n")
    journal = Journal(inner)
    journal.begin("init", "2026-01-01T00:00:00+00:00")
    journal.finish("failed", "2026-01-01T00:00:01+00:00")
    assert not Journal(inner).is_as_written(written.path, b"our CA\n")
    assert Journal(inner).is_as_written(written.path, b"our CA")
    assert Journal(inner).owns("/etc/kubernetes/manifests/etcd.yaml")


def test_what_others_brought_is_used_where_it_fits_and_never_replaced() -> None:
    inner = FakeNode()
    inner.put("/var/lib/kubelet/config.yaml", "theirs")
    node = JournaledNode(inner, Journal(inner))
    with pytest.raises(PhaseError, match=r"/var/lib/kubelet/config\.yaml on this node is not what is to be written .* move away"):
        node.write([File("/etc/kubernetes/admin.conf", b"x"), File("/var/lib/kubelet/config.yaml", b"ours")])
    assert inner.text("/var/lib/kubelet/config.yaml") == "theirs"
    assert "/etc/kubernetes/admin.conf" not in inner.files
    node.write([File("/var/lib/kubelet/config.yaml", b"theirs")])
    node.write([File("/var/lib/kubelet/config.yaml", b"ours by now")])
    assert inner.text("/var/lib/kubelet/config.yaml") == "ours by now"


@pytest.mark.parametrize(
    ("runs", "command"),
    [
        ([], ""),
        ([("init", "failed"), ("init phase certs all", "changed")], ""),
        ([("init", "changed"), ("init phase certs all", "changed")], "init"),
        ([("init", "failed"), ("join", "changed"), ("init", "failed")], "join"),
    ],
)
def test_it_knows_what_the_node_became(runs: list[tuple[str, str]], command: str) -> None:
    node = FakeNode()
    journal = Journal(node)
    journal.will_start("kubelet")
    for name, outcome in runs:
        journal.begin(name, "2026-01-01T00:00:00+00:00")
        journal.finish(outcome, "2026-01-01T00:00:01+00:00")
    assert Journal(node).became_by() == command


@pytest.mark.parametrize(
    ("runs", "command"),
    [
        ([], ""),
        ([("init", "preflight", "failed")], ""),
        ([("init", "certs/ca", "running"), ("join", "preflight", "failed")], "init"),
        ([("join", "control-plane-prepare/download-certs", "running"), ("init", "preflight", "failed")], "join"),
        ([("upgrade apply", "kubelet", "changed"), ("init phase upload-certs", "upload-certs", "changed")], ""),
        ([("init", "", "changed"), ("certs renew all", "renew", "failed")], "init"),
    ],
)
def test_it_knows_what_was_begun(runs: list[tuple[str, str, str]], command: str) -> None:
    node = FakeNode()
    journal = Journal(node)
    journal.will_start("kubelet")
    for name, phase, outcome in runs:
        journal.begin(name, "2026-01-01T00:00:00+00:00")
        journal.phase(phase)
        journal.finish(outcome, "2026-01-01T00:00:01+00:00")
    assert Journal(node).begun_by() == command


def test_a_run_that_changed_nothing_leaves_no_journal() -> None:
    node = FakeNode()
    journal = Journal(node)
    journal.begin("init", "2026-01-01T00:00:00+00:00")
    journal.finish("failed", "2026-01-01T00:00:01+00:00")
    assert PATH not in node.files


def test_a_dry_run_leaves_no_journal() -> None:
    inner = FakeNode(dry_run=True)
    JournaledNode(inner, Journal(inner)).write([File("/etc/kubernetes/admin.conf", b"x")])
    assert PATH not in inner.files


def test_old_runs_are_dropped() -> None:
    node = FakeNode()
    journal = Journal(node)
    journal.will_start("kubelet")
    for number in range(30):
        journal.begin(f"init {number}", "2026-01-01T00:00:00+00:00")
        journal.finish("unchanged", "2026-01-01T00:00:01+00:00")
    runs = json.loads(node.text(PATH))["runs"]
    assert len(runs) == 20
    assert runs[-1]["command"] == "init 29"


def test_a_run_that_had_to_queue_knows_what_the_one_before_it_wrote() -> None:
    node = FakeNode()
    queued, first = Journal(node), Journal(node)
    first.begin("init", "2026-01-01T00:00:00+00:00")
    first.will_write([File("/etc/kubernetes/pki/ca.crt", b"certificate")])
    node.put("/etc/kubernetes/pki/ca.crt", "certificate")
    first.finish("failed", "2026-01-01T00:00:01+00:00")
    queued.begin("init", "2026-01-01T00:00:02+00:00")
    assert queued.owns("/etc/kubernetes/pki/ca.crt")
    queued.finish("unchanged", "2026-01-01T00:00:03+00:00")
    assert [run["outcome"] for run in json.loads(node.text(PATH))["runs"]] == ["failed", "unchanged"]


def test_directories_that_were_missing_are_ours() -> None:
    inner = FakeNode()
    inner.put("/etc/kubernetes/audit.yaml")
    node = JournaledNode(inner, Journal(inner))
    node.write([File("/etc/kubernetes/pki/etcd/ca.crt", b"CA"), Directory("/srv/data/etcd")])
    node.write([File("/etc/kubernetes/pki/ca.crt", b"CA")])
    made = ("/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/srv", "/srv/data", "/srv/data/etcd")
    assert Journal(inner).directories() == made


def test_a_journal_that_knows_no_directories_is_read() -> None:
    node = FakeNode()
    node.put(PATH, json.dumps({"schema": "pykubeadm.journal/v1", "files": {"/a": "x"}, "units": [], "runs": []}))
    assert (Journal(node).owned(), Journal(node).directories()) == (("/a",), ())


def test_a_journal_that_was_discarded_is_written_no_more() -> None:
    node = FakeNode()
    journal = Journal(node)
    journal.will_start("kubelet")
    node.remove([PATH])
    journal.discard()
    journal.begin("reset", "now")
    journal.finish("changed", "now")
    assert node.stat(PATH) is None
