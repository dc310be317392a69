"""Interfaces, rules, sets and services of a node that leaves its cluster, and those of others beside them."""

from __future__ import annotations

import json

from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.node.port import Command, Completed
from pykubeadm.workflow.events import Note
from tests.support.node import FakeNode
from tests.support.reset_runs import bare_node, clean, control_plane, refused, reset_run


def test_the_network_stays_while_others_are_on_it() -> None:
    node = control_plane()
    node.interfaces["veth-guest"] = "pods0"
    node.rules = node.rules.replace(":MINE", ":CNI-abc - [0:0]\n:MINE")
    run, events = reset_run(node)
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    assert "pods0" in node.interfaces
    assert "CNI-abc" in node.rules
    assert "KUBE-FIREWALL" not in node.rules
    assert node.stat("/etc/cni/net.d/10-bridge.conflist") is not None
    assert [event for event in events if isinstance(event, Note) and "pods0" in event.message]
    del node.interfaces["veth-guest"]
    clean(node)
    assert "pods0" not in node.interfaces
    assert node.stat("/etc/cni/net.d/10-bridge.conflist") is None


def test_an_interface_that_goes_with_another_is_no_failure() -> None:
    node = control_plane()
    node.interfaces |= {"cilium_net": "", "cilium_host": ""}

    def delete(command: Command) -> Completed:
        name = command.argv[-1]
        if name not in node.interfaces:
            return Completed(1, stderr=f'Cannot find device "{name}"')
        for gone in ("cilium_net", "cilium_host") if name.startswith("cilium") else (name,):
            del node.interfaces[gone]
        return Completed(0)

    node.commands["ip link delete"] = delete
    assert [change for change in clean(node) if "cilium" in change] == ["deleted interface cilium_net"]
    assert node.state() == bare_node().state()


def test_one_interface_that_stays_keeps_no_other() -> None:
    node = control_plane()

    def delete(command: Command) -> Completed:
        return Completed(2, stderr="busy") if command.argv[-1] == "flannel.1" else node._delete_link(command)

    node.commands["ip link delete"] = delete
    assert "delete the interface flannel.1" in str(refused(node))
    assert "pods0" not in node.interfaces


def test_both_variants_of_iptables_are_looked_through() -> None:
    node = control_plane()
    rules = node.rules
    node.commands |= {
        "iptables-save": Completed(0, rules),  # another name of one of them
        "iptables-nft-save": Completed(0, rules),
        "iptables-nft-restore": node._restore,
        "iptables-legacy-save": Completed(0, ""),
    }
    assert "deleted the cluster's 2 rules and chains of iptables-nft" in clean(node)
    assert "KUBE-FIREWALL" not in node.rules
    assert ("iptables-save",) not in [command.argv for command in node.ran]


def test_virtual_services_of_kube_proxy_alone() -> None:
    node = FakeNode()
    saved = (
        "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 10.0.0.1:6443\n-A -u 10.0.0.1:30053 -s rr\n-A -t 10.0.0.1:80 -s wlc\n"
    )
    saved += "-A -t [fd00::1]:443 -s rr\n-A -t 192.0.2.7:443 -s rr\n-A -f 7 -s rr\n"
    proxy = [{"ifname": "kube-ipvs0", "addr_info": [{"local": "10.96.0.1"}, {"local": "fd00::1"}]}]
    node.commands |= {
        "ip -json link show": Completed(0, json.dumps(proxy)),
        "ip -json address show dev kube-ipvs0": Completed(0, json.dumps(proxy)),
        "ip -json address show": Completed(0, json.dumps([*proxy, {"ifname": "eth0", "addr_info": [{"local": "10.0.0.1"}]}])),
        "ipvsadm --save": Completed(0, saved),
        "ipvsadm --delete-service": Completed(0),
        "ip link delete": Completed(0),
    }
    clean(node)
    deleted = [command.argv[2:] for command in node.ran if command.argv[:2] == ("ipvsadm", "--delete-service")]
    assert deleted == [("-t", "10.96.0.1:443"), ("-u", "10.0.0.1:30053"), ("-t", "[fd00::1]:443")]


def test_virtual_services_that_cannot_be_seen_are_named() -> None:
    node = FakeNode()
    proxy = [{"ifname": "kube-ipvs0", "addr_info": [{"local": "10.96.0.1"}]}]
    node.commands |= {f"ip -json {what} show": Completed(0, json.dumps(proxy)) for what in ("link", "address")}
    node.put("/proc/net/ip_vs", "1\n2\n3\nTCP  0A600001:01BB rr\n")
    assert "there is no ipvsadm" in str(refused(node))


def test_sets_and_tables_go_by_name() -> None:
    node = FakeNode()
    node.commands |= {
        "ipset list": Completed(0, "KUBE-CLUSTER-IP\nmine\n"),
        "ipset destroy": Completed(0),
        "nft list tables": Completed(0, "table ip kube-proxy\ntable inet mine\n"),
        "nft delete": Completed(0),
    }
    assert clean(node) == ["deleted nftables' table ip kube-proxy", "deleted IP set KUBE-CLUSTER-IP"]
