"""The module `downloads`."""

from __future__ import annotations

import functools
import hashlib
import os
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

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


@pytest.fixture
def server(tmp_path):
    """The URL of the folder `served`."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    handler.func.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_what_comes_from_a_server_is_verified_before_it_has_its_name(tmp_path, server):
    digest = hashlib.sha256(b"program").hexdigest()
    (tmp_path / "served" / "tool").write_bytes(b"program")
    wish = item(dest=str(tmp_path / "bin" / "tool"), sources=[f"{server}/tool"])
    (tmp_path / "served" / "tool.sha256").write_text("2" * 64)
    with pytest.raises(downloads.NoSource, match=f"tool came with the SHA-256 {digest} instead of 2222"):
        install(tmp_path, wish)
    assert os.listdir(tmp_path / "bin") == []
    (tmp_path / "served" / "tool.sha256").write_text(digest)
    assert install(tmp_path, wish).items[f"{wish['dest']}@"]["source"] == digest
    assert os.listdir(tmp_path / "bin") == ["tool"]
    assert (tmp_path / "bin" / "tool").read_bytes() == b"program"


def test_a_program_out_of_an_archive_of_a_server(tmp_path, server):
    path = archive(tmp_path / "served" / "crictl.tar.gz", {"./crictl": "program", "LICENSE": ""})
    digest = hashlib.sha256((tmp_path / "served" / "crictl.tar.gz").read_bytes()).hexdigest()
    install(tmp_path, item(dest=str(tmp_path / "crictl"), sources=[f"{server}/{os.path.basename(path)}"], sha256=digest))
    assert (tmp_path / "crictl").read_text() == "program"
    assert sorted(os.listdir(tmp_path)) == ["crictl", "record.json", "served"]


class Module:
    """Stands in for AnsibleModule."""

    check_mode = False
    selinux_enabled = staticmethod(bool)

    def __init__(self, tmp_path, *items):
        self.params = {"record": str(tmp_path / "record.json"), "environment": {}, "timeout": 1, "advice": "", "defer": False}
        self.params["items"] = items
        self.no_log_values = set()

    def run(self, monkeypatch):
        monkeypatch.setattr(downloads, "AnsibleModule", lambda *_arguments, **_options: self)
        with pytest.raises(SystemExit) as ended:
            downloads.main()
        return ended.value.code

    def exit_json(self, **result):
        raise SystemExit(result)

    fail_json = exit_json


def test_items_come_side_by_side(tmp_path, monkeypatch):
    """Each of them waits for the others, and all are recorded."""
    together = threading.Barrier(3, timeout=60)
    copy = downloads.Fetcher.copy

    def slow(self, source, target):
        together.wait()
        return copy(self, source, target)

    monkeypatch.setattr(downloads.Fetcher, "copy", slow)
    (tmp_path / "here").write_bytes(b"program")
    names = ("kubelet", "kubectl", "crictl")
    items = [item(name=name, dest=str(tmp_path / name), sources=[str(tmp_path / "here")]) for name in names]
    result = Module(tmp_path, *items).run(monkeypatch)
    assert result["installed"] == list(names)
    assert all((tmp_path / name).read_bytes() == b"program" for name in names)
    assert len(downloads.Record(str(tmp_path / "record.json")).items) == 3
    assert Module(tmp_path, *items).run(monkeypatch)["installed"] == []


def test_what_cannot_be_had_does_not_keep_the_others_away(tmp_path, monkeypatch):
    (tmp_path / "here").write_bytes(b"program")
    (tmp_path / "folder").mkdir()
    places = {"nowhere": "/nowhere/tool", "fine": str(tmp_path / "here"), "folder": str(tmp_path / "here")}
    items = [item(name=name, dest=str(tmp_path / name), sources=[source]) for name, source in places.items()]
    result = Module(tmp_path, *items).run(monkeypatch)
    assert result["msg"].endswith("; nowhere cannot be obtained: /nowhere/tool does not exist")
    assert result["msg"].startswith("folder cannot be installed: ")
    assert result["installed"] == ["fine"]


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
