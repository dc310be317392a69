"""Kernel modules and parameters, now and for the next boot."""


def test_packets_are_forwarded(host):
    assert host.sysctl("net.ipv4.ip_forward") == 1
    assert host.sysctl("net.bridge.bridge-nf-call-iptables") == 1


def test_limits_are_high_enough(host):
    assert host.sysctl("fs.inotify.max_user_instances") >= 1024


def test_parameters_come_back_at_boot(host):
    file = host.file("/etc/sysctl.d/90-kubernetes.conf")
    assert file.mode == 0o644
    values = dict(line.split(" = ") for line in file.content_string.splitlines() if not line.startswith("#"))
    assert values["net.ipv4.ip_forward"] == "1"
    assert values["vm.overcommit_memory"] == "1"


def test_modules_come_back_at_boot(host):
    names = host.file("/etc/modules-load.d/90-kubernetes.conf").content_string.splitlines()
    assert {"overlay", "br_netfilter"} <= set(names)
    assert "ip_vs" not in names
