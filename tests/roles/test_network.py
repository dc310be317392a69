"""The network's manifest, as it is written on the node from which it is applied (in check mode: there is no cluster here)."""

from __future__ import annotations

import json

import jinja2
import pytest
import yaml

from tests.roles.conftest import CHECKOUT, record
from tests.roles.systems import SYSTEMS

CLUSTERS = {
    "flannel": {"cni_network": "flannel", "cni_cluster_cidrs": ["10.244.0.0/16"]},
    "flannel-dual-stack": {"cni_network": "flannel", "cni_cluster_cidrs": ["10.244.0.0/16", "fd01::/48"]},
    "manifest": {"cni_network": "manifest", "cni_values": {"cidr": "10.1.0.0/16"}},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """The documents for one of CLUSTERS, each of which is a host of its own."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "calico.yaml.j2").write_text("kind: Installation\nspec: {cidr: {{ cni_values.cidr }}}\n")
    (folder / "run").mkdir()
    systems = dict.fromkeys(CLUSTERS, SYSTEMS["debian12"])
    variables = {"cni_manifest": str(folder / "calico.yaml.j2")}
    recording = record(folder / "run", variables, systems, CLUSTERS, playbook="network")

    def documents(cluster):
        entry = recording.file(cluster, "/etc/pykubeadm/network.yaml")
        assert entry, recording.output[-2000:]
        return list(yaml.safe_load_all(entry["content"]))

    return documents


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ("flannel", {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}),
        (
            "flannel-dual-stack",
            {"Network": "10.244.0.0/16", "EnableIPv6": True, "IPv6Network": "fd01::/48", "Backend": {"Type": "vxlan"}},
        ),
    ],
)
def test_flannel(manifest, cluster, expected):
    documents = {document["kind"]: document for document in manifest(cluster)}
    assert json.loads(documents["ConfigMap"]["data"]["net-conf.json"]) == expected
    json.loads(documents["ConfigMap"]["data"]["cni-conf.json"])
    pod = documents["DaemonSet"]["spec"]["template"]["spec"]
    assert {"operator": "Exists"} in pod["tolerations"]
    mounted = {mount["name"] for container in pod["containers"] + pod["initContainers"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_a_manifest_with_values(manifest):
    assert manifest("manifest") == [{"kind": "Installation", "spec": {"cidr": "10.1.0.0/16"}}]


@pytest.mark.parametrize("server", ["", "https://10.0.0.1:6443"])
def test_the_api_server_that_it_is_applied_to(server):
    tasks = yaml.safe_load((CHECKOUT / "roles/cni/tasks/network.yml").read_text())
    known = {"cni_kubeconfig": "/etc/kubernetes/admin.conf", "cni_server": server}
    kubectl = yaml.safe_load((CHECKOUT / "roles/cni/vars/main.yml").read_text())["cni_kubectl"]
    known["cni_kubectl"] = jinja2.Template(kubectl).render(known)
    commands = [jinja2.Template(task["ansible.builtin.command"]).render(known).split() for task in tasks[-2:]]
    before = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *([f"--server={server}"] if server else [])]
    assert [command[: len(before) + 1] for command in commands] == [[*before, "diff"], [*before, "apply"]]
