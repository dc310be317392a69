"""Plugins that work, a network, and routes that stay."""

import json


def test_plugins_run(host):
    for name in ("loopback", "bridge", "host-local", "portmap"):
        answer = json.loads(host.check_output(f"CNI_COMMAND=VERSION /opt/cni/bin/{name} </dev/null 2>/dev/null"))
        assert "1.0.0" in answer["supportedVersions"], name


def test_network(host):
    network = json.loads(host.file("/etc/cni/net.d/10-bridge.conflist").content_string)
    bridge, portmap = network["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]]
    assert bridge["ipMasq"] is False
    assert portmap["type"] == "portmap"


def test_routes_to_other_nodes(host):
    assert " via " in host.check_output("ip route show 10.244.8.0/24")
    assert host.service("pykubeadm-routes.service").is_enabled


def test_pods_keep_their_address_inside_the_cluster(host):
    rules = host.check_output("iptables -t nat -S PYKUBEADM-MASQ").splitlines()
    assert rules.index("-A PYKUBEADM-MASQ -d 10.244.0.0/16 -j RETURN") < next(
        index
        for index, rule in enumerate(rules)
        if rule.startswith("-A PYKUBEADM-MASQ -s 10.244.7.0/24") and "MASQUERADE" in rule
    )
