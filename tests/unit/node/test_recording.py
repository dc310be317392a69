from __future__ import annotations

import os
import stat

import pytest

from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Completed, Directory, File, Unit, UnitState
from pykubeadm.node.recording import CommandRun, FileChange, RecordingNode, Removal, UnitChange, render, save
from tests.support.node import FakeNode, completed

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def inner():
    node = FakeNode()
    node.put("/etc/old", "one\ntwo\nthree\n")
    node.put("/var/tree/a/b", "deep")
    node.commands["kubelet --version"] = completed("Kubernetes v1.36.2\n")
    return node


@pytest.fixture
def node(inner):
    return RecordingNode(inner)


def test_nothing_reaches_the_inner_node(inner, node):
    before = dict(inner.files)
    node.write([File("/etc/new", b"1"), Directory("/etc/dir"), File("/etc/old", b"2")])
    node.remove(["/var/tree"])
    node.run(Command(("rm", "-rf", "/"), "break it"))
    node.ensure_unit(Unit("kubelet"))
    assert inner.files == before
    assert inner.ran == []
    assert inner.unit_actions == []
    assert node.dry_run


def test_reads_see_what_was_recorded(node):
    node.write([File("/etc/kubernetes/pki/ca.crt", b"cert", 0o640), File("/etc/old", b"2"), Directory("/etc/dir", 0o700)])
    assert node.read("/etc/kubernetes/pki/ca.crt") == b"cert"
    assert node.read("/etc/old") == b"2"
    assert node.stat("/etc/kubernetes/pki/ca.crt").mode == 0o640
    assert node.stat("/etc/kubernetes").kind == "directory"
    assert node.list_dir("/etc") == ("dir", "kubernetes", "old")
    assert node.list_dir("/etc/kubernetes") == ("pki",)


def test_removed_trees_are_gone_and_stay_gone_when_their_directory_returns(node):
    assert node.remove(["/var/tree", "/none"]) == ("/var/tree",)
    assert node.read("/var/tree/a/b") is None
    assert node.stat("/var/tree/a") is None
    assert node.list_dir("/var") == ()
    node.write([File("/var/tree/new", b"")])
    assert node.list_dir("/var/tree") == ("new",)
    assert node.read("/var/tree/a/b") is None


def test_what_is_up_to_date_is_not_recorded(node):
    assert node.write([File("/etc/old", b"one\ntwo\nthree\n")]) == ()
    assert node.write([File("/etc/new", b"x"), File("/etc/new", b"x")]) == ("/etc/new",)
    assert len(node.entries) == 1


def test_look_ups_run_and_changes_do_not(inner, node):
    look = Command.look_up(("kubelet", "--version"), "ask for the kubelet's version")
    assert node.run(look).stdout == "Kubernetes v1.36.2\n"
    assert node.run(Command(("systemctl", "daemon-reload"))) == Completed(0)
    assert inner.ran == [look]


def test_entries_carry_their_phase(inner, node):
    node.phase = "certs/ca"
    node.write([File("/ca.key", KEY, 0o600, secret=True)])
    node.phase = "kubelet-start"
    node.remove(["/etc/old"])
    node.run(Command(("modprobe", "overlay"), "load a module"))
    inner.units["kubelet"] = UnitState("loaded", "active", "running", "disabled")
    assert node.ensure_unit(Unit("kubelet", state="restarted")) == ("enabled", "restarted")
    assert node.entries == [
        FileChange("certs/ca", "/ca.key", 0o600, None, KEY, secret=True),
        Removal("kubelet-start", "/etc/old"),
        CommandRun("kubelet-start", Command(("modprobe", "overlay"), "load a module")),
        UnitChange("kubelet-start", "kubelet.service", ("enabled", "restarted")),
    ]


def test_the_plan_reads_well(node):
    node.phase = "certs/ca"
    node.write([File("/pki/ca.key", KEY, 0o600, secret=True), File("/pki/ca.crt", b"cert\n")])
    node.phase = "kubelet-start"
    node.write([Directory("/var/lib/kubelet", 0o700), File("/etc/old", b"one\n2\nthree\n")])
    node.remove(["/var/tree"])
    node.run(Command(("modprobe", "overlay"), "load a module"))
    node.ensure_unit(Unit("kubelet"))
    node.phase = "cleanup-node"
    node.ensure_unit(Unit("kubelet", enabled=False, state="stopped"))
    assert render(node.entries) == (
        "[certs/ca]\n"
        f"  create /pki/ca.key (mode 0600, {len(KEY)} bytes, secret: not shown)\n"
        "  create /pki/ca.crt (mode 0644, 5 bytes)\n"
        "    | cert\n"
        "\n"
        "[kubelet-start]\n"
        "  directory /var/lib/kubelet (mode 0700)\n"
        "  change /etc/old (mode 0644, 12 bytes)\n"
        "    @@ -1,3 +1,3 @@\n"
        "     one\n"
        "    -two\n"
        "    +2\n"
        "     three\n"
        "  remove /var/tree\n"
        "  run modprobe overlay  (load a module)\n"
        "  systemd unit kubelet.service: enabled, started\n"
        "\n"
        "[cleanup-node]\n"
        "  systemd unit kubelet.service: disabled, stopped\n"
    )
    assert render([]) == "nothing would be changed\n"


def test_what_a_command_reads_is_not_shown(node):
    node.run(Command(("etcdctl", "user", "passwd"), "set a password", stdin=b"very secret", env={"WORD": "hidden"}))
    for shown in (render(node.entries), repr(node.entries)):
        assert "etcdctl" in shown
        assert "very secret" not in shown
        assert "hidden" not in shown


def test_a_unit_is_as_recorded(inner, node):
    inner.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    assert node.ensure_unit(Unit("kubelet", enabled=None, state="stopped")) == ("stopped",)
    assert node.unit("kubelet") == UnitState("loaded", "inactive", "dead", "enabled")
    assert inner.units["kubelet"].active == "active"


@pytest.mark.parametrize("content", [KEY, b"users:\n- user:\n    client-key-data: TFMw\n", b"token: abcdef.0123456789abcdef\n"])
def test_secrets_are_masked_even_where_nobody_called_them_so(node, content):
    node.write([File("/x", content)])
    assert "not shown" in render(node.entries)
    assert content.decode().split()[-1] not in render(node.entries)


def test_binary_content_and_mode_changes_are_reported_without_content(node):
    node.write([File("/bin", b"\xff\x00"), File("/etc/old", b"one\ntwo\nthree\n", 0o600)])
    assert render(node.entries) == (
        "create /bin (mode 0644, 2 bytes)\n  (not text)\nkeep the content of /etc/old (mode 0600, 14 bytes)\n"
    )


def test_saved_files_lie_at_their_paths_in_a_directory_for_root_only(node, tmp_path):
    node.write([File("/pki/ca.key", KEY, 0o600, secret=True), File("/a", b"1"), File("/a", b"2"), File("/gone/f", b"")])
    node.remove(["/gone"])
    kept = tmp_path / "dry" / "run"
    assert sorted(save(node.entries, str(kept))) == ["/a", "/pki/ca.key"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert (kept / "pki" / "ca.key").read_bytes() == KEY
    assert stat.S_IMODE((kept / "pki" / "ca.key").stat().st_mode) == 0o600
    assert (kept / "a").read_text() == "2"
    assert not (kept / "gone").exists()


def test_records_over_a_real_tree(tmp_path):
    tree = LocalNode(str(tmp_path))
    tree.write([File("/etc/f", b"old")])
    node = RecordingNode(tree)
    node.write([File("/etc/f", b"new"), File("/etc/g", b"new")])
    assert os.listdir(tmp_path / "etc") == ["f"]
    assert node.list_dir("/etc") == ("f", "g")
    assert node.write([File("/etc/f", b"new")]) == ()
