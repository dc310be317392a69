"""The node's ports are open, and nobody else's rule is gone."""


def test_ports_are_open_now_and_after_a_restart(host):
    for _ in range(2):
        rules = host.check_output("nft list table inet pykubeadm")
        assert "10250" in rules
        assert "30000-32767" in rules
        assert "udp dport" in rules
        assert "8472" in rules
        assert "ip saddr 10.244.0.0/16 accept" in rules
        host.check_output("nft delete table inet pykubeadm && nft -f /etc/nftables.d/pykubeadm.nft")


def test_the_administrators_table_stays(host):
    assert "tcp dport 22 accept" in host.check_output("nft list table inet administrator")
