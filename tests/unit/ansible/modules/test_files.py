"""The module `files`, and module_utils/file_lists.py and filesystem.py below it: on files below a folder."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import file_lists
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

from tests.support.modules import Machine, mine


def test_a_file_is_made_with_its_parents_and_then_up_to_date(tmp_path):
    wanted = mine(tmp_path / "a" / "b", content=b"x", mode="0600")
    assert "content" in fs.differences(wanted)
    fs.apply(wanted)
    assert fs.differences(wanted) == set()
    assert (tmp_path / "a" / "b").read_bytes() == b"x"
    assert os.stat(tmp_path / "a" / "b").st_mode & 0o777 == 0o600


def test_half_written_files_are_replaced(tmp_path):
    (tmp_path / "f").write_bytes(b"hal")
    wanted = mine(tmp_path / "f", content=b"half")
    fs.apply(wanted)
    assert (tmp_path / "f").read_bytes() == b"half"
    assert os.listdir(tmp_path) == ["f"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        fs.apply(mine(tmp_path / "f", content=b"new"))
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_mode_alone(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0o644)
    inode = os.stat(tmp_path / "f").st_ino
    wanted = mine(tmp_path / "f", mode="0600")
    assert fs.differences(wanted) == {"attributes"}
    fs.apply(wanted)
    assert os.stat(tmp_path / "f").st_ino == inode
    assert fs.differences(wanted) == set()


def test_links_and_absence(tmp_path):
    link = mine(tmp_path / "l", kind="link", target="/somewhere")
    fs.apply(link)
    assert os.readlink(tmp_path / "l") == "/somewhere"
    assert fs.differences(link) == set()
    gone = mine(tmp_path / "l", kind="absent")
    fs.apply(gone)
    assert fs.differences(gone) == set()


def test_a_directory_in_the_way_is_not_removed(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(fs.Unusable, match="a directory is in its place"):
        fs.apply(mine(tmp_path / "d", content=b""))


@pytest.mark.parametrize(("fields", "message"), [({"mode": "rw"}, "not an octal number"), ({"mode": "77777"}, "out of range")])
def test_bad_wishes(tmp_path, fields, message):
    with pytest.raises(fs.Unusable, match=message):
        mine(tmp_path / "f", **fields)


def test_errors_name_the_file_and_what_to_do(tmp_path, monkeypatch):
    def fail(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as failure:
        fs.apply(mine(tmp_path / "f", content=b"new"))
    assert fs.sentence(failure.value) == f"{tmp_path / 'f'}: No space left on device; df shows which file system is full"
    monkeypatch.setattr(
        os, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "Operation not permitted", "/temporary"))
    )
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    with pytest.raises(PermissionError) as failure:
        fs.apply(mine(tmp_path / "f", content=b"new"))
    assert fs.sentence(failure.value).startswith(f"{tmp_path / 'f'}: Operation not permitted; lsattr shows")
    assert os.listdir(tmp_path) == []


def test_unknown_owners():
    with pytest.raises(fs.Unusable, match='the user "nobody-here"'):
        fs.Wanted("/f", owner="nobody-here")


def test_passwords_in_urls():
    here = Machine()
    fs.hide_passwords(here, ["http://user:s3cret@proxy:3128", "https://mirror/x", "https://robot:t0ken@mirror/a:b@c"])
    assert here.no_log_values == {"s3cret", "t0ken"}


def diff(tmp_path, before, mode, after_mode="0644"):
    path = tmp_path / "config.toml"
    path.write_text(before)
    path.chmod(mode)
    want = mine(path, content=b"version = 3\n", mode=after_mode)
    return file_lists.diff({"secret_content": None}, want, fs.differences(want))["before"]


def test_what_was_for_root_alone_is_not_shown_when_it_becomes_readable(tmp_path):
    assert diff(tmp_path, 'password = "s3cret"\n', 0o600) == "(secret)\n"


def test_passwords_that_others_left_in_a_configuration_are_not_shown(tmp_path):
    before = '[plugins."x".auth]\n  username = "me"\n  password = "s3cret"\n  auth="s3cret"\n\tauth_pass s3cret\nversion = 2\n'
    before += '"host" = { auth = { username = "me", password = "s3cret" }, x = 1 }\n[host."https://robot:s3cret@mirror"]\n'
    before += 'header = {authorization = ["Basic s3cret"]}\nversion = 2\n'
    shown = diff(tmp_path, before, 0o644)
    assert "s3cret" not in shown
    assert "https://robot:(secret)@mirror" in shown
    assert 'username = "me"' in shown
    assert '[plugins."x".auth]' in shown
    assert shown.endswith("version = 2\n")


def test_what_is_to_be_adjusted_may_be_a_pattern(tmp_path):
    for name in ("10-a.conflist", "20-b.conflist", "README"):
        (tmp_path / name).touch()
    item = {"path": str(tmp_path / "*.conflist"), "state": "adjusted", "mode": "0600"}
    names = [str(tmp_path / name) for name in ("10-a.conflist", "20-b.conflist")]
    assert [each["path"] for each in file_lists.matched(item)] == names
    assert file_lists.matched(dict(item, path=str(tmp_path / "missing"))) == []
    [literal] = file_lists.matched(dict(item, state="file"))
    assert literal["path"].endswith("*.conflist")
