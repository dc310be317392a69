"""`pykubeadm cluster upgrade` from a desk: killed and run again, it brings a cluster to the version that its file names."""

from __future__ import annotations

import json
import time

import pytest

from lab import cluster
from lab.node import Node
from tests.e2e.conftest import Versions
from tests.e2e.fleets import desk_of, ready_nodes
from tests.e2e.upgrading import kubelet_version, stored_version, wait_at

pytestmark = pytest.mark.long


def is_cordoned(control: Node, name: str) -> bool:
    asked = cluster.kubectl(control, "get", "node", name, "--output=jsonpath={.spec.unschedulable}", check=False)
    return asked == "true"


def test_upgraded_although_it_is_killed_twice(versions: Versions, results: list[str]) -> None:
    new = versions.new.version
    programs = {"PYKUBEADM_ASSETS": str(versions.new.bin)}
    with desk_of(versions.old) as desk:
        control = desk.new("control", "control-plane", bare=False, also=[versions.new])
        worker = desk.new("worker", "worker", bare=False, also=[versions.new])
        desk.write()
        desk.run("apply")
        desk.kubernetes = versions.new
        desk.write()
        applied = desk.run("apply")
        assert "Nothing to do" in applied.stdout, "another version is not applied"
        assert "`pykubeadm cluster upgrade` brings it there" in applied.stderr

        began = time.monotonic()
        desk.kill_when(
            lambda: f":{new}" in control.read("/etc/kubernetes/manifests/kube-apiserver.yaml"),
            "upgrade",
            patience=400,
            environment=programs,
        )
        results.append(f"killed after {time.monotonic() - began:.0f} s, while the API server was replaced")
        began = time.monotonic()
        desk.kill_when(lambda: is_cordoned(control, worker.name), "upgrade", patience=400, environment=programs)
        results.append(f"killed after {time.monotonic() - began:.0f} s, while the worker was drained")
        wait_at(control, new)
        assert stored_version(control) == new
        assert kubelet_version(control, control.name) == new

        began = time.monotonic()
        desk.run("upgrade", environment=programs)
        results.append(f"the rest: {time.monotonic() - began:.0f} s")
        assert kubelet_version(control, worker.name) == new
        assert not is_cordoned(control, worker.name)
        assert ready_nodes(control) == [control.name, worker.name]
        again = desk.run("upgrade", environment=programs)
        assert "Nothing to do" in again.stdout, again.stdout
        assert "Nothing to do" in desk.run("apply").stdout


def test_three_control_planes_are_upgraded_one_by_one(versions: Versions, results: list[str]) -> None:
    new = versions.new.version
    programs = {"PYKUBEADM_ASSETS": str(versions.new.bin)}
    with desk_of(versions.old) as desk:
        controls = [desk.new(f"cp{at}", "control-plane", bare=False, also=[versions.new]) for at in (1, 2, 3)]
        desk.cluster["controlPlaneEndpoint"] = f"{controls[0].address}:6443"
        desk.write()
        desk.run("apply", timeout=900)
        desk.kubernetes = versions.new
        desk.write()

        began = time.monotonic()
        desk.run("upgrade", environment=programs, timeout=900)
        results.append(f"three control planes: {time.monotonic() - began:.0f} s")
        names = [control.name for control in controls]
        for control in controls:
            wait_at(control, new)
            assert kubelet_version(controls[0], control.name) == new
            assert not is_cordoned(controls[0], control.name)
        assert stored_version(controls[0]) == new
        assert ready_nodes(controls[0]) == names
        shown = json.loads(desk.run("status", "-o", "json", status=None).stdout)
        assert [host["etcd"] for host in shown["hosts"]] == ["healthy"] * 3
        assert "Nothing to do" in desk.run("upgrade", environment=programs).stdout
