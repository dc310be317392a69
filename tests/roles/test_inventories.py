"""The examples of inventories/ are what they say: each prepares its hosts (recorded systems), with its own variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

# Of each inventory the hosts that tests look at, and the roles: all of them on one.
ROLES = {
    "single-node1": (),
    "ha-lb1": ("kubelet", "load_balancer"),
    "ha-lb2": ("kubelet", "load_balancer"),
    "ha-control3": ("kubelet", "load_balancer"),
    "ha-worker1": ("kubelet", "load_balancer"),
    "airgap-node1": ("containerd", "cni", "kubelet"),
    "airgap-node2": ("containerd",),
}
INVENTORIES = Path(__file__).resolve().parents[2] / "inventories"


# `ansible-inventory --list` for one inventory after the other, each in a process of its own that has Ansible already.
LIST = """
import gc, os, sys
gc.disable()
from ansible.cli.inventory import main
for path in sys.argv[1:]:
    if os.fork() == 0:
        sys.argv = ["ansible-inventory", "--inventory", path, "--list"]
        main()
    if os.wait()[1]:
        sys.exit(f"{path} cannot be read")
"""


@pytest.fixture(scope="module")
def hosts_of():
    """Inventory → host → its variables, as Ansible itself merges them."""
    paths = sorted(INVENTORIES.glob("*/hosts.yml"))
    command = [sys.executable, "-c", LIST, *map(str, paths)]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found, decoder = {}, json.JSONDecoder()
    for path in paths:
        listed, end = decoder.raw_decode(output)
        output = output[end:].lstrip()
        found[path.parent.name] = listed["_meta"]["hostvars"]
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, hosts_of):
    """Hosts of all inventories in one run, each as a Debian 13 machine; the connection is not the inventory's."""
    of_hosts = {f"{name}-{host}": own for name in ("single", "ha", "airgap") for host, own in hosts_of[name].items()}
    variables = {host: {key: value for key, value in of_hosts[host].items() if not key.startswith("ansible_")} for host in ROLES}
    systems = dict.fromkeys(ROLES, SYSTEMS["debian13-arm64"])
    return record(tmp_path_factory.mktemp("inventories"), {}, systems, variables, roles=ROLES)


def test_single(recorded):
    assert recorded.of("single-node1", "units", "kubelet"), recorded.output[-3000:]


def test_ha_has_load_balancers_with_nothing_of_kubernetes_on_them(recorded):
    for host in ("ha-lb1", "ha-lb2"):
        [units] = recorded.of(host, "units", "load_balancer")
        assert [unit["name"] for unit in units["units"]] == ["haproxy.service", "keepalived.service"]
        assert not recorded.of(host, "units", "kubelet")
        configuration = recorded.file(host, "/etc/haproxy/haproxy.cfg")["content"]
        assert configuration.count("server control") == 3
        assert "http-check send meth GET uri /readyz" in configuration
        assert "option redispatch 1" in configuration, "a server that has just ended refuses connections"
    assert recorded.of("ha-control3", "units", "kubelet")
    assert not recorded.of("ha-worker1", "units", "load_balancer")


def test_airgap_names_no_public_place(recorded):
    for host in ("airgap-node1", "airgap-node2"):
        calls = [call for call in recorded.calls[host] if call["module"] == "downloads"]
        folders = [path for call in calls for item in call["args"]["items"] for path in item.get("controller_sources") or []]
        assert folders
        assert all(path.startswith("/srv/kubernetes/") for path in folders)
        hosts = recorded.file(host, "/etc/containerd/certs.d/registry.k8s.io/hosts.toml")["content"]
        assert "https://registry.k8s.io" not in hosts
        assert 'server = "https://registry.example.com"' in hosts


@pytest.mark.parametrize("name", ["docker", "vagrant"])
def test_those_of_the_lab_can_be_read(hosts_of, name):
    assert hosts_of[name]
