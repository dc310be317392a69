"""Python makes all variables, the argument specs say what they are: both must agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from pykubeadm.ansible.assets import Assets
from pykubeadm.ansible.variables import no_proxy_list, node_variables
from pykubeadm.config.model import Configuration, Networking, NodeRegistration, Taint
from tests.support.init_runs import configuration

ROLES = Path(__file__).resolve().parents[3] / "roles"
PLAYBOOK = {"prepare_runtime"}  # of playbooks/prepare.yml, not of a role


def spec(role: str):
    return yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def changed(base: Configuration, **fields) -> Configuration:
    return replace(base, **fields)


PROXIES = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "intra.example.com"}
CASES = {
    "plain": (configuration(), {}),
    "proxy": (configuration(control_plane_endpoint="api.example.com:6443"), {"proxy_env": PROXIES, "addresses": ["10.0.0.9"]}),
    "worker": (configuration(), {"part": "worker"}),
    "assets": (configuration(), {"assets": Assets("/a/bin", "/a/archives", "/a/images", "1.7.1")}),
    "dual stack": (
        configuration(networking=Networking(service_subnet="10.96.0.0/12,fd00::/108", pod_subnet="10.244.0.0/16,fd01::/48")),
        {},
    ),
    "reserved": (changed(configuration(), kubelet={"kubeReservedCgroup": "/kubelet.slice"}), {}),
    "kubelet": (changed(configuration(), kubelet={"failCgroupV1": False, "failSwapOn": False, "cgroupDriver": "cgroupfs"}), {}),
    "ipvs": (changed(configuration(), kube_proxy={"mode": "ipvs"}), {}),
}


@pytest.mark.parametrize(("config", "arguments"), CASES.values(), ids=CASES.keys())
def test_variables_pass_the_argument_specs(config, arguments):
    variables = node_variables(config, **arguments)
    roles = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
    seen = set(PLAYBOOK)
    for role in roles:
        options = spec(role)
        own = {name: value for name, value in variables.items() if name.startswith(f"{role}_")}
        assert own.keys() <= options.keys(), f"{role} has no variables {own.keys() - options.keys()}"
        result = ArgumentSpecValidator(options).validate(own)
        assert not result.error_messages, result.error_messages
        seen |= own.keys()
    assert variables.keys() == seen


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir() if path.is_dir()))
def test_defaults_are_those_of_the_specs(role):
    """meta/argument_specs.yml is the one place: defaults/main.yml says the same, and nothing else."""
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    options = spec(role)
    assert defaults.keys() <= options.keys()
    for name, option in options.items():
        if "default" in option:
            assert defaults[name] == option["default"], name
        assert option["description"], name


def test_what_the_kubelet_is_reported_the_roles_are_reported():
    variables = node_variables(*CASES["kubelet"][:1])
    assert variables["cgroups_allow_v1"] is True
    assert variables["cgroups_swap"] == "kept"
    assert variables["containerd_systemd_cgroup"] is False
    defaults = node_variables(configuration())
    assert defaults["cgroups_allow_v1"] is False
    assert defaults["cgroups_swap"] == "disabled"
    assert defaults["containerd_systemd_cgroup"] is True


def test_sandbox_image_follows_version_and_repository():
    assert node_variables(configuration())["containerd_sandbox_image"] == "registry.k8s.io/pause:3.10.2"
    mirrored = configuration(kubernetes_version="v1.34.1", image_repository="registry.example.com/k8s")
    assert node_variables(mirrored)["containerd_sandbox_image"] == "registry.example.com/k8s/pause:3.10.1"


def test_no_proxy_holds_everything_of_the_cluster():
    config, arguments = CASES["proxy"]
    found = node_variables(config, **arguments)["containerd_proxy"]
    assert found["https"] == "http://proxy:3128"
    assert {"intra.example.com", "api.example.com", "10.96.0.0/12", ".svc", ".cluster.local", "10.0.0.9", "localhost"} <= set(
        found["no_proxy"]
    )
    assert node_variables(config)["containerd_proxy"] == {}


def test_no_proxy_of_an_ipv6_endpoint():
    assert "fd00::1" in no_proxy_list(configuration(control_plane_endpoint="[fd00::1]:6443"), [""], [])


def test_ip_families():
    assert node_variables(CASES["dual stack"][0])["kernel_ip_families"] == ["ipv4", "ipv6"]
    assert node_variables(configuration())["kernel_ip_families"] == ["ipv4"]


@pytest.mark.parametrize(
    ("socket", "runtime", "path"),
    [
        ("unix:///var/run/containerd/containerd.sock", "containerd", "/run/containerd/containerd.sock"),
        ("unix:///var/run/crio/crio.sock", "crio", "/run/crio/crio.sock"),
        ("unix:/run/crio/crio.sock", "crio", "/run/crio/crio.sock"),
        ("unix:///var/run/cri-dockerd.sock", "none", "/run/cri-dockerd.sock"),
        ("", "containerd", "/run/containerd/containerd.sock"),
    ],
)
def test_runtime_by_socket(socket, runtime, path):
    base = configuration()
    node = replace(base.this_node, node_registration=NodeRegistration(name="n", cri_socket=socket))
    variables = node_variables(changed(base, this_node=node))
    assert (variables["prepare_runtime"], variables["kubelet_cri_socket"]) == (runtime, path)


def test_a_control_plane_without_taints_opens_node_ports():
    base = configuration()
    untainted = replace(base.this_node, node_registration=NodeRegistration(name="n", taints=()))
    tainted = replace(base.this_node, node_registration=NodeRegistration(name="n", taints=(Taint(key="a", effect="NoSchedule"),)))
    assert "30000-32767/tcp" in node_variables(changed(base, this_node=untainted))["firewall_ports"]
    assert node_variables(changed(base, this_node=tainted))["firewall_ports"] == []


def test_slices_of_reserved_resources():
    kubelet = {"kubeReservedCgroup": "/kube.slice/", "systemReservedCgroup": "/system.slice"}
    assert node_variables(changed(configuration(), kubelet=kubelet))["cgroups_slices"] == ["kube.slice"]
