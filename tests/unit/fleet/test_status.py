"""`cluster status`: what it says of a cluster, and what it ends with."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.fleet import status as statuses
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.status import run_status, table
from tests.support.api import FakeApi
from tests.support.fleets import DIGESTS, cluster, control_plane, fleet, host, node, plan_of, worker
from tests.support.node import FakeNode

HOSTS = (host("c1", "control-plane"), host("w1"))
MANAGED = ("coredns", "kube-proxy")
JOINED = (control_plane("c1"), worker("w1"))


def workload(kind: str, name: str, image: str, ready: int, desired: int, *, namespace: str = "kube-system", folder: str = ""):
    """A Deployment or DaemonSet whose pods see a folder of the node."""
    metadata = {"name": name, "namespace": namespace, "labels": {"k8s-app": "kube-dns"} if name == "coredns" else {}}
    volumes = [{"name": "x", "configMap": {"name": "x"}}, {"name": "f", "hostPath": {"path": folder}}]
    spec = {"template": {"spec": {"containers": [{"image": image}], "volumes": volumes}}}
    counted = {"numberReady": ready, "desiredNumberScheduled": desired}
    if kind == "Deployment":
        spec["replicas"], counted = desired, {"readyReplicas": ready}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": counted}


def coredns(ready: int = 2, desired: int = 2):
    return workload("Deployment", "coredns", "registry.k8s.io:5000/coredns/coredns:v1.14.1@sha256:abc", ready, desired)


def kube_proxy(ready: int = 2, desired: int = 2):
    return workload("DaemonSet", "kube-proxy", "registry.k8s.io/kube-proxy:v1.36.2", ready, desired)


def flannel(ready: int = 2):
    image = "ghcr.io/flannel-io/flannel:v0.27.4"
    return workload("DaemonSet", "kube-flannel-ds", image, ready, 2, namespace="kube-flannel", folder="/etc/cni/net.d")


@pytest.fixture
def status_of(monkeypatch):
    """The status of a cluster with these workloads."""

    def status(*workloads, plugin="none", nodes=JOINED, api=None, **stored):
        described = Described(fleet(*HOSTS, plugin=plugin))
        there = cluster("c1", node("c1"), node("w1"))
        there.stored.update(stored)
        facts = Facts({each.name: each for each in nodes}, there)
        digests = {each.name: DIGESTS for each in HOSTS}
        found = Found(described, HOSTS, facts, plan_of(described.fleet, *nodes, found=there), digests)
        api = api or FakeApi()
        for each in workloads:
            api.put(each)
        other = workload("DaemonSet", "log-collector", "example.com/logs", 0, 2, namespace="default", folder="/var/log")
        api.put(other)

        @contextmanager
        def connect(which):
            yield FakeNode(which.name)

        monkeypatch.setattr(statuses, "plan_fleet", lambda *_: found)
        monkeypatch.setattr(statuses, "api_of", lambda _node: api)
        return run_status(described, Options(), lambda _event: None, connect=connect)

    return status


def test_the_add_ons_are_shown_with_their_pods_and_versions(status_of):
    windows = flannel(ready=0)
    windows["metadata"]["name"], windows["status"]["desiredNumberScheduled"] = "flannel-windows", 0
    found = status_of(coredns(), kube_proxy(), flannel(), windows, plugin="flannel", networking={"podSubnet": "10.244.0.0/16"})
    assert found.document()["addons"] == [
        {"name": "coredns", "ready": 2, "desired": 2, "version": "v1.14.1"},
        {"name": "kube-proxy", "ready": 2, "desired": 2, "version": "v1.36.2"},
        {"name": "kube-flannel-ds", "ready": 2, "desired": 2, "version": "v0.27.4"},
    ]
    assert list(table(found))[-4:] == [
        "ADD-ON           READY  VERSION",
        "coredns          2/2    v1.14.1",
        "kube-proxy       2/2    v1.36.2",
        "kube-flannel-ds  2/2    v0.27.4",
    ]


def test_an_add_on_whose_pods_are_not_ready_is_a_problem(status_of):
    found = status_of(coredns(ready=1), kube_proxy(ready=0, desired=0), flannel(ready=0))
    assert found.problems == (
        "coredns: 1 of 2 pods are ready",
        "kube-proxy is to run nowhere",
        "kube-flannel-ds: 0 of 2 pods are ready",
    )


def test_a_missing_add_on_is_a_problem_unless_the_configuration_does_without_it(status_of):
    made = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n, "namespace": "kube-system"}} for n in MANAGED]
    [dns, proxy] = status_of(*made).problems
    assert dns.startswith("there is no coredns: `pykubeadm init phase addon coredns`")
    assert "set proxy.disabled in the ClusterConfiguration" in proxy
    without = status_of(*made, dns={"disabled": True}, proxy={"disabled": True})
    assert without.addons == ()
    assert not any("there is no" in problem for problem in without.problems)
    [missing] = status_of(coredns(), kube_proxy(), plugin="flannel").problems
    assert missing.startswith("there is no flannel")


def test_an_add_on_that_was_never_installed_or_is_scaled_down_is_not_a_problem(status_of):
    found = status_of(coredns(ready=0, desired=0), flannel(), proxy={})
    assert [each.name for each in found.addons] == ["coredns", "kube-flannel-ds"]
    assert found.problems == ()


def test_of_a_bridge_the_machines_with_it_are_counted(status_of):
    nodes = (control_plane("c1"), worker("w1", prepared={**DIGESTS, "network": "other"}))
    found = status_of(coredns(), kube_proxy(), plugin="bridge", nodes=nodes)
    assert found.document()["addons"][-1] == {"name": "bridge", "ready": 1, "desired": 2, "version": ""}
    assert found.problems == ("bridge: w1 has none, or other routes",)


def test_add_ons_that_cannot_be_asked_for_are_a_problem_and_the_rest_is_shown(status_of):
    api = FakeApi(failures=[ApiError("could not list DaemonSets: it is down")])
    found = status_of(api=api)
    assert found.problems == ("the add-ons could not be checked: could not list DaemonSets: it is down",)
    assert [row["name"] for row in found.hosts] == ["c1", "w1"]
    assert "ADD-ON" not in "".join(table(found))
