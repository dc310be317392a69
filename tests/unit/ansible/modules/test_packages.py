"""The module `packages`, and the package managers below it."""

from __future__ import annotations

import functools
import io
import os

import pytest
from ansible.module_utils import urls
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils import package_managers
from ansible_collections.pykubeadm.kube.plugins.module_utils.package_managers import reason, satisfies
from ansible_collections.pykubeadm.kube.plugins.modules import packages

from tests.support.modules import Machine

KUBELET = {"name": "kubelet", "version": "1.36.2"}


@pytest.mark.parametrize(
    ("found", "wish", "good"),
    [
        ("1.36.2-1.1", "1.36.2", True), ("1:1.36.2-1.1", "v1.36.2", True), ("1.36.20-1.1", "1.36.2", False),
        ("1.36.0-1.1", "1.36", True),
        ("1.3-1", "1.36", False), ("", "", False), ("5.1", "", True),
    ],
)  # fmt: skip
def test_versions(found, wish, good):
    assert satisfies(found, wish) is good


def test_the_reason_is_the_error_line():
    text = "Reading package lists...\nE: Unable to locate package kubelet\nmore\n"
    assert reason(text) == "E: Unable to locate package kubelet"
    assert reason("only\nlast\n") == "only / last"


def test_zypper_takes_the_version_that_is_asked_for():
    here = Machine()
    package_managers.Zypper(here, "zypper").install([KUBELET, {"name": "cri-tools", "version": "1.36"}], [], may_be_unknown=False)
    assert here.commands == ["zypper --non-interactive install --no-recommends kubelet=1.36.2 cri-tools>=1.36"]


def test_dnf_looks_past_the_exclusion_of_the_repository():
    here = Machine(repositories=[{"path": "/etc/yum.repos.d/kubernetes.repo"}])
    package_managers.Dnf(here, "dnf").install([KUBELET], [], may_be_unknown=False)
    assert here.commands == [
        "dnf install -y --setopt=install_weak_deps=False --setopt=disable_excludes=kubernetes kubelet-1.36.2*"
    ]


POLICY = """containerd:
  Installed: (none)
  Candidate: 1.7.24~ds1-6+deb13u1
  Version table:
     1.7.24~ds1-6+deb13u1 500
        500 http://deb.debian.org/debian trixie/main amd64 Packages
mount:
  Installed: 2.41-5
  Candidate: 2.41-5
  Version table:
 *** 2.41-5 100
        100 /var/lib/dpkg/status
virtual:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


def test_apt_is_asked_once_what_there_is(monkeypatch):
    monkeypatch.setattr(package_managers.Apt, "index_is_old", lambda _self: False)
    madison = "   kubelet | 1.36.2-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages\n"
    here = Machine({"apt-cache policy": POLICY, "apt-cache madison kubelet": madison})
    apt = package_managers.Apt(here, "apt-get")
    wanted = [KUBELET, {"name": "mount", "version": ""}, {"name": "containerd", "version": ""}]
    apt.install(wanted, [], may_be_unknown=False)
    asked = "apt-cache policy containerd mount", "apt-cache madison kubelet"
    assert here.commands[:-1] == [*asked]
    assert here.commands[-1].endswith(" containerd kubelet=1.36.2-1.1 mount")
    assert apt.known({"virtual": "", "nowhere": ""}) == {"virtual": "", "nowhere": ""}


def test_needrestart_is_left_to_who_administers_the_machine():
    """It takes seconds to look at all processes; while it is suspended it notes that it has to."""
    assert package_managers.Apt(Machine(), "apt-get").environment["NEEDRESTART_SUSPEND"]


def test_apt_waits_for_the_lock_of_its_lists(monkeypatch):
    answers = [(100, "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7"), (0, "")]
    here = Machine()
    here.run_command = lambda _command, **_options: (*(answer := answers.pop(0)), answer[1])
    monkeypatch.setattr(package_managers.time, "sleep", lambda _seconds: None)
    package_managers.Apt(here, "apt-get").refresh()
    assert answers == []
    answers.append((100, "E: The repository has no Release file."))
    with pytest.raises(package_managers.PackageError, match=r"^apt-get update failed: E: The repository"):
        package_managers.Apt(here, "apt-get").refresh()


FILES = (
    "/p/kubelet_1.36.1-1.1_amd64.deb", "/p/kubelet_1.36.2-1.1_amd64.deb", "/p/kubelet_1.36.2-2.1_amd64.deb",
    "/p/kubelet_1.36.2-1.1_arm64.deb", "/p/kubelet_1.36.10-1.1_amd64.deb", "/p/conntrack_1%3a1.4_amd64.deb", "/p/x_1_all.deb",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "version", "file"),
    [
        ("kubelet", "1.36.2", "kubelet_1.36.2-2.1_amd64.deb"), ("kubelet", "", "kubelet_1.36.10-1.1_amd64.deb"),
        ("kubelet", "1.35.0", ""), ("conntrack", "", "conntrack_1%3a1.4_amd64.deb"), ("x", "1", "x_1_all.deb"),
    ],
)  # fmt: skip
def test_the_folders_file_of_the_wanted_version_and_the_machines_kind(name, version, file):
    apt = package_managers.Apt(Machine({"dpkg --print-architecture": "amd64\n"}), "apt-get")
    assert apt.local([{"name": name, "version": version}], FILES) == ({name: "/p/" + file} if file else {})


def test_rpm_files_likewise(monkeypatch):
    monkeypatch.setattr(package_managers.Rpm, "architectures", lambda _self: ["x86_64", "noarch"])
    files = [f"/p/kubelet-{version}.{kind}.rpm" for version in ("1.36.2-1.1", "1.36.9-1.1") for kind in ("aarch64", "x86_64")]
    here = Machine()
    package_managers.Dnf(here, "dnf").install([KUBELET], [*files, "/p/kubelet-extra-1.36.2-1.x86_64.rpm"], may_be_unknown=False)
    assert here.commands[0].endswith(" /p/kubelet-1.36.2-1.1.x86_64.rpm")


def test_packages_that_a_folder_has_need_no_repository(tmp_path):
    (tmp_path / "kubelet_1.36.2-1.1_amd64.deb").touch()
    repository = {
        "path": str(tmp_path / "x.sources"),
        "content": "",
        "key_path": "/nowhere/key",
        "key_url": "http://127.0.0.1:9/",
    }
    here = Machine({"dpkg --print-architecture": "amd64\n"}, folder=str(tmp_path), repositories=[repository])
    packages.install(here, package_managers.Apt(here, "apt-get"), [KUBELET], set())
    assert any(line.endswith(f"{tmp_path}/kubelet_1.36.2-1.1_amd64.deb") for line in here.commands)
    assert not (tmp_path / "x.sources").exists()


KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnew\n-----END PGP PUBLIC KEY BLOCK-----\n"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """(answers, machine, apt): a repository whose key is fetched, one answer after the other, on a machine with apt."""
    answers, key = [], tmp_path / "key.asc"
    monkeypatch.setattr(urls, "open_url", lambda _url, **_options: io.BytesIO(answers.pop(0)))
    mine = functools.partial(fs.Wanted, owner=str(os.getuid()), group=str(os.getgid()))
    monkeypatch.setattr(packages.fs, "Wanted", mine)
    monkeypatch.setattr(packages.fs, "selinux_label", lambda _module: None)
    repository = {"path": f"{tmp_path}/x.sources", "content": "x", "key_path": str(key), "key_url": "https://packages.test/key"}
    here = Machine(folder="", repositories=[repository])
    return answers, here, key


class Signed:
    """A package manager that takes the repository's signature by the new key alone."""

    suffix = ".deb"

    def __init__(self, key):
        self.key, self.refreshed, self.installed = key, 0, []

    def refresh(self):
        self.refreshed += 1

    def install(self, wanted, _files, **_options):
        if self.key.read_bytes() != KEY:
            raise package_managers.PackageError("The repository is not signed")
        self.installed += wanted


def test_a_page_in_place_of_a_key_is_refused_and_not_kept(published):
    answers, here, key = published
    answers.append(b"<html>Please log in</html>")
    with pytest.raises(package_managers.PackageError, match=r"^https://packages\.test/key answers with something else"):
        packages.install(here, Signed(key), [KUBELET], set())
    assert not key.exists()


@pytest.mark.parametrize("former", [b"<html>Please log in</html>", b"", KEY.replace(b"new", b"expired"), b"\x99\x01 expired"])
def test_a_key_that_no_longer_serves_is_fetched_again(published, former):
    answers, here, key = published
    key.write_bytes(former)
    answers.append(KEY)
    manager = Signed(key)
    packages.install(here, manager, [KUBELET], set())
    assert (key.read_bytes(), manager.installed) == (KEY, [KUBELET])
    assert manager.refreshed


@pytest.mark.parametrize("answer", [KEY.replace(b"new", b"expired"), b"<html>Please log in</html>"])
def test_the_package_managers_reason_is_given_where_there_is_no_other_key(published, answer):
    answers, here, key = published
    key.write_bytes(KEY.replace(b"new", b"expired"))
    answers.append(answer)
    with pytest.raises(package_managers.PackageError, match="The repository is not signed"):
        packages.install(here, Signed(key), [KUBELET], set())
    assert b"expired" in key.read_bytes()
    assert answers == []


def test_nothing_is_fetched_in_check_mode(published):
    _answers, here, key = published
    here.check_mode = True
    key.write_bytes(KEY.replace(b"new", b"expired"))
    with pytest.raises(package_managers.PackageError, match="The repository is not signed"):
        packages.install(here, Signed(key), [KUBELET], set())


def test_dnf_gets_its_plugin_where_holding_needs_it():
    here = Machine({"dnf versionlock": (1, "No such command: versionlock.")})
    with pytest.raises(package_managers.PackageError, match="No such command: versionlock"):
        package_managers.Dnf(here, "dnf").hold(["kubelet"])
    assert "dnf-command(versionlock)" in here.commands[1]
