from __future__ import annotations

import errno
import os
import pathlib
import stat
import subprocess
import sys

import pytest

import pykubeadm
from pykubeadm.errors import NodeError
from pykubeadm.node import files
from pykubeadm.node.port import Directory, File, FileStat


@pytest.fixture
def root(tmp_path):
    return str(tmp_path)


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_files_get_their_content_and_mode_whatever_the_umask(root):
    old = os.umask(0o077)
    try:
        changed = files.replace(root, [Directory("/a/b", 0o711), File("/a/b/c", b"text", 0o644), File("/x/y/z", b"", 0o600)])
    finally:
        os.umask(old)
    assert changed == ("/a/b", "/a/b/c", "/x/y/z")
    assert files.read(root, "/a/b/c") == b"text"
    assert [mode(root + path) for path in ("/a/b", "/a/b/c", "/x", "/x/y", "/x/y/z")] == [0o711, 0o644, 0o755, 0o755, 0o600]


def test_a_file_that_is_replaced_keeps_its_selinux_label(root, monkeypatch):
    """/etc/passwd has another than new files in /etc."""
    labels: dict[int, bytes] = {}

    def inode(file):
        return os.stat(file).st_ino

    def label(file, name):
        assert name == "security.selinux"
        if inode(file) not in labels:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return labels[inode(file)]

    monkeypatch.setattr(os, "getxattr", label)
    monkeypatch.setattr(os, "setxattr", lambda file, _name, value: labels.update({inode(file): value}))
    files.replace(root, [File("/etc/passwd", b"1")])
    assert labels == {}
    labels[inode(f"{root}/etc/passwd")] = b"passwd_file_t"
    files.replace(root, [File("/etc/passwd", b"2"), File("/etc/other", b"")])
    assert labels.get(inode(f"{root}/etc/passwd")) == b"passwd_file_t"
    assert inode(f"{root}/etc/other") not in labels


def test_new_content_is_never_open_to_others_before_its_mode_is_set(root, monkeypatch):
    real, modes = os.open, []

    def noted(path, flags, mode=0o777, **options):
        if flags & os.O_CREAT:
            modes.append(mode)
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", noted)
    files.replace(root, [File("/key", b"secret", 0o600, secret=True), File("/crt", b"", 0o644)])
    assert modes == [0o600, 0o600]


def test_what_is_up_to_date_is_left_alone(root):
    wanted = [Directory("/d", 0o700), File("/d/f", b"same", 0o600)]
    files.replace(root, wanted)
    before = os.stat(f"{root}/d/f")
    assert files.replace(root, wanted) == ()
    after = os.stat(f"{root}/d/f")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("wanted", [File("/f", b"same", 0o600), File("/f", b"else", 0o644), File("/f", b"longer", 0o644)])
def test_another_mode_or_content_is_a_change(root, wanted):
    files.replace(root, [File("/f", b"same", 0o644)])
    assert files.replace(root, [wanted]) == ("/f",)
    assert (files.read(root, "/f"), mode(f"{root}/f")) == (wanted.content, wanted.mode)


def test_a_file_named_twice_gets_its_last_content(root):
    assert files.replace(root, [File("/f", b"one"), File("/f", b"two")]) == ("/f",)
    assert files.read(root, "/f") == b"two"
    assert files.entries(root, "/") == ("f",)


def test_left_overs_of_a_killed_run_are_cleaned_up_by_the_next_write(root):
    files.replace(root, [File("/d/f", b"")])
    pathlib.Path(root, "d", f"{files._TEMPORARY}7").write_text("half a ke")
    files.replace(root, [File("/d/f", b"")])
    assert files.entries(root, "/d") == ("f",)


def test_a_process_killed_at_any_system_call_leaves_whole_files_in_order(tmp_path):
    script = pathlib.Path(__file__).with_name("killed_writes.py")
    source = pathlib.Path(pykubeadm.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, script, tmp_path],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert int(ended.stdout) > 60


def test_an_error_before_the_first_rename_changes_nothing(root, monkeypatch):
    files.replace(root, [File("/d/a", b"old"), File("/d/b", b"old")])
    real = os.write
    calls = []

    def full_disk(descriptor, data):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full_disk)
    with pytest.raises(NodeError, match=r"cannot write /d/b: no space is left on its file system; free some"):
        files.replace(root, [File("/d/a", b"new"), File("/d/b", b"new")])
    assert files.entries(root, "/d") == ("a", "b")
    assert files.read(root, "/d/a") == b"old"


def test_content_is_synced_before_any_name_and_directories_where_the_batch_leaves_them(root, monkeypatch):
    log = []
    rename, fsync = os.rename, os.fsync

    def noted_fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        log.append("sync " + ("content" if files._TEMPORARY in path else path.removeprefix(root)))
        fsync(descriptor)

    def noted_rename(source, target):
        log.append(f"name {target.removeprefix(root)}")
        rename(source, target)

    os.makedirs(f"{root}/p/e")
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    files.replace(root, [File(path, b"x") for path in ("/p/k", "/p/c", "/p/e/k", "/p/d")])
    names = ["name /p/k", "name /p/c", "sync /p", "name /p/e/k", "sync /p/e", "name /p/d", "sync /p"]
    assert log == ["sync content"] * 4 + names


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EROFS, "mounted read-only"),
        (errno.EACCES, "run this as root"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "dmesg"),
        (errno.EXDEV, "cross-device"),
    ],
)
def test_every_refusal_is_a_sentence_with_the_path(root, monkeypatch, number, sentence):
    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(NodeError, match=rf"cannot write /d/f: .*{sentence}"):
        files.replace(root, [File("/d/f", b"")])
    assert files.entries(root, "/d") == ()


def test_a_directory_in_the_place_of_a_file_and_the_other_way_round_are_refused(root):
    files.replace(root, [Directory("/d"), File("/f", b"")])
    with pytest.raises(NodeError, match="cannot write /d: it is a directory"):
        files.replace(root, [File("/d", b"")])
    with pytest.raises(NodeError, match="cannot write /f: a part of the path is a file"):
        files.replace(root, [Directory("/f")])
    with pytest.raises(NodeError, match="cannot write /f/g: a part of the path is a file"):
        files.replace(root, [File("/f/g", b"")])
    with pytest.raises(NodeError, match=r"cannot read /d: it is a directory, not a file$"):  # perhaps one that the user named
        files.read(root, "/d")


def test_only_regular_files_are_replaced(root):
    os.mkfifo(f"{root}/fifo")
    with pytest.raises(NodeError, match="neither a file nor missing"):
        files.replace(root, [File("/fifo", b"")])


def test_a_named_pipe_is_not_waited_for(root):
    os.mkfifo(f"{root}/fifo")
    with pytest.raises(NodeError, match="cannot read /fifo: it is a named pipe"):
        files.read(root, "/fifo")


def test_links_stay_below_the_root(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    os.symlink(outside, f"{root}/absolute")
    os.symlink("../../../../../../../etc", f"{root}/upwards")
    files.replace(root, [File("/absolute/f", b"1"), File("/upwards/g", b"2"), File("/../../h", b"3")])
    assert os.listdir(outside) == []
    assert files.read(root, f"{outside}/f") == b"1"  # the same text, taken below the root
    assert files.read(root, "/etc/g") == b"2"
    assert files.read(root, "/h") == b"3"


def test_a_link_is_written_through_and_kept(root):
    files.replace(root, [File("/real/f", b"old")])
    os.symlink("real", f"{root}/kubernetes")
    os.symlink("/real/f", f"{root}/link")
    assert files.replace(root, [File("/kubernetes/f", b"new"), File("/link", b"new")]) == ("/kubernetes/f", "/link")
    assert os.path.islink(f"{root}/link")
    assert files.read(root, "/real/f") == b"new"
    stat_of_link = files.status(root, "/link")
    assert stat_of_link is not None
    assert stat_of_link.kind == "link"


def test_links_in_a_circle_are_refused(root):
    os.symlink("b", f"{root}/a")
    os.symlink("a", f"{root}/b")
    with pytest.raises(NodeError, match="lead in a circle"):
        files.read(root, "/a")


def test_what_is_not_there_is_no_error_to_look_at(root):
    files.replace(root, [File("/f", b"12345", 0o640)])
    assert files.status(root, "/f") == FileStat("file", 0o640, os.geteuid(), os.getegid())
    assert files.status(root, "/none") is None
    assert files.status(root, "/f/below") is None
    assert files.read(root, "/none/none") is None
    assert files.entries(root, "/none") == ()


def test_a_relative_path_is_refused(root):
    with pytest.raises(NodeError, match="not absolute"):
        files.read(root, "etc/passwd")


def test_remove_takes_files_links_and_trees_and_tells_what_was_there(root):
    files.replace(root, [File("/d/e/f", b""), File("/keep", b"")])
    os.symlink("keep", f"{root}/link")
    assert files.remove(root, ["/d", "/link", "/none", "/none/none"]) == ("/d", "/link")
    assert files.entries(root, "/") == ("keep",)
    assert files.remove(root, ["/d"]) == ()


def test_remove_refuses_the_root_and_what_has_a_mount_below(root, monkeypatch):
    files.replace(root, [File("/d/volume/data", b"precious")])
    with pytest.raises(NodeError, match="refusing to remove /"):
        files.remove(root, ["/"])
    monkeypatch.setattr(files, "_mount_points", lambda: iter(["/", f"{root}/d/volume"]))
    with pytest.raises(NodeError, match=r"cannot remove /d: .*/d/volume is mounted below it; unmount"):
        files.remove(root, ["/d"])
    assert files.read(root, "/d/volume/data") == b"precious"


def test_a_mount_point_is_emptied_and_stays(root, monkeypatch):
    files.replace(root, [File("/etcd/member/wal", b"")])

    def busy(_path):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "rmdir", busy)
    monkeypatch.setattr(files.shutil, "rmtree", lambda path: subprocess.run(["rm", "-r", path], check=True))
    assert files.remove(root, ["/etcd"]) == ("/etcd",)
    assert files.entries(root, "/etcd") == ()


def test_other_users_own_files_serve_for_roots_where_we_are_not_root(root, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "fchown", lambda *_arguments: pytest.fail("chown by an ordinary user"))
    files.replace(root, [Directory("/d", 0o700), File("/d/f", b"", 0o600)])
    assert files.replace(root, [Directory("/d", 0o700), File("/d/f", b"", 0o600)]) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_set(root):
    files.replace(root, [Directory("/d", uid=12, gid=34), File("/d/f", b"", uid=56, gid=78)])
    assert [(found.st_uid, found.st_gid) for found in (os.stat(f"{root}/d"), os.stat(f"{root}/d/f"))] == [(12, 34), (56, 78)]
