"""The module `facts`: what module_utils/machine.py finds out about a machine."""

from __future__ import annotations

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import machine

from tests.roles.systems import SYSTEMS


@pytest.mark.parametrize(("name", "system"), SYSTEMS.items())
def test_families(tmp_path, name, system):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(system.os_release)
    assert machine.family(machine.os_release(str(tmp_path))) == system.family, name


def test_an_unknown_system_has_no_family():
    assert machine.family({"ID": "nixos"}) == ""


def test_cgroup_versions(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cgroups").write_text("#subsys_name hierarchy num_cgroups enabled\ncpu 3 1 1\nmemory 0 1 0\n")
    assert machine.cgroup(str(tmp_path)) == {"version": 1, "controllers": ["cpu"]}
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("memory cpu\n")
    assert machine.cgroup(str(tmp_path)) == {"version": 2, "controllers": ["cpu", "memory"]}


def test_program_versions():
    answers = {
        "containerd": "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1\n",
        "kubelet": "Kubernetes v1.36.2\n",
        "crictl": "crictl version v1.36.0\n",
    }
    assert machine.versions(lambda command: answers.get(command[0])) == {
        "containerd": "1.6.20~ds1", "kubelet": "1.36.2", "crictl": "1.36.0",
    }  # fmt: skip
