"""The module `facts`: what module_utils/machine.py finds out about a machine."""

from __future__ import annotations

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import machine, swapping

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


@pytest.mark.parametrize(
    ("path", "content", "comes"),
    [
        ("etc/fstab", "# /swap none swap sw 0 0\n/dev/sda1 / ext4 defaults 0 1\n", False),
        ("etc/fstab", "/dev/sda2 none swap sw 0 0\n", True),
        ("usr/lib/systemd/system/zramswap.service", "", True),
        ("etc/init.d/dphys-swapfile", "", True),
        ("lib/systemd/system-generators/zram-generator", "", True),
    ],
)
def test_what_would_switch_swap_on_at_boot(tmp_path, path, content, comes):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(content)
    assert swapping.may_come(lambda _command: "", str(tmp_path)) is comes


def test_units_of_partitions_that_systemd_finds_bring_swap_too(tmp_path):
    assert swapping.may_come(lambda command: "dev-sda2.swap generated -\n" if "--type=swap" in command else "", str(tmp_path))


def test_program_versions():
    answers = {
        "containerd": "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1\n",
        "kubelet": "Kubernetes v1.36.2\n",
        "crictl": "crictl version v1.36.0\n",
    }
    assert machine.versions(lambda command: answers.get(command[0])) == {
        "containerd": "1.6.20~ds1", "kubelet": "1.36.2", "crictl": "1.36.0",
    }  # fmt: skip
