"""Snapshots that are kept, listed, looked at and removed; what members say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from pykubeadm.cli.etcd import printed
from pykubeadm.cli.etcd_snapshot import status_document
from pykubeadm.commands.etcd import save
from pykubeadm.commands.etcd.kept import prune_store, status
from pykubeadm.commands.etcd.maintenance import defragment, disarm
from pykubeadm.commands.etcd.members import report_of
from pykubeadm.commands.etcd.place import decryption_of, encryption_of, store_of
from pykubeadm.commands.existing import Existing
from pykubeadm.errors import NodeError, PhaseError, UsageError
from pykubeadm.etcd.archive import read_archive
from pykubeadm.etcd.client import Alarm, ClusterUnhealthyError, EtcdError, EtcdUnreachableError, Member, Status
from pykubeadm.etcd.store import DirectoryStore
from pykubeadm.node.local import LocalNode
from pykubeadm.node.opened import open_file
from pykubeadm.output.forms import Form, form
from pykubeadm.phases.etcd import reach
from pykubeadm.workflow.events import Event, Note, Result
from tests.support.api import FakeApi
from tests.support.etcd_runs import CONFIG, STORE, ControlPlaneNode, FakeMember
from tests.support.init_runs import init_run
from tests.support.node import completed

URLS = [f"https://10.0.0.{number}:2379" for number in (1, 2, 3)]
MEMBERS = tuple(Member(number, f"cp{number}", (), (URLS[number - 1],)) for number in (1, 2, 3))


class Cluster(FakeMember):
    """Three members, of which the second leads."""

    def __init__(self, *, dead: Sequence[str] = (), agree: bool = True, alarms: Sequence[Alarm] = ()) -> None:
        super().__init__(ControlPlaneNode(), members=MEMBERS)
        self.endpoints = tuple(URLS)
        self.dead, self.agree, self.raised = dead, agree, list(alarms)
        self.defragmented = list[str]()

    def members(self, *, agreed: bool = True) -> tuple[Member, ...]:
        if agreed and not self.agree:
            raise ClusterUnhealthyError("etcdserver: no leader")
        return MEMBERS

    def status(self, endpoint: str) -> Status:
        if endpoint in self.dead:
            raise EtcdUnreachableError(f"etcd at {endpoint} cannot be reached: connection refused")
        number, errors = (
            URLS.index(endpoint) + 1,
            tuple(f"memberID:{alarm.member_id} alarm:{alarm.kind}" for alarm in self.raised),
        )
        size = 1 << 20 if endpoint in self.defragmented else 10 << 20
        return Status(
            number, "3.6.8", 2 if self.agree else 0, learner=False, errors=errors, db_size=size, db_in_use=1 << 20, revision=70
        )

    def alarms(self) -> tuple[Alarm, ...]:
        return tuple(self.raised)

    def disarm(self, alarm: Alarm) -> None:
        self.raised.remove(alarm)

    def defragment(self, endpoint: str) -> None:
        self.defragmented.append(endpoint)


# members


def text_of(etcd: Cluster) -> str:
    return printed(report_of(etcd), Form("text"))


def test_a_table_for_people() -> None:
    assert text_of(Cluster()).splitlines() == [
        "NAME   ID   HEALTH   ROLE       VERSION   SIZE       IN USE    REVISION   ALARMS",
        "cp1    1    ok       follower   3.6.8     10.0 MiB   1.0 MiB   70         -",
        "cp2    2    ok       leader     3.6.8     10.0 MiB   1.0 MiB   70         -",
        "cp3    3    ok       follower   3.6.8     10.0 MiB   1.0 MiB   70         -",
    ]


def test_who_does_not_answer_and_why() -> None:
    shown = text_of(Cluster(dead=URLS[2:]))
    assert "cp3    3    no       follower" in shown
    assert shown.endswith("cp3: etcd at https://10.0.0.3:2379 cannot be reached: connection refused\n")


def test_without_a_majority_they_are_as_one_knows_them() -> None:
    report = report_of(Cluster(dead=URLS[1:], agree=False))
    assert report.no_majority == "etcdserver: no leader"
    assert [each.problem[:10] for each in report.members] == ["it sees no", "etcd at ht", "etcd at ht"]


def test_a_document_for_programs() -> None:
    json = form("yaml", allow_missing=True, read=lambda _path: b"")
    document = yaml.safe_load(printed(report_of(Cluster(alarms=[Alarm(3, "NOSPACE")])), json))
    assert (document["kind"], document["apiVersion"]) == ("EtcdMembers", "pykubeadm.etcd/v1")
    assert document["members"][2] == {
        "name": "cp3",
        "id": "3",
        "peerURLs": [],
        "clientURLs": [URLS[2]],
        "healthy": False,
        "leader": False,
        "learner": False,
        "alarms": ["NOSPACE"],
        "problem": "memberID:3 alarm:NOSPACE",
        "version": "3.6.8",
        "dbSize": 10 << 20,
        "dbSizeInUse": 1 << 20,
        "revision": 70,
    }


# save


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> ControlPlaneNode:
    """A control plane with keys, an encryption configuration, and an etcd."""
    made = ControlPlaneNode()
    for path in ("ca.key", "sa.key", "etcd/ca.key"):
        made.put(f"/etc/kubernetes/pki/{path}", "a key")
    apiserver = {
        "spec": {"containers": [{"command": ["kube-apiserver", "--encryption-provider-config=/etc/kubernetes/enc.yaml"]}]}
    }
    made.put("/etc/kubernetes/manifests/kube-apiserver.yaml", yaml.safe_dump(apiserver))
    made.put("/etc/kubernetes/admin.conf", "a kubeconfig")
    made.put("/etc/kubernetes/enc.yaml", "kind: EncryptionConfiguration")
    found = Existing(made, init_run(made)[0].host, CONFIG, known=True, kubeconfig="/etc/kubernetes/admin.conf")
    api = FakeApi()
    stored = {"ClusterConfiguration": "kind: ClusterConfiguration\nkubernetesVersion: v1.36.2\n"}
    metadata = {"name": "kubeadm-config", "namespace": "kube-system"}
    api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": stored})
    monkeypatch.setattr(save, "existing", lambda *_arguments, **_options: found)
    monkeypatch.setattr(save, "connect", lambda _node, _path, _warn: api)
    monkeypatch.setattr(save, "reach", lambda _node, _configuration: reach.Reached(FakeMember(made), ("https://10.0.0.9:2379",)))
    return made


def run(**options: object) -> tuple[Result, list[Event]]:
    events: list[Event] = []
    save.save(options, events.append, machine=ControlPlaneNode())
    (result,) = [event for event in events if isinstance(event, Result)]
    return result, events


def test_an_archive_has_what_a_cluster_cannot_be_brought_back_without(node: ControlPlaneNode) -> None:
    result, events = run()
    file = open_file(node, result.data["place"])
    assert file is not None
    archive = read_archive(file)
    assert sorted(archive.files) == [
        "files/etc/kubernetes/enc.yaml",
        "files/etc/kubernetes/pki/ca.crt",
        "files/etc/kubernetes/pki/ca.key",
        "files/etc/kubernetes/pki/etcd/ca.key",
        "files/etc/kubernetes/pki/sa.key",
        "kubeadm-config.yaml",
    ]
    assert archive.files["kubeadm-config.yaml"].startswith(b"kind: ClusterConfiguration")
    assert archive.origin is not None
    assert (archive.origin.node, archive.origin.revision, archive.contents.revision) == ("cp1", 50, 51)
    assert [event for event in events if isinstance(event, Note)] == []
    directory, stat = node.stat(STORE), node.stat(result.data["place"])
    assert directory is not None
    assert stat is not None
    assert (directory.mode, stat.mode) == (0o700, 0o600)
    assert status_document(archive)["files"] == sorted(archive.files)


def test_a_missing_encryption_configuration_is_said(node: ControlPlaneNode) -> None:
    node.remove(["/etc/kubernetes/enc.yaml"])
    _result, events = run()
    (note,) = [event for event in events if isinstance(event, Note)]
    assert note.message.startswith("/etc/kubernetes/enc.yaml, which the API server encrypts with, does not exist")


def test_what_is_too_large_to_be_a_key_is_left_out_and_the_archive_is_good(node: ControlPlaneNode) -> None:
    node.put("/etc/kubernetes/pki/old.tgz", bytes((16 << 20) + 1))
    node.put("/etc/kubernetes/pki/largest.tgz", bytes(16 << 20))
    result, events = run()
    file = open_file(node, result.data["place"])
    assert file is not None
    names = read_archive(file).files
    assert "files/etc/kubernetes/pki/largest.tgz" in names
    assert "files/etc/kubernetes/pki/old.tgz" not in names
    assert [event.message for event in events if isinstance(event, Note)] == [
        "the archive is without /etc/kubernetes/pki/old.tgz: it has more than 16 MiB, which no key or certificate has"
    ]


def test_links_below_the_certificates_lead_to_files_and_directories(node: ControlPlaneNode) -> None:
    node.put("/srv/v1/ca.key", "a key elsewhere")
    node.put("/srv/v1/old/ca.key", "too deep")
    node.links |= {
        "/etc/kubernetes/pki/current": "/srv/v1",
        "/etc/kubernetes/pki/linked.key": "/srv/v1/ca.key",
        "/etc/kubernetes/pki/gone.key": "/srv/none",
        "/etc/kubernetes/pki/self": ".",
    }
    result, _events = run()
    file = open_file(node, result.data["place"])
    assert file is not None
    files = read_archive(file).files
    found = {name.removeprefix("files/etc/kubernetes/pki/") for name in files if "pki" in name}
    assert found == {
        "ca.crt",
        "ca.key",
        "sa.key",
        "etcd/ca.key",
        "current/ca.key",
        "linked.key",
        "self/ca.crt",
        "self/ca.key",
    } | {
        "self/sa.key",
        "self/linked.key",
    }
    assert files["files/etc/kubernetes/pki/current/ca.key"] == b"a key elsewhere"


def test_without_a_kubeconfig_the_rest_is_kept(node: ControlPlaneNode) -> None:
    node.remove(["/etc/kubernetes/admin.conf"])
    _result, events = run()
    assert [event.message for event in events if isinstance(event, Note)] == [
        "the archive is without the cluster's configuration: /etc/kubernetes/admin.conf does not exist"
    ]


def test_who_may_only_write_to_a_store_can_save(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bucket, with PutObject alone: nobody can delete or read archives with these credentials."""

    def kept(_store: DirectoryStore) -> None:
        raise NodeError("cannot list: AccessDenied")

    monkeypatch.setattr(DirectoryStore, "kept", kept)
    result, _events = run()
    assert result.data["size"] == str(len(node.read(result.data["place"]) or b""))


def test_so_many_are_kept(node: ControlPlaneNode) -> None:
    names = [f"{STORE}/etcd-2020010{day}T000000.000Z-cp1.tar" for day in (1, 2, 3)]
    for name in (*names, f"{STORE}/by-hand.db"):
        node.put(name, "old")
    result, events = run(keep=2)
    assert node.list_dir(STORE) == ("by-hand.db", names[2].rpartition("/")[2], result.data["place"].rpartition("/")[2])
    assert [event.message for event in events if isinstance(event, Note)] == [f"removed {names[1]}", f"removed {names[0]}"]


def test_without_space_nothing_is_kept(node: ControlPlaneNode) -> None:
    node.commands["df"] = completed("Avail\n10\n")
    with pytest.raises(NodeError, match=r"only 0 MiB are free in /var/lib/pykubeadm/snapshots.*give another --store"):
        run()
    assert node.list_dir(STORE) == ()


def test_a_store_that_is_no_place_is_refused(node: ControlPlaneNode) -> None:
    with pytest.raises(UsageError, match="neither a directory nor a place in a bucket"):
        store_of(node, "ftp://x/y")
    for url in ("s3://", "s3://b/cp1", "s3://Backups/cp1"):
        with pytest.raises(UsageError, match=rf"{url} is not s3://BUCKET/PREFIX, where BUCKET has 3 to 63 lower-case letters"):
            store_of(node, url)
    for keys, sentence in (
        ("s3://AKIA:sec/ret@backups/cp1", r"--store: s3://backups/cp1 takes no keys before it; they are found as by any"),
        ("https://me:sec/ret@s3.example.com/b", r"--store: https://s3.example.com/b is neither"),
    ):
        with pytest.raises(UsageError, match=rf"^{sentence}"):
            store_of(node, keys)
    for unset in ("", " "):  # a variable of a script
        with pytest.raises(UsageError, match=r"--store: is empty; give a directory or s3://BUCKET/PREFIX"):
            store_of(node, unset)


def test_a_passphrase_is_the_first_line_of_a_file(node: ControlPlaneNode) -> None:
    node.put("/root/words", "correct horse\nsecond line\n")
    assert encryption_of({"passphrase_file": "/root/words"}, node).passphrase == "correct horse"
    node.put("/root/bom", b"\xef\xbb\xbfcorrect horse\r\n")
    assert encryption_of({"passphrase_file": "/root/bom"}, node).passphrase == "correct horse"
    node.put("/root/bare", b"\xef\xbb\xbf\n")
    node.put("/root/empty", "")
    node.put("/root/newline", "\n")
    node.put("/root/second", "\nsecret\n")
    node.put("/root/blank", "  \nsecret\n")
    for options, said in (
        ({"passphrase_file": "/root/newline"}, "the first line of /root/newline is empty"),
        ({"passphrase_file": "/root/second"}, "the first line of /root/second is empty"),
        ({"passphrase_file": "/root/blank"}, "the first line of /root/blank is empty"),
        ({"passphrase_file": "/root/bare"}, "the first line of /root/bare is empty"),
        ({"passphrase_file": "/root/none"}, "/root/none does not exist"),
        ({"passphrase_file": "correct horse"}, "^--passphrase-file: there is no such file; what was given is not repeated"),
        ({"passphrase_file": ""}, "--passphrase-file: is empty; give the path of a file"),
        ({"passphrase_file": "/root/empty"}, "the first line of /root/empty is empty"),
        ({"passphrase_file": "/root/words", "encrypt_to": ("age1",)}, "exclude each other"),
    ):
        with pytest.raises(UsageError, match=said):
            encryption_of(options, node)


def test_a_private_key_in_the_place_of_its_file_is_not_repeated(node: ControlPlaneNode) -> None:
    with pytest.raises(UsageError, match=r"^--identity: there is no such file; what was given is not repeated, as it may be the"):
        decryption_of({"identity": "AGE-SECRET-KEY-1ABC"}, node)


@pytest.mark.parametrize("unset", ["", " "])
def test_a_snapshot_without_a_name_is_not_the_current_directory(node: ControlPlaneNode, unset: str) -> None:
    with pytest.raises(UsageError, match="the name of the snapshot is empty"):
        status(unset, {}, machine=node)


def test_old_ones_are_removed_by_their_names_alone(node: ControlPlaneNode) -> None:
    store = DirectoryStore(node, "/srv")
    for name in ("etcd-20260101T000000.000Z-cp2.tar.age", "etcd-20260102T000000.000Z-cp1.tar", "etcd.tar"):
        node.put(f"/srv/{name}", "x")
    assert prune_store(store, 1) == ["etcd-20260101T000000.000Z-cp2.tar.age"]
    assert [each.size for each in store.kept()] == [1]


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """What another node, or another save of this one, is writing now stays."""
    parts = {
        ".etcd-20260101T000000.000Z-cp1.tar.part": False,
        ".etcd-20260102T050000.123Z-cp1.tar.age.part": False,
        ".etcd-20260102T110000.000Z-cp1.tar.part": True,
        ".etcd-20260101T000000.000Z-cp2.tar.part": True,
        ".etcd-20260101T000000.000Z-other-cp1.tar.part": True,
        ".notes.part": True,
        "etcd-20260101T000000.000Z-cp1.tar": True,
    }
    for name in parts:
        (tmp_path / name).write_bytes(b"keys")
    new = "etcd-20260102T120000.000Z-cp1.tar"
    DirectoryStore(LocalNode(), str(tmp_path)).save(new, [b"x"])
    assert {path.name for path in tmp_path.iterdir()} == {new, *(name for name, stays in parts.items() if stays)}


# where a snapshot is taken


def test_this_nodes_member_is_asked_where_it_is_healthy() -> None:
    assert reach.healthiest(reach.Reached(Cluster(), (URLS[1],)))[0] == URLS[1]
    assert reach.healthiest(reach.Reached(Cluster(dead=[URLS[1]]), (URLS[1],)))[0] == URLS[0]


def test_no_member_is_good_enough_without_a_leader() -> None:
    with pytest.raises(
        EtcdError, match=r"10\.0\.0\.1:2379 is not healthy: it sees no leader; .*10\.0\.0\.3:2379 cannot be reached"
    ):
        reach.healthiest(reach.Reached(Cluster(dead=URLS[2:], agree=False)))


def test_a_node_without_a_member_knows_no_etcd(node: ControlPlaneNode) -> None:
    node.remove(["/etc/kubernetes/manifests/etcd.yaml"])
    with pytest.raises(PhaseError, match="run this on a control plane that has one"):
        reach.reach(node, CONFIG)


def test_a_manifest_that_cannot_be_read_is_said_with_its_line(node: ControlPlaneNode) -> None:
    node.put("/etc/kubernetes/manifests/etcd.yaml", "spec:\n  a: [\n")
    with pytest.raises(PhaseError, match=r"/etc/kubernetes/manifests/etcd.yaml .*line 3"):
        reach.reach(node, CONFIG)


# defrag, alarm disarm


@pytest.fixture
def maintained(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster(alarms=[Alarm(3, "NOSPACE")])
    module = "pykubeadm.commands.etcd.maintenance"
    found = Existing(node, init_run(node)[0].host, CONFIG, known=True, kubeconfig="")
    monkeypatch.setattr(f"{module}.existing", lambda *_arguments, **_options: found)
    monkeypatch.setattr(f"{module}.reach", lambda _node, _configuration: reach.Reached(cluster))
    return cluster


def test_the_leader_is_defragmented_last(maintained: Cluster, node: ControlPlaneNode) -> None:
    events: list[Event] = []
    defragment({}, events.append, machine=node)
    assert maintained.defragmented == [URLS[0], URLS[2], URLS[1]]
    assert [event.text for event in events if isinstance(event, Result)] == ["3 members defragmented, 27.0 MiB freed"]


def test_none_is_defragmented_while_another_is_away(maintained: Cluster, node: ControlPlaneNode) -> None:
    maintained.dead = URLS[2:]
    with pytest.raises(PhaseError, match="etcd is not defragmented, as members are not healthy: member cp3"):
        defragment({}, lambda _event: None, machine=node)
    assert maintained.defragmented == []


def test_every_alarm_is_taken_back(maintained: Cluster, node: ControlPlaneNode) -> None:
    events: list[Event] = []
    disarm({}, events.append, machine=node)
    assert maintained.raised == []
    assert [event.message for event in events if isinstance(event, Note)] == ["took back NOSPACE of cp3"]
    disarm({}, events.append, machine=node)
    assert isinstance(events[-1], Result)
    assert events[-1].text == "no alarm was raised"
