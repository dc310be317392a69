"""Swap stays off, and what the kubelet reserves has a slice."""


def test_fstab_has_no_swap(host):
    active = [line.split() for line in host.file("/etc/fstab").content_string.splitlines() if line and not line.startswith("#")]
    assert not [fields for fields in active if len(fields) > 2 and fields[2] == "swap"]


def test_no_unit_switches_swap_on(host):
    states = host.run("systemctl list-unit-files --type=swap --no-legend --plain").stdout
    assert all(line.split()[1] in ("masked", "disabled", "generated") for line in states.splitlines()), states


def test_no_zram_swap(host):
    assert host.run("systemctl is-enabled zramswap.service").stdout.strip() in ("disabled", "not-found", "")
    assert host.run("systemctl is-active zramswap.service").stdout.strip() == "inactive"


def test_slice_for_reserved_resources(host):
    slice_there = host.service("kubelet-reserved.slice")
    assert slice_there.is_running
    assert slice_there.is_enabled
    assert host.check_output("systemctl show -P CPUAccounting kubelet-reserved.slice") == "yes"
