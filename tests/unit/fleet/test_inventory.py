"""Which host is what, by groups and variables; and the inventory that a cluster file amounts to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.config.fleet import PARTS, Cluster, HttpProxy, LoadBalancer, Mirror, Ssh
from pykubeadm.config.model import Arg, Taint
from pykubeadm.errors import ConfigError, UsageError
from pykubeadm.fleet import inventory as inventories
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.inventory import GROUPS, parts_of
from pykubeadm.fleet.machines import settings
from pykubeadm.fleet.variables import complete_inventory, digest, inventory
from tests.support.fleets import every_word, fleet, grouped, host


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        ({"a": grouped("control_planes"), "b": grouped("workers")}, {"a": ("control-plane",), "b": ("worker",)}),
        ({"a": grouped("control_planes", "workers")}, {"a": ("control-plane", "worker")}),
        ({"a": grouped(part="worker"), "b": grouped(part="control-plane")}, {"a": ("worker",), "b": ("control-plane",)}),
        ({"a": grouped("ungrouped"), "b": grouped("ungrouped")}, {"a": ("control-plane",), "b": ("worker",)}),
        ({"a": grouped("ungrouped")}, {"a": ("control-plane", "worker")}),
        ({"a": grouped("control_planes"), "b": grouped("etcd")}, {"a": ("control-plane",), "b": ("etcd",)}),
    ],
)
def test_groups_then_variables_then_the_order_say_what_a_host_is(found, parts):
    assert parts_of(found) == parts


def test_a_host_that_nothing_is_said_of_is_not_guessed_into_a_cluster(monkeypatch):
    kubespray = {"m1": grouped("kube_control_plane", "etcd"), "w1": grouped("kube_node"), "w2": grouped("kube_node")}
    gone = {"old": grouped("db") | {"host": {"state": "absent"}}}
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: {name: every_word(**of) for name, of in (kubespray | gone).items()})
    with pytest.raises(UsageError, match=r"is known of w1, w2; .* groups control_planes, workers, load_balancers, etcd"):
        inventories.read_inventories(["hosts"])


GROUP = st.sampled_from([*GROUPS.values(), "ungrouped"])


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(st.lists(GROUP), st.sampled_from(["", *PARTS])), min_size=1))
def test_either_every_host_is_something_or_what_is_said_is_all(hosts):
    parts = parts_of({name: grouped(*groups, part=part) for name, (groups, part) in hosts.items()})
    assert set(parts) == set(hosts)
    assert all(set(of) <= set(PARTS) for of in parts.values())
    silent = {name for name, (groups, part) in hosts.items() if not part and not set(groups) & set(GROUPS.values())}
    assert {name for name, of in parts.items() if not of} == (set() if silent == set(hosts) else silent)


def test_hosts_in_groups_of_other_names_are_not_guessed():
    assert parts_of({"m1": grouped("kube_control_plane"), "m2": grouped("kube_control_plane")}) == {"m1": (), "m2": ()}
    assert parts_of({"x": grouped("db")}) == {"x": ()}


def test_what_a_host_has_of_its_own_is_in_its_variable(monkeypatch):
    own = {"state": "absent", "labels": {"disk": "ssd"}, "internal_address": "10.1.0.1", "ignore_preflight_errors": ["all"]}
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: {"a": every_word(host=own)})
    (found,) = inventories.read_inventories(["hosts"]).cluster.hosts
    assert (found.state, found.labels, found.internal_address) == ("absent", {"disk": "ssd"}, "10.1.0.1")
    assert found.ignore_preflight_errors == ("all",)


@pytest.mark.parametrize("arguments", ["kubeletExtraArgs", "kubelet_extra_args"])
def test_taints_and_flags_of_the_kubelet_are_said_as_in_the_cluster_file(monkeypatch, arguments):
    own = {
        "taints": [{"key": "gpu", "value": "a100", "effect": "NoSchedule"}],
        arguments: [{"name": "node-ip", "value": "10.1.0.1"}],
    }
    said_of = {"a": every_word(host=own), "b": every_word(host={"taints": []}), "c": every_word()}
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: said_of)
    a, b, c = inventories.read_inventories(["hosts"]).cluster.hosts
    assert a.taints == (Taint(key="gpu", value="a100", effect="NoSchedule"),)
    assert a.kubelet_extra_args == (Arg(name="node-ip", value="10.1.0.1"),)
    assert (b.taints, c.taints, c.kubelet_extra_args) == ((), None, ())


def test_all_that_is_wrong_with_hosts_variables_is_said_at_once(monkeypatch):
    own = {
        "a": "abc",
        "b": {"labels": ["a"], "ignore_preflight_errors": "all"},
        "c": {"lables": {}, "internalAdress": "::1"},
        "d": {"internal_address": "::1", "internalAddress": "::2", "taints": "gpu", "kubeletExtraArgs": [{"nam": "v"}]},
    }
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: {name: every_word(host=host) for name, host in own.items()})
    with pytest.raises(ConfigError) as refused:
        inventories.read_inventories(["hosts"])
    assert str(refused.value).splitlines() == [
        '--inventory: a: pykubeadm_host: must be a mapping, not the text "abc"',
        '--inventory: b: pykubeadm_host.ignore_preflight_errors: must be a list, not the text "all"',
        "--inventory: b: pykubeadm_host.labels: must be a mapping, not a list",
        '--inventory: c: pykubeadm_host.internalAdress: there is no such field; did you mean "internalAddress"?',
        '--inventory: c: pykubeadm_host.lables: there is no such field; did you mean "labels"?',
        "--inventory: d: pykubeadm_host.internal_address: internalAddress is given, too, which is the same",
        '--inventory: d: pykubeadm_host.kubeletExtraArgs[0].nam: there is no such field; did you mean "name"?',
        '--inventory: d: pykubeadm_host.taints: must be a list, not the text "gpu"',
    ]


def described(**more) -> Described:
    base = fleet(
        host("lb1", "load-balancer"),
        host("c1", "control-plane", internal_address="10.1.0.1"),
        host("c2", "control-plane", "worker"),
        host("w1", ssh=Ssh(user="root", port=2222)),
    )
    balancer = LoadBalancer(address="10.1.0.100", interface="eth0")
    cluster: Cluster = replace(base.cluster, load_balancer=balancer, ssh=Ssh(user="admin", proxy_jump="bastion"), **more)
    return Described(replace(base, cluster=cluster), sudo_passwords={"": "of-sudo"})


@pytest.mark.parametrize(
    ("said", "sentences"),
    [
        (
            {"network": "flannel", "pod_cidrs": "10.244.0.0/16", "load_balancer_port": "x", "load_balancer_prefix": [24]},
            [
                '--inventory: cni_cluster_cidrs: must be a list such as ["10.244.0.0/16"], not the text "10.244.0.0/16"',
                '--inventory: load_balancer_port: must be a whole number, not the text "x"',
                "--inventory: load_balancer_prefix: must be a whole number, not a list",
            ],
        ),
        (
            {"network": "flannel", "pod_cidrs": 5},
            [r'--inventory: cni_cluster_cidrs: must be a list such as ["10.244.0.0/16"], not the number 5'],
        ),
        (
            {"load_balancer_port": "x", "names": ["load_balancer_port"], "variables": {"load_balancer_port": "x"}},
            ['--inventory: load_balancer_port: must be a whole number, not the text "x"'],
        ),
    ],
)
def test_variables_of_other_types_are_refused_all_at_once(said, sentences, monkeypatch):
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: {"a": every_word("control_planes", "load_balancers", **said)})
    with pytest.raises(ConfigError) as error:
        inventories.read_inventories(["hosts"])
    assert list(map(str, error.value.problems)) == sentences


def test_values_that_roles_would_refuse_are_said_once_for_all_hosts_that_have_them(monkeypatch):
    """Of a value that only the machine can say, and of a variable that may be of roles of the user's, nothing is said."""
    registries = [{"host": "docker.io", "mirrors": [{"urls": "https://m.example.com"}]}]
    shared = {"cni_mtu": "jumbo", "kernel_mine": [], "firewall_zone": None}
    own = {
        "a": shared | {"containerd_registries": registries},
        "b": shared | {"kernel_modules": "overlay"},
        "c": shared | {"kernel_modules": "overlay"},
    }
    words = {name: every_word(variables=of, names=[*of, "images_jobs"]) for name, of in own.items()}
    monkeypatch.setattr(inventories, "_hostvars", lambda _paths, _left: words)
    with pytest.raises(ConfigError) as refused:
        inventories.read_inventories(["hosts"])
    assert str(refused.value).splitlines() == [
        '--inventory: cni_mtu: must be a whole number, not the text "jumbo"',
        '--inventory: a: containerd_registries[0].mirrors[0]: the field "url" is missing',
        '--inventory: a: containerd_registries[0].mirrors[0].urls: there is no such field; did you mean "url"?',
        '--inventory: b, c: kernel_modules: must be a list, not the text "overlay"',
    ]


def test_a_part_is_one_and_a_jump_goes_somewhere(monkeypatch):
    assert parts_of({"a": grouped("db") | {"firewall_part": ["worker"]}}) == {"a": ()}
    monkeypatch.setattr(inventories, "_hostvars", lambda *_: {"a": every_word(ssh_args="-J")})
    with pytest.raises(UsageError, match=r"only -o NAME=VALUE, -J and -F are understood, not -J$"):
        inventories.read_inventories(["hosts"])


def test_an_inventory_has_groups_ways_and_variables():
    document = complete_inventory(described())
    groups = document["all"]["children"]
    assert set(groups["control_planes"]["hosts"]) == {"c1", "c2"}
    assert set(groups["workers"]["hosts"]) == {"c2", "w1"}
    balancer = groups["load_balancers"]["hosts"]["lb1"]
    assert [server["address"] for server in balancer["load_balancer_servers"]] == ["10.1.0.1", host("c2").address]
    assert balancer["prepare_kubelet"] is False
    own = groups["workers"]["hosts"]["w1"]
    assert (own["ansible_user"], own["ansible_port"]) == ("root", 2222)
    assert own["ansible_ssh_common_args"] == "-oProxyJump=bastion"
    assert "30000-32767/tcp" in groups["control_planes"]["hosts"]["c2"]["firewall_ports"]
    assert "of-sudo" not in str(document)


@pytest.mark.parametrize("prefix", [None, 24])
def test_the_prefix_of_the_address_is_the_roles_default_unless_one_is_given(prefix):
    found = described()
    balancer = replace(found.cluster.load_balancer, prefix=prefix)
    found = replace(found, fleet=replace(found.fleet, cluster=replace(found.cluster, load_balancer=balancer)))
    variables = complete_inventory(found)["all"]["children"]["load_balancers"]["hosts"]["lb1"]
    assert variables.get("load_balancer_prefix") == prefix


def test_mirrors_and_proxies_become_the_roles_variables():
    mirrors = (Mirror(registry="docker.io", urls=("https://m.example.com",), only=True, ca="/etc/ca.pem"),)
    shared = complete_inventory(described(registry_mirrors=mirrors, proxy=HttpProxy(https="http://p:3128")))["all"]["vars"]
    assert shared["containerd_registries"] == [
        {"host": "docker.io", "server": "none", "mirrors": [{"url": "https://m.example.com", "ca": "/etc/ca.pem"}]}
    ]
    assert shared["containerd_proxy"]["https"] == "http://p:3128"
    assert "10.1.0.1" in shared["containerd_proxy"]["no_proxy"]


def test_passwords_are_only_in_what_ansible_gets():
    fleet_ = described()
    with_secrets = inventory(fleet_, fleet_.cluster.hosts, secrets=True)
    assert with_secrets["all"]["children"]["workers"]["hosts"]["w1"]["ansible_become_password"] == "of-sudo"
    assert "of-sudo" not in repr(fleet_)


def test_ssh_is_reached_as_the_host_says_else_as_all():
    fleet_ = described()
    worker, control = (settings(fleet_, next(h for h in fleet_.cluster.hosts if h.name == name)) for name in ("w1", "c1"))
    assert (worker.user, worker.port, worker.jump) == ("root", 2222, "bastion")
    assert (control.user, control.port, control.sudo_password) == ("admin", 0, "of-sudo")


def test_ssh_options_of_an_inventory_come_without_a_file_that_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fleet_ = replace(described(), ssh_options={"w1": ["IdentitiesOnly=yes"]})
    worker = settings(fleet_, next(host for host in fleet_.cluster.hosts if host.name == "w1"))
    assert (worker.options, worker.config_file) == (("IdentitiesOnly=yes",), "~/.ssh/config")
    assert list(tmp_path.iterdir()) == []


def test_a_digest_changes_with_what_it_stands_for():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
