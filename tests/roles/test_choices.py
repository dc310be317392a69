"""Wishes that the roles refuse, warn of or follow, on recorded systems."""

from __future__ import annotations

import dataclasses

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

DEBIAN = SYSTEMS["debian12"]
BALANCER = {
    "prepare_runtime": "none",
    "prepare_kubelet": False,
    "prepare_load_balancer": True,
    "load_balancer_servers": [{"name": "one", "address": "192.0.2.11"}],
}
NODES = {
    "encryption": {"prepare_hardening": True, "hardening_encryption": True, "hardening_encryption_key": "c2hvcnQ="},
    "bridge": {"cni_plugins_source": "none", "cni_network": "bridge", "cni_cluster_cidrs": ["10.244.0.0/16"]},
    "swap": {"cgroups_swap": "kept", "cgroups_allow_v1": True},
    "cgroupfs": {"cgroups_driver": "cgroupfs", "cgroups_slices": ["kube.slice"]},
    "limits": {"kernel_sysctls": {"fs.inotify.max_user_watches": 65536}},
    "balancer": BALANCER,
    "balancer-noipv6": BALANCER,
    "kube-vip": {
        "prepare_load_balancer": True,
        "load_balancer_kind": "kube_vip",
        "load_balancer_address": "192.0.2.10",
        "load_balancer_interface": "eth0",
    },
}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    systems = {name: dataclasses.replace(DEBIAN, cgroup=1) if name == "swap" else DEBIAN for name in NODES}
    variables = {name: dict(own) for name, own in NODES.items()}
    swap_on = {"swap": {"swap": ["/dev/sda2"]}}
    return record(tmp_path_factory.mktemp("chosen"), {"cgroups_unique_ids": False}, systems, variables, recorded=swap_on)


def said(recording):
    return " ".join(recording.output.split())


def test_a_key_that_is_none_is_refused_with_what_to_do_and_without_showing_it(chosen):
    assert "hardening_encryption_key is not 32 bytes in base64" in said(chosen)
    assert "c2hvcnQ=" not in chosen.output
    assert "output has been hidden" not in chosen.output


def test_a_bridge_needs_the_nodes_pod_network(chosen):
    assert "cni_network=bridge needs cni_pod_cidrs" in said(chosen)
    assert not chosen.file("bridge", "/etc/cni/net.d/10-bridge.conflist")


def test_swap_cannot_be_kept_with_cgroup_v1(chosen):
    assert "Swap can only be kept with cgroup v2" in said(chosen)
    assert not chosen.of("swap", "swap")


def test_two_managers_of_control_groups_are_warned_of(chosen):
    assert "with the cgroupfs driver systemd and the kubelet both manage the control groups of cgroupfs" in said(chosen)


def test_reserved_slices_run_before_the_kubelet_starts(chosen):
    [units] = chosen.of("cgroupfs", "units", "cgroups")
    assert units["units"] == [{"name": "kube.slice", "enabled": True, "on_change": "nothing"}]
    assert "WantedBy=slices.target" in chosen.file("cgroupfs", "/etc/systemd/system/kube.slice")["content"]


def test_a_limit_that_the_user_names_is_not_raised(chosen):
    [sysctls] = chosen.of("limits", "sysctls", "kernel")
    assert int(sysctls["values"]["fs.inotify.max_user_watches"]) == 65536
    assert sorted(sysctls["minimum"]) == ["fs.inotify.max_user_instances", "net.netfilter.nf_conntrack_max"]


def test_haproxy_listens_where_the_machine_has_no_ipv6(chosen):
    assert "bind :::6443 v4v6\n" in chosen.file("balancer", "/etc/haproxy/haproxy.cfg")["content"]
    assert "bind *:6443\n" in chosen.file("balancer-noipv6", "/etc/haproxy/haproxy.cfg")["content"]


def test_kube_vip_as_a_static_pod(chosen):
    entry = chosen.file("kube-vip", "/etc/kubernetes/manifests/kube-vip.yaml")
    assert '{name: address, value: "192.0.2.10"}' in entry["content"]
    assert not chosen.of("kube-vip", "units", "load_balancer")
