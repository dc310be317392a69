"""The whole preparation on a virtual machine: cgroup v2 alone, a kernel with modules, default settings, over SSH from here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from lab import vm
from lab.assets import Assets
from lab.host import CHECKOUT, LabError
from lab.nodeimage import NodeImage


@pytest.fixture(scope="module")
def machine(kubernetes: Assets) -> Iterator[vm.VirtualMachine]:
    assert kubernetes.program("kubelet")
    try:
        started = vm.start("prepare", NodeImage("debian13", "bare"))
    except LabError as problem:
        if "not installed" in str(problem):
            pytest.skip(f"{problem} (for virtual machines: `make setup-vm`)")
        raise
    yield started
    started.remove()


@pytest.fixture(scope="module")
def inventory(machine, tmp_path_factory):
    path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": machine.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(machine.folder / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }
    path.write_text(yaml.safe_dump({"all": {"hosts": {machine.name: host}}}))
    return path


def prepare(inventory, *words: str) -> list[dict[str, object]]:
    """The events of `pykubeadm node prepare`."""
    command = [sys.executable, "-m", "pykubeadm", "node", "prepare", f"--inventory={inventory}", "--output=json", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=1500)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, events[-1]
    return events


def test_a_bare_machine_is_prepared_with_default_settings(machine, inventory):
    assert machine.exists("/sys/fs/cgroup/cgroup.controllers")
    assert prepare(inventory)[-1]["outcome"] == "changed"
    assert "SystemdCgroup = true" in machine.shell("containerd config dump")
    assert "restrict_oom_score_adj = false" in machine.shell("containerd config dump")
    conditions = json.loads(machine.run("crictl", "info").stdout)["status"]["conditions"]
    assert {item["type"]: item["status"] for item in conditions}["RuntimeReady"] is True
    assert machine.shell(
        "sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.netfilter.nf_conntrack_max"
    ).split() == [
        "1",
        "1",
        "131072",
    ]
    assert {"br_netfilter", "overlay", "vxlan"} <= {line.split()[0] for line in machine.shell("lsmod").splitlines()}


def test_a_second_run_changes_nothing_and_so_does_check_mode(inventory):
    for words in ((), ("--check",)):
        last = prepare(inventory, *words)[-1]
        assert (last["outcome"], last["changed"]) == ("unchanged", 0)
