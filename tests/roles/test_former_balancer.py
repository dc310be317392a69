"""A load balancer that is to be another kind, or without an address: what the role wrote for the former one is stopped."""

from __future__ import annotations

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

OURS, ANOTHERS = "# Written by pykubeadm; changes made here are lost.\n", "# Written by hand.\n"
HAPROXY = {"load_balancer_servers": [{"name": "one", "address": "192.0.2.11"}]}
ADDRESS = {"load_balancer_address": "192.0.2.10", "load_balancer_interface": "eth0"}
KUBE_VIP = {"load_balancer_kind": "kube_vip"} | ADDRESS
ALL = ("haproxy", "keepalived", "kube-vip")
# Variables of a host, the files that are there, and what is to go of them.
HOSTS = {
    "without-address": (HAPROXY, {"haproxy": OURS, "keepalived": OURS}, ["keepalived"]),
    "kube-vip": (KUBE_VIP, dict.fromkeys(ALL, OURS), ["keepalived", "haproxy"]),
    "haproxy": (HAPROXY | ADDRESS, dict.fromkeys(ALL, OURS), ["kube-vip"]),
    "anothers": (HAPROXY, dict.fromkeys(ALL, ANOTHERS), []),
    "new": (HAPROXY, {}, []),
}


@pytest.fixture(scope="module")
def balancers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balancers")
    for host, (_variables, files, _gone) in HOSTS.items():
        (folder / host).mkdir()
        for name, text in files.items():
            (folder / host / name).write_text(text)
    extra = {f"load_balancer_{name.replace('-', '_')}_file": f"{folder}/{{{{ inventory_hostname }}}}/{name}" for name in ALL}
    common = {"prepare_runtime": "none", "prepare_kubelet": False, "prepare_load_balancer": True}
    own = {host: variables for host, (variables, _files, _gone) in HOSTS.items()}
    systems = dict.fromkeys(HOSTS, SYSTEMS["debian12"])
    return record(folder, common, systems, own, roles=dict.fromkeys(HOSTS, ("load_balancer",)), extra=extra)


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_ours_and_is_not_wanted_goes(balancers, host):
    gone = HOSTS[host][2]
    files = [entry for args in balancers.of(host, "files") for entry in args["files"]]
    assert files, balancers.output[-3000:]
    absent = {entry["path"].rpartition("/")[2] for entry in files if entry.get("state") == "absent"}
    assert absent == set(gone)
    units = [unit for args in balancers.of(host, "units") for unit in args["units"] if unit.get("state") == "stopped"]
    assert [unit["name"] for unit in units] == [f"{name}.service" for name in gone if name != "kube-vip"]
    assert not any(unit["enabled"] for unit in units)


def test_it_goes_before_what_comes_in_its_place(balancers):
    modules = [call["module"] for call in balancers.calls["kube-vip"] if (call["role"] or "").endswith("load_balancer")]
    assert modules == ["units", "files", "files"]
