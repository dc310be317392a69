"""A cluster between two versions: nodes join it as either; `init` and `join`, run again, do not take the place of `upgrade`."""

from __future__ import annotations

import pytest

from lab import cluster
from lab.node import PROGRAMS
from tests.e2e.conftest import Versions, nodes_of
from tests.e2e.joining import IGNORED, connect, join, join_command, voters
from tests.e2e.upgrading import failure, kubelet_version, manifests, old_control_plane, plan_tables, upgrade, wait_at, with_both

pytestmark = pytest.mark.long


def test_nodes_join_a_cluster_between_two_versions(versions: Versions, request: pytest.FixtureRequest) -> None:
    old, new = versions.old.version, versions.new.version
    with nodes_of(versions.old, request) as new_node:
        first = old_control_plane(new_node, versions, "upb")
        second, third, worker = (with_both(new_node, versions)(name) for name in ("upbb", "upbc", "upbw"))
        as_second = join_command(first, as_control_plane=True)
        join(second, as_second)
        connect(first, (first, second))

        ours, theirs = (
            first.run(program, "upgrade", "plan", new, *IGNORED, timeout=180).stdout
            for program in ("pykubeadm", f"{PROGRAMS}/{new}/kubeadm")
        )
        assert plan_tables(ours) == plan_tables(theirs)
        assert [line for line in plan_tables(ours) if line.startswith("etcd") and second.name in line]

        worker.switch(new, "kubelet")
        words = ["join", *join_command(first), *IGNORED, "--output=json"]
        assert f"kubelet {new} is newer than the control plane {old}" in failure(worker, words)
        worker.switch(old, "kubelet")

        upgrade(first, new)
        before = {node.name: manifests(node) for node in (first, second)}
        assert second.run("pykubeadm", "upgrade", "plan", new, *IGNORED, timeout=60).returncode == 0
        shown = second.run("pykubeadm", "upgrade", "diff", timeout=60).stdout
        assert {name for name in before[second.name] if f"--- /etc/kubernetes/manifests/{name}.yaml" in shown} >= {
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        }
        again = failure(second, ["join", *as_second, *IGNORED, "--output=json"])
        assert f"deploys {old} and the configuration has {new}: `pykubeadm upgrade`" in again
        again = failure(first, ["init", "--config", cluster.CONFIG, "--output=json"])
        assert f"deploys {new} and the configuration has {old}: `pykubeadm upgrade`" in again
        assert {node.name: manifests(node) for node in (first, second)} == before

        join(worker, join_command(first))
        third.switch(new, "kubelet", "kubectl")
        join(third, join_command(first, as_control_plane=True))
        connect(first, (first, second, third, worker))
        assert {node.name: kubelet_version(first, node.name) for node in (second, third, worker)} == {
            second.name: old,
            third.name: new,
            worker.name: old,
        }
        wait_at(second, old)
        wait_at(third, new)

        for node in (second, third, worker):
            upgrade(node, new, first=False)
        for node in (first, second, third):
            wait_at(node, new)
        assert voters(first) == sorted(node.name for node in (first, second, third))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
