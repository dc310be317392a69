"""Inventories, files and what both say together."""

from __future__ import annotations

import pytest

from pykubeadm.config.versions import pause_image
from pykubeadm.errors import ConfigError
from pykubeadm.fleet import inventory as inventories
from pykubeadm.fleet.file import Described, describe, of_version
from pykubeadm.fleet.machines import settings
from pykubeadm.fleet.preparing import digests_of, inventory_of
from tests.support.fleets import every_word

KUBEADM = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
CLUSTER = "apiVersion: pykubeadm.cluster/v1\nkind: Cluster\n"
FLANNEL = {"network": "flannel", "pod_cidrs": ["10.244.0.0/16"]}


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What a file's text and an inventory with these hosts say together."""

    def describing(text: str = "", /, password: str = "", **hosts) -> Described:
        found = hosts or {"c1": {}}
        words = {name: every_word(**({"address": f"10.0.0.{at}"} | own)) for at, (name, own) in enumerate(found.items(), 1)}
        monkeypatch.setattr(inventories, "_hostvars", lambda *_: words)
        file, inventory = tmp_path / "cluster.yaml", tmp_path / "hosts"
        file.write_text(text)
        inventory.touch()
        return describe(str(file) if text else None, [str(inventory)], pytest.fail, sudo_password=password)

    return describing


@pytest.mark.parametrize("text", ["", KUBEADM, CLUSTER, CLUSTER + "---\n" + KUBEADM])
def test_an_inventory_says_which_network_runs_as_pods_and_in_which_addresses(text, said):
    found = said(text, c1=FLANNEL)
    assert found.cluster.network.plugin == "flannel"
    assert found.configuration.cluster.networking.pod_subnet == "10.244.0.0/16"


def test_a_file_says_it_over_an_inventory(said):
    text = CLUSTER + "network: {plugin: bridge}\nruntime: containerd\n---\n" + KUBEADM + "networking: {podSubnet: 10.9.0.0/16}\n"
    found = said(text, c1=FLANNEL | {"runtime": "crio"})
    assert (found.cluster.network.plugin, found.cluster.runtime) == ("bridge", "containerd")
    assert found.configuration.cluster.networking.pod_subnet == "10.9.0.0/16"


BRIDGE = {"network": "bridge", "pod_cidrs": ["10.244.0.0/16"], "names": ["cni_network", "cni_cluster_cidrs"]}


def test_a_bridge_is_written_once_nodes_have_their_addresses(said):
    """What goes over the inventory keeps the role from it while machines are prepared."""
    found = said(c1=BRIDGE, w1=BRIDGE | {"groups": ["workers"]})
    assert (found.cluster.network.plugin, found.configuration.cluster.networking.pod_subnet) == ("bridge", "10.244.0.0/16")
    assert {own["cni_network"] for own in for_ansible(found).values()} == {"none"}


def test_addresses_of_a_bridge_stay_the_role_s_business(said):
    """Where the inventory says which each node has."""
    own = {"names": [*BRIDGE["names"], "cni_pod_cidrs"]}
    found = said(c1=BRIDGE | own, w1=BRIDGE | own | {"groups": ["workers"]})
    assert (found.cluster.network.plugin, found.configuration.cluster.networking.pod_subnet) == ("none", "")
    assert not any("cni_network" in own for own in for_ansible(found).values())


@pytest.mark.parametrize("text", ["", KUBEADM])
def test_an_inventory_says_the_runtime(text, said):
    registration = said(text, c1={"runtime": "crio"}).configuration.this_node.node_registration
    assert registration.cri_socket == "unix:///var/run/crio/crio.sock"


@pytest.mark.parametrize("text", ["", KUBEADM])
@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"kubelet_version": "1.36"}, '--inventory: kubelet_version: "1.36" is not a version such as "v1.36.2"'),
        ({"kubelet_version": "latest"}, '--inventory: kubelet_version: "latest" is not a version'),
        ({"kubelet_version": "1.20.0"}, "--inventory: kubelet_version: v1.20.0 is not supported"),
        ({"kubelet_version": " 1.36.2"}, '--inventory: kubelet_version: " 1.36.2" is not a version'),
        (FLANNEL | {"pod_cidrs": ["10.96.0.0/12"]}, "--inventory: cni_cluster_cidrs: 10.96.0.0/12 overlaps the Services'"),
    ],
)
def test_what_an_inventory_says_of_the_cluster_is_checked_as_a_file_s(own, sentence, text, said):
    with pytest.raises(ConfigError) as refused:
        said(text, c1=own)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("version", ["1.35.1", "v1.35.1"])
def test_the_version_is_the_inventory_s_where_a_file_has_none(version, said):
    found = said(KUBEADM, c1={"kubelet_version": version})
    assert (found.configuration.cluster.kubernetes_version, found.fleet.names_version) == ("v1.35.1", True)
    found = said(KUBEADM + "kubernetesVersion: v1.36.0\n", c1={"kubelet_version": version})
    assert found.configuration.cluster.kubernetes_version == "v1.36.0"


def for_ansible(described: Described) -> dict[str, dict[str, object]]:
    """The variables of each host that Ansible gets over those of the inventory."""
    given = inventory_of(described, described.cluster.hosts)
    assert given["inventories"] == described.inventories
    return dict(given["hosts"]["all"]["hosts"])


def test_ansible_reaches_hosts_as_pykubeadm_does(said):
    text = CLUSTER + "ssh: {user: admin, identityFile: /key, proxyJump: bastion, configFile: /config}\n"
    found = said(
        text, c1={"ssh_args": "-o 'ProxyCommand=ssh -W %h:%p b'"}, w1={"groups": ["workers"], "user": "root", "port": 2222}
    )
    ansible = for_ansible(found)
    assert ansible["c1"]["ansible_ssh_common_args"] == "-F /config -oProxyJump=bastion '-oProxyCommand=ssh -W %h:%p b'"
    for host in found.cluster.hosts:
        ours, theirs = settings(found, host), ansible[host.name]
        assert (ours.host, ours.user, ours.port or None) == (
            theirs["ansible_host"],
            theirs["ansible_user"],
            theirs.get("ansible_port"),
        )
        assert ours.identity_files == (theirs["ansible_ssh_private_key_file"],)


def test_the_password_that_was_asked_for_is_of_all_hosts_without_one_of_their_own(said):
    found = said(c1={}, w1={"groups": ["workers"], "become_password": "its own"}, password="asked for")
    passwords = {name: of["ansible_become_password"] for name, of in for_ansible(found).items()}
    assert passwords == {"c1": "asked for", "w1": "its own"}


def test_what_an_inventory_leaves_out_the_roles_get_as_from_a_file(said):
    """Of its own variables nothing is given again: Ansible has them, with their templates."""
    text = CLUSTER + "variables: {kernel_modules: [br_netfilter], containerd_version: 2.1.0}\n"
    balancer = {"groups": ["load_balancers"], "variables": {"load_balancer_port": 7443}, "names": ["load_balancer_port"]}
    found = said(text, c1={"names": ["containerd_version"]}, lb=balancer)
    ansible = for_ansible(found)
    assert (ansible["c1"]["kernel_modules"], "containerd_version" in ansible["c1"]) == (["br_netfilter"], False)
    assert ansible["c1"]["firewall_part"] == "control-plane"
    own = ansible["lb"]
    assert (own["prepare_load_balancer"], own["prepare_kubelet"], own["firewall_part"]) == (True, False, "load-balancer")
    assert own["load_balancer_servers"] == [{"name": "c1", "address": "10.0.0.1", "port": 6443}]
    assert "load_balancer_port" not in own


def test_what_an_inventory_says_of_the_roles_stands_for_how_a_machine_is_prepared(said):
    def digest(**variables):
        found = said(c1={"variables": variables, "names": ["kubelet_version", "containerd_registries", *variables]})
        return digests_of(found, {})["c1"]["node"]

    mirror = {"host": "docker.io"}
    assert digest() == digest(kubelet_version="1.36.2")  # that comes by an upgrade
    assert digest() == digest(containerd_sandbox_image=pause_image(said().configuration.cluster))  # as it is without
    assert digest() != digest(containerd_sandbox_image="registry.example.com/pause:3.10")
    assert digest() != digest(containerd_registries=[mirror]) == digest(containerd_registries=[dict(mirror)])


def test_the_endpoint_is_where_the_load_balancers_of_an_inventory_are(said):
    balancer = {"groups": ["load_balancers"], "address": "10.0.0.8", "load_balancer_port": 7443}
    assert said(c1={}, lb=balancer).configuration.cluster.control_plane_endpoint == "10.0.0.8:7443"
    moving = balancer | {"load_balancer_address": "10.0.0.9", "load_balancer_interface": "eth0"}
    assert said(c1={}, lb=moving).configuration.cluster.control_plane_endpoint == "10.0.0.9:7443"
    # kube-vip's address, say, is no load balancer's.
    assert said(c1={"load_balancer_address": "10.0.0.9"}).configuration.cluster.control_plane_endpoint == ""


def test_a_machine_gets_no_newer_kubelet_than_the_cluster_that_it_joins(said):
    found = said(c1={"kubelet_version": "1.36.2", "names": ["kubelet_version"]})
    assert for_ansible(found)["c1"]["kubelet_version"] == "1.36.2"
    assert for_ansible(of_version(found, "v1.35.6"))["c1"]["kubelet_version"] == "1.35.6"


def test_what_is_wrong_is_said_of_the_host_of_an_inventory_or_of_the_place_in_the_file(said):
    balancer = {"groups": ["load_balancers"], "load_balancer_port": 99999}
    with pytest.raises(ConfigError) as refused:
        said(CLUSTER + "proxy: {http: squid}\n", c1={}, w_1={"groups": ["workers"]}, lb=balancer)
    host, port, proxy = sorted(str(refused.value).splitlines(), key=lambda line: ("squid" in line, "port" in line))
    assert host.startswith('--inventory: w_1: "w_1" is not a DNS name')
    assert port.startswith("--inventory: load_balancer_port: 99999 is not a port")
    assert proxy.endswith('cluster.yaml:3:15: proxy.http: "squid" is not an http or https URL')


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What is said of a file with these variables of all hosts, and of one."""
    monkeypatch.chdir(tmp_path)

    def refusing(variables: str, of_host: str = "{}") -> list[str]:
        hosts = f"hosts:\n- name: c1\n  parts: [control-plane]\n  variables: {of_host}\n"
        (tmp_path / "cluster.yaml").write_text(f"{CLUSTER}{hosts}variables:\n{variables}")
        with pytest.raises(ConfigError) as error:
            describe(None, [], pytest.fail)
        return str(error.value).splitlines()

    return refusing


def test_a_variable_that_no_role_has_is_refused_with_the_one_that_may_be_meant(refused):
    variables = """\
  cni_plugin_source: package
  cni_unheard_of_by_anybody:
    a: 1
  cni_plugins_version: 1.7.1
  prepare_hardning: true
  mine: 1
"""
    assert refused(variables, "{kernel_sysctl: {}, mine: {}}") == [
        'cluster.yaml:6:15: hosts[0].variables.kernel_sysctl: no role has this variable; did you mean "kernel_sysctls"?',
        'cluster.yaml:8:3: variables.cni_plugin_source: no role has this variable; did you mean "cni_plugins_source"?',
        "cluster.yaml:9:3: variables.cni_unheard_of_by_anybody: no role has this variable",
        'cluster.yaml:12:3: variables.prepare_hardning: no role has this variable; did you mean "prepare_hardening"?',
    ]


def test_values_that_roles_would_refuse_are_refused_all_at_once(refused):
    variables = """\
  cni_mtu: jumbo
  cni_plugins_source: packages
  containerd_proxy: {https: "http://proxy:3128", noproxy: [a]}
  containerd_registries:
  - mirrors:
    - url: https://mirror.example.com
      skip_verify: so
    - {}
  kernel_ip_families: [ipv4, ipv5]
  kernel_modules: br_netfilter
  kernel_sysctls: [vm.swappiness]
  kubelet_folder:
  prepare_runtime: docker
"""
    assert refused(variables, "{images_jobs: [1], firewall_ports: ~, kubelet_hold: sometimes}") == [
        "cluster.yaml:6:28: hosts[0].variables.images_jobs: must be a whole number, not a list",
        "cluster.yaml:6:33: hosts[0].variables.firewall_ports: must be a list, not nothing (null)",
        'cluster.yaml:6:66: hosts[0].variables.kubelet_hold: must be true or false, not the text "sometimes"',
        'cluster.yaml:8:12: variables.cni_mtu: must be a whole number, not the text "jumbo"',
        'cluster.yaml:9:23: variables.cni_plugins_source: must be one of archive, package, none, not the text "packages"',
        'cluster.yaml:10:50: variables.containerd_proxy.noproxy: there is no such field; did you mean "no_proxy"?',
        'cluster.yaml:12:5: variables.containerd_registries[0]: the field "host" is missing',
        'cluster.yaml:14:20: variables.containerd_registries[0].mirrors[0].skip_verify: must be true or false, not the text "so"',
        'cluster.yaml:15:7: variables.containerd_registries[0].mirrors[1]: the field "url" is missing',
        'cluster.yaml:16:30: variables.kernel_ip_families[1]: must be one of ipv4, ipv6, not the text "ipv5"',
        'cluster.yaml:17:19: variables.kernel_modules: must be a list, not the text "br_netfilter"',
        "cluster.yaml:18:19: variables.kernel_sysctls: must be a mapping, not a list",
        "cluster.yaml:19:3: variables.kubelet_folder: must be text, not nothing (null)",
        'cluster.yaml:20:20: variables.prepare_runtime: must be one of containerd, crio, none, not the text "docker"',
    ]


def test_what_roles_take_for_the_type_that_they_want_is_taken(tmp_path):
    variables = """\
  cni_mtu: "1400"
  cni_plugins_version: 1.7
  containerd_restrict_oom_score_adj: ~
  cgroups_allow_v1: "yes"
  kubelet_hold: 0
  kernel_modules: ["{{ mine }}"]
  images_jobs: "{{ mine }}"
  kernel_sysctls: {vm.swappiness: 1, mine: [1]}
  firewall_ports: []
  mine: 4
"""
    hosts = "hosts:\n- {name: c1, parts: [control-plane], variables: {containerd_registries: [{host: docker.io}]}}\n"
    (tmp_path / "cluster.yaml").write_text(f"{CLUSTER}{hosts}variables:\n{variables}")
    found = describe(str(tmp_path / "cluster.yaml"), [], pytest.fail)
    assert found.cluster.variables["images_jobs"] == "{{ mine }}"


def test_variables_in_a_file_beside_an_inventory_are_checked_too(said):
    with pytest.raises(ConfigError, match=r"cluster\.yaml:3:26: variables\.cni_mtu: must be a whole number, not a mapping$"):
        said(CLUSTER + "variables: {cni_mtu:     {}}\n", c1={})
