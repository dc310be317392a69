"""`pykubeadm cluster` with etcd on machines of its own: control planes have no member, and of etcd only what its client shows."""

from __future__ import annotations

import json

import pytest

from lab import cluster
from lab.assets import Assets
from lab.node import Node
from tests.e2e.fleets import Desk, desk_of, ready_nodes

pytestmark = pytest.mark.long
MANIFESTS = "/etc/kubernetes/manifests"
PKI = "/etc/kubernetes/pki"


def healthy(desk: Desk) -> list[str]:
    """The hosts whose member of etcd is healthy."""
    shown = json.loads(desk.run("status", "-o", "json", status=None).stdout)
    return [host["name"] for host in shown["hosts"] if host["etcd"] == "healthy"]


def servers(control: Node) -> str:
    manifest = control.read(f"{MANIFESTS}/kube-apiserver.yaml")
    return next(line.partition("=")[2] for line in manifest.splitlines() if "--etcd-servers=" in line)


def urls(*nodes: Node) -> str:
    return ",".join(f"https://{node.address}:2379" for node in nodes)


def test_etcd_on_three_hosts_of_its_own_of_which_one_is_replaced(kubernetes: Assets) -> None:
    with desk_of(kubernetes) as desk:
        etcds = [desk.new(f"etcd{at}", "etcd", bare=False) for at in (1, 2, 3)]
        first, second = (desk.new(f"cp{at}", "control-plane", bare=False) for at in (1, 2))
        desk.cluster["controlPlaneEndpoint"] = f"{first.address}:6443"
        desk.write()
        desk.run("apply", timeout=900)
        names = [etcd.name for etcd in etcds]
        assert ready_nodes(first) == [first.name, second.name]
        for control in (first, second):
            assert not control.exists(f"{MANIFESTS}/etcd.yaml")
            assert not control.exists(f"{PKI}/etcd/ca.key")
            assert control.read(f"{PKI}/etcd/ca.crt") == etcds[0].read(f"{PKI}/etcd/ca.crt")
            assert servers(control) == urls(*etcds)
        assert healthy(desk) == names
        members = json.loads(desk.run("etcd", "members", "-o", "json").stdout)["members"]
        assert sorted(member["name"] for member in members) == names
        assert "Nothing to do" in desk.run("apply").stdout
        assert "Nothing to do" in desk.run("reconfigure").stdout

        before = [etcds[0].read(f"{PKI}/etcd/server.crt"), first.read(f"{PKI}/apiserver-etcd-client.crt")]
        desk.run("certs", "renew", "all")
        after = [etcds[0].read(f"{PKI}/etcd/server.crt"), first.read(f"{PKI}/apiserver-etcd-client.crt")]
        assert all(new != old for new, old in zip(after, before, strict=True))
        assert second.read(f"{PKI}/apiserver-etcd-client.crt") == after[1]
        assert healthy(desk) == names

        gone = etcds[2]
        desk.hosts[gone.name]["state"] = "absent"
        coming = desk.new("etcd4", "etcd", bare=False)
        desk.write()
        desk.run("apply", timeout=600)
        assert healthy(desk) == [*names[:2], coming.name]
        assert not gone.exists(f"{MANIFESTS}/etcd.yaml")
        assert not gone.exists(f"{PKI}/etcd/ca.key")
        planned = desk.run("plan", status=11)
        assert "not the file's in etcd, which applying it leaves alone: `pykubeadm cluster reconfigure`" in planned.stderr
        desk.run("reconfigure")
        for control in (first, second):
            assert servers(control) == urls(*etcds[:2], coming)
        assert cluster.kubectl(first, "get", "--raw", "/readyz") == "ok"

        stopped = etcds[0]
        stopped.run("systemctl", "stop", "kubelet")
        stopped.shell("crictl ps --quiet --name=etcd | xargs crictl stop")
        planned = desk.run("plan", status=11)
        assert f"{stopped.name}: make it a member of etcd (its member of etcd is not healthy" in planned.stdout
        desk.run("apply", timeout=400)
        assert stopped.name in healthy(desk)

        desk.run("reset", "--yes")
        for etcd in (*etcds, coming):
            assert not etcd.exists(f"{PKI}/etcd/ca.key")
            assert not etcd.exists("/var/lib/etcd/member")


def test_a_host_of_etcd_that_is_dead_is_forgotten_and_replaced(kubernetes: Assets) -> None:
    with desk_of(kubernetes) as desk:
        etcds = [desk.new(f"etcd{at}", "etcd", bare=False) for at in (1, 2, 3)]
        control = desk.new("cp", "control-plane", bare=False)
        desk.write()
        desk.run("apply", timeout=600)
        dead = etcds.pop(0)
        dead.power_off()
        desk.hosts[dead.name]["state"] = "absent"
        etcds.append(desk.new("etcd4", "etcd", bare=False))
        desk.write()
        assert f"{dead.name}: remove what the cluster has of it" in desk.run("plan", status=11).stdout
        desk.run("apply", timeout=600)
        assert healthy(desk) == [etcd.name for etcd in etcds]
        desk.run("reconfigure")
        assert servers(control) == urls(*etcds)
        members = json.loads(desk.run("etcd", "members", "-o", "json").stdout)["members"]
        assert {member["name"] for member in members} == {etcd.name for etcd in etcds}
        assert "Nothing to do" in desk.run("apply").stdout
