"""The examples of inventories/ are fleets: `pykubeadm cluster -i` reads them as they are, in each form that Ansible knows."""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from pykubeadm.ansible import playbook
from pykubeadm.config.model import Arg, Taint
from pykubeadm.errors import ConfigError, PykubeadmError
from pykubeadm.fleet import inventory
from pykubeadm.fleet.file import describe
from pykubeadm.fleet.machines import settings
from pykubeadm.fleet.network import network_variables
from pykubeadm.fleet.preparing import digests_of
from pykubeadm.fleet.variables import complete_inventory
from pykubeadm.util.yaml_output import to_yaml
from tests.support.fleets import node

INVENTORIES = Path(__file__).resolve().parents[2] / "inventories"
PARTS = {
    "single": {"node1": ("control-plane", "worker")},
    "airgap": {"node1": ("control-plane",), "node2": ("worker",)},
    "docker": {"node1": ("control-plane",), "node2": ("worker",)},
    "vagrant": {"debian13": ("control-plane", "worker")},
    "ha": {
        "lb1": ("load-balancer",),
        "lb2": ("load-balancer",),
        "control1": ("control-plane",),
        "control2": ("control-plane",),
        "control3": ("control-plane",),
        "worker1": ("worker",),
        "worker2": ("worker",),
    },
}
# Hosts of several clusters: Ansible reads them once, and each test takes its own of them.
INI = """\
[control_planes]
c1 ansible_host=10.0.0.11 ansible_user=admin ansible_port=2222
[workers]
w1 ansible_host=10.0.0.21 ansible_ssh_common_args='-J jump@bastion -o UserKnownHostsFile=/k'
newer kubelet_version=1.36.2 cni_mtu=1400 firewall_ports='["{{ cni_mtu }}/tcp"]' notkubelet_x=1
later kubelet_environment="{{ {'NO_PROXY': ansible_facts.default_ipv4.address} }}" cni_mtu=1400
older kubelet_version=1.35.6
tainted pykubeadm_host='{"taints": [{"key": "gpu", "effect": "NoSchedule"}], "kubeletExtraArgs": [{"name": "v", "value": "4"}]}'
[workers:vars]
ansible_become_password=of-the-workers
[others]
here ansible_connection=local
forwarding ansible_ssh_common_args='-W x'
"""
SCRIPT = """\
#!/bin/sh
echo '{"control_planes": {"hosts": ["c1"]}, "_meta": {"hostvars": {"c1": {"ansible_host": "10.0.0.11"}}}}'
"""


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """An ansible-playbook that starts no process for each host."""
    program = tmp_path_factory.mktemp("program") / "ansible-playbook"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(Path(__file__).with_name("playbook.py"))])} "$@"\n')
    program.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playbook, "_program", lambda: str(program))
        yield


def described(*paths, **more):
    notes: list[str] = []
    return describe(more.get("file"), [str(path) for path in paths], notes.append)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_an_example_is_read_as_it_is(name, monkeypatch):
    monkeypatch.setenv("LAB_NODE1", "172.31.250.10")
    monkeypatch.setenv("LAB_NODE2", "172.31.250.11")
    monkeypatch.setenv("LAB_KEY", "/root/key")
    fleet = described(INVENTORIES / name)  # as a directory
    assert {host.name: host.parts for host in fleet.cluster.hosts} == PARTS[name]
    if name == "docker":
        assert [host.address for host in fleet.cluster.hosts] == ["172.31.250.10", "172.31.250.11"]
    if name == "ha":
        assert fleet.configuration.cluster.control_plane_endpoint == "192.168.56.10:6443"
    if name != "vagrant":
        assert fleet.configuration.cluster.kubernetes_version == "v1.36.2"


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """A file with INI, and what Ansible says of its hosts."""
    path = tmp_path_factory.mktemp("ini") / "hosts.ini"
    path.write_text(INI)
    return path, inventory._hostvars([str(path)])


@pytest.fixture
def of(said, monkeypatch):
    """The fleet of these hosts."""
    path, hostvars = said

    def fleet(*hosts):
        monkeypatch.setattr(inventory, "_hostvars", lambda *_: {host: hostvars[host] for host in hosts})
        return described(path)

    return fleet


def test_ini_gives_the_way_to_each_host(of):
    fleet = of("c1", "w1")
    control, worker = (settings(fleet, host) for host in fleet.cluster.hosts)
    assert (control.host, control.user, control.port, control.sudo_password) == ("10.0.0.11", "admin", 2222, None)
    assert (worker.jump, worker.sudo_password) == ("jump@bastion", "of-the-workers")
    assert "UserKnownHostsFile=/k" in worker.options


def test_ini_says_what_a_host_has_of_its_own(of):
    tainted = next(host for host in of("c1", "tainted").cluster.hosts if host.name == "tainted")
    assert tainted.taints == (Taint(key="gpu", effect="NoSchedule"),)
    assert tainted.kubelet_extra_args == (Arg(name="v", value="4"),)


def test_variables_of_the_roles_are_read_and_one_that_needs_the_machine_s_facts_does_no_harm(said):
    _path, hosts = said
    assert sorted(hosts["newer"]["names"]) == ["cni_mtu", "firewall_ports", "kubelet_version"]
    assert hosts["newer"]["variables"]["firewall_ports"] == ["1400/tcp"]
    assert sorted(hosts["later"]["names"]) == ["cni_mtu", "kubelet_environment"]
    assert "variables" not in hosts["later"]
    assert hosts["c1"]["names"] == []


def test_those_of_all_roles_are_read():
    checkout = INVENTORIES.parent
    [play] = yaml.safe_load((checkout / "playbooks" / "inventory.yml").read_text())
    roles = {path.name for path in (checkout / "roles").iterdir() if path.is_dir()}
    assert set(play["vars"]["pykubeadm_roles"]) == {"prepare", *roles}


def test_encrypted_variables_are_read_with_the_user_s_password(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("of the vault\n")
    vault = VaultLib([("default", VaultSecret(b"of the vault"))])
    secret = vault.encrypt(b"of sudo").decode().replace("\n", "\n        ")
    hosts = f"control_planes:\n  hosts:\n    c1:\n      ansible_become_password: !vault |\n        {secret}\n"
    (tmp_path / "hosts.yml").write_text(hosts)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "password")
    fleet = described("hosts.yml")
    assert settings(fleet, fleet.cluster.hosts[0]).sudo_password == "of sudo"


WHOLE = """\
apiVersion: pykubeadm.cluster/v1
kind: Cluster
ssh: {user: admin, configFile: /ssh_config}
runtime: crio
proxy: {https: "http://proxy:3128", noProxy: [.example.com]}
network: {plugin: flannel}
loadBalancer: {address: 10.0.0.9, interface: eth0, prefix: 24, port: 7443}
hosts:
- {name: c1, address: 10.0.0.1, internalAddress: 10.1.0.1, parts: [control-plane, worker], ssh: {port: 2222}}
- {name: c2, address: 10.0.0.2, parts: [control-plane, load-balancer], ignorePreflightErrors: [NumCPU]}
- name: w1
  address: 10.0.0.3
  parts: [worker]
  labels: {disk: ssd}
  taints: [{key: gpu, effect: NoSchedule}]
  kubeletExtraArgs: [{name: v, value: "4"}]
  ssh: {user: root, proxyJump: b}
- {name: w2, address: 10.0.0.4, parts: [worker], taints: []}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.35.1
networking: {podSubnet: "10.244.0.0/16,fd00::/48"}
"""


@pytest.mark.parametrize("plugin", ["flannel", "bridge", "manifest, manifest: https://example.com/net.yaml"])
def test_a_file_that_is_printed_as_an_inventory_is_read_as_the_same_cluster(plugin, tmp_path):
    file, printed = tmp_path / "cluster.yaml", tmp_path / "hosts.yml"
    file.write_text(WHOLE.replace("flannel", plugin))
    before = describe(str(file), [], pytest.fail)
    printed.write_text(to_yaml(complete_inventory(before)))
    after = described(printed)
    for of in (before, after):
        hosts = {host.name: host for host in of.cluster.hosts}
        assert {name: set(host.parts) for name, host in hosts.items()} == {
            "c1": {"control-plane", "worker"},
            "c2": {"control-plane", "load-balancer"},
            "w1": {"worker"},
            "w2": {"worker"},
        }
        assert (hosts["w1"].taints, hosts["w2"].taints) == ((Taint(key="gpu", effect="NoSchedule"),), ())
        assert (hosts["w1"].kubelet_extra_args, hosts["c1"].taints) == ((Arg(name="v", value="4"),), None)
        assert (hosts["c1"].internal_address, hosts["w1"].labels) == ("10.1.0.1", {"disk": "ssd"})
        assert hosts["c2"].ignore_preflight_errors == ("NumCPU",)
        c1, w1 = (settings(of, hosts[name]) for name in ("c1", "w1"))
        assert (c1.user, c1.port, c1.config_file) == ("admin", 2222, "/ssh_config")
        assert (w1.user, w1.jump, w1.config_file) == ("root", "b", "/ssh_config")
    assert after.configuration.cluster == before.configuration.cluster
    assert after.configuration.this_node == before.configuration.this_node
    assert after.cluster.load_balancer == before.cluster.load_balancer
    assert after.cluster.network == before.cluster.network
    nodes = {"c1": node("c1"), "w1": node("w1", pod_cidrs=("10.244.1.0/24",), addresses=("10.0.0.3",))}
    wanted, found = (digests_of(of, network_variables(of, nodes)) for of in (before, after))
    assert found == wanted, "nothing is to be prepared again"


def test_a_script_and_a_file_of_kubeadms_documents_go_together(tmp_path):
    script, kubeadm = tmp_path / "hosts", tmp_path / "kubeadm.yaml"
    script.write_text(SCRIPT)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    kubeadm.write_text("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nclusterName: of-the-file\n")
    fleet = described(script, file=str(kubeadm))
    assert [host.name for host in fleet.cluster.hosts] == ["c1"]
    assert fleet.configuration.cluster.cluster_name == "of-the-file"


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        (["w1"], "there is no control plane"),
        (["here"], "here is not reached by ssh"),
        (["newer", "older"], "a cluster has one version"),
        (["forwarding"], "only -o NAME=VALUE, -J and -F are understood"),
    ],
)
def test_what_no_cluster_can_be_made_of_is_refused(of, hosts, sentence):
    with pytest.raises(PykubeadmError, match=sentence):
        of(*hosts)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "hosts",
            "[workers]\nw1 ansible_become_password=half secret\n",
            r"hosts:2:1: .* put a value that has spaces into quotes$",
        ),
        ("hosts", "[workers]\nw1\n[all:children]\nnope\n", r"hosts:[34]:1: .*undefined group"),
        ("hosts", "[workers\nw1\n", r"hosts:1:1: .*a bracket begins a section, as in \[workers\]"),
        ("hosts.yml", "all:\n  hosts:\n    w1: a: b\n", r"hosts.yml:3:10: the text is not valid YAML: mapping values"),
        ("script", "#!/bin/sh\nexit 3\n", r"script: the script failed( with status 3)?; run it with --list to see why$"),
        ("script", "#!/bin/sh\necho no\n", r"script: what the script prints is not an inventory in JSON"),
        ("script", "no program\n", r"script: the script cannot be started: Exec format error$"),
    ],
)
def test_what_ansible_cannot_read_is_said_with_its_place(name, text, said, tmp_path):
    """Before ansible-core 2.19 it is the line after the undefined group, and the status of a script is not known."""
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o755 if name == "script" else 0o644)
    with pytest.raises(ConfigError, match=said) as error:
        described(path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("variable", ["kubelet_version", "cni_network", "pykubeadm_host"])
def test_a_template_that_says_nothing_is_not_taken_for_the_default(variable, tmp_path):
    path = tmp_path / "hosts"
    path.write_text(f"[control_planes]\nc1 {variable}='{{{{ typo }}}}'\n")
    with pytest.raises(PykubeadmError, match=r"^c1: cannot read what is said of the host: .*'typo' is undefined"):
        described(path)
