"""The module `downloads`."""

from __future__ import annotations

import hashlib
import os
import tarfile

import pytest
from ansible_collections.pykubeadm.kube.plugins.modules import downloads


def item(**fields):
    return {
        "name": "tool 1", "sources": [], "controller_sources": [], "sha256": "", "checksum_suffix": ".sha256",
        "checksum_file": "", "mode": "0755",
        "archive": False, "strip": 0, "include": [],
    } | fields  # fmt: skip


class Params:
    params = {"timeout": 1}  # noqa: RUF012 - as AnsibleModule has it


def install(tmp_path, wish):
    record = downloads.Record(str(tmp_path / "record.json"))
    downloads.install(wish, downloads.Fetcher(Params()), record, None)
    return downloads.Record(str(tmp_path / "record.json"))


def test_the_first_source_that_has_it(tmp_path):
    (tmp_path / "here").write_bytes(b"program")
    wish = item(dest=str(tmp_path / "bin" / "tool"), sources=[str(tmp_path / "not-here"), str(tmp_path / "here")])
    record = install(tmp_path, wish)
    assert (tmp_path / "bin" / "tool").read_bytes() == b"program"
    assert os.access(tmp_path / "bin" / "tool", os.X_OK)
    assert record.current(wish)
    (tmp_path / "bin" / "tool").write_bytes(b"prog")
    assert not record.current(wish)


def test_a_wrong_digest_is_refused_and_nothing_is_installed(tmp_path):
    (tmp_path / "here").write_bytes(b"tampered")
    wish = item(dest=str(tmp_path / "tool"), sources=[str(tmp_path / "here")], sha256="0" * 64)
    with pytest.raises(downloads.NoSource, match="instead of 0000"):
        install(tmp_path, wish)
    assert not (tmp_path / "tool").exists()


def test_a_digest_published_beside_the_file_counts(tmp_path):
    (tmp_path / "here").write_bytes(b"x")
    (tmp_path / "here.sha256").write_text("1" * 64)
    with pytest.raises(downloads.NoSource, match="instead of 1111"):
        install(tmp_path, item(dest=str(tmp_path / "tool"), sources=[str(tmp_path / "here")]))


def test_all_reasons_are_reported(tmp_path):
    wish = item(dest=str(tmp_path / "tool"), sources=["/nowhere/tool", "http://127.0.0.1:9/tool"])
    with pytest.raises(downloads.NoSource, match=r"/nowhere/tool does not exist; http://127\.0\.0\.1:9/tool\.sha256: .*refused"):
        install(tmp_path, wish)


def test_one_sentence_for_all_that_cannot_be_had():
    items = [("kubelet 1", "/a/kubelet does not exist"), ("kubectl 1", "/a/kubectl does not exist"), ("crictl 1", "no")]
    assert downloads.unavailable_sentence(items, "put them into /a") == (
        "kubelet 1, kubectl 1 and crictl 1 cannot be obtained: /a/kubelet does not exist; put them into /a"
    )


def archive(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            source = path.parent / "source"
            source.write_text(text)
            archive.add(source, name)
    return str(path)


def test_an_archive_is_unpacked_below_its_destination_only(tmp_path):
    path = archive(tmp_path / "a.tar.gz", {"top/bin/one": "1", "top/doc": "d", "../evil": "e", "top/../../evil": "e"})
    wish = item(dest=str(tmp_path / "out"), sources=[path], archive=True, strip=1, include=["bin/*"])
    install(tmp_path, wish)
    assert (tmp_path / "out" / "bin" / "one").read_text() == "1"
    assert not (tmp_path / "evil").exists()
    assert os.listdir(tmp_path / "out") == ["bin"]


def test_one_program_out_of_an_archive(tmp_path):
    path = archive(tmp_path / "crictl.tar.gz", {"./crictl": "program", "LICENSE": ""})
    install(tmp_path, item(dest=str(tmp_path / "crictl"), sources=[path]))
    assert (tmp_path / "crictl").read_text() == "program"


def test_an_archive_that_was_cut_off_is_passed_over(tmp_path):
    whole = archive(tmp_path / "a.tgz", {"one": "1", "two": os.urandom(30000).hex()})
    (tmp_path / "half.tgz").write_bytes((tmp_path / "a.tgz").read_bytes()[:20000])
    half = item(dest=str(tmp_path / "out"), sources=[str(tmp_path / "half.tgz")], archive=True)
    with pytest.raises(downloads.NoSource, match=r"half\.tgz is not a whole tar archive"):
        install(tmp_path, half)
    install(tmp_path, half | {"sources": [*half["sources"], whole]})
    assert (tmp_path / "out" / "one").read_text() == "1"


def test_modes_and_owners_that_somebody_changed_are_found(tmp_path):
    path = archive(tmp_path / "a.tgz", {"one": "1", "two": "2"})
    wish = item(dest=str(tmp_path / "out"), sources=[path], archive=True)
    record = install(tmp_path, wish)
    assert downloads.altered(record.modes(wish)) == {}
    one = tmp_path / "out" / "one"
    mode = one.stat().st_mode & 0o7777
    one.chmod(0o666)
    assert downloads.altered(record.modes(wish)) == {str(one): mode}


def test_a_directory_is_followed_when_a_package_is_upgraded(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "bridge").write_text("1")
    wish = item(dest=str(tmp_path / "out"), sources=[str(tmp_path / "lib")], archive=True)
    assert install(tmp_path, wish).current(wish)
    (tmp_path / "lib" / "bridge").write_text("2")
    assert not downloads.Record(str(tmp_path / "record.json")).current(wish)


def test_checksum_files():
    digest = hashlib.sha256(b"").hexdigest()
    assert downloads.checksum(digest.upper() + "\n", "x") == digest
    assert downloads.checksum(f"{'0' * 64}  other\n{digest} *runc.amd64\n", "runc.amd64") == digest
    assert downloads.checksum("<html>not found</html>", "x") == ""


def test_a_damaged_record_is_no_obstacle(tmp_path):
    (tmp_path / "record.json").write_text("{")
    assert downloads.Record(str(tmp_path / "record.json")).items == {}
