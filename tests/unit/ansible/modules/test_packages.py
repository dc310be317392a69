"""The module `packages`, and the package managers below it."""

from __future__ import annotations

import pytest
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


def test_dnf_gets_its_plugin_where_holding_needs_it():
    here = Machine({"dnf versionlock": (1, "No such command: versionlock.")})
    with pytest.raises(package_managers.PackageError, match="No such command: versionlock"):
        package_managers.Dnf(here, "dnf").hold(["kubelet"])
    assert "dnf-command(versionlock)" in here.commands[1]
