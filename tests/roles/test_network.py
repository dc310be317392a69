"""The network's manifest, as it is written on the node from which it is applied (in check mode: there is no cluster here)."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

ONE = {"debian12": SYSTEMS["debian12"]}


def manifest(tmp_path, variables):
    recording = record(tmp_path, variables, ONE, playbook="network")
    entry = recording.file("debian12", "/etc/pykubeadm/network.yaml")
    assert entry, recording.output[-2000:]
    return list(yaml.safe_load_all(entry["content"]))


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["10.244.0.0/16"], {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}),
        (
            ["10.244.0.0/16", "fd01::/48"],
            {"Network": "10.244.0.0/16", "EnableIPv6": True, "IPv6Network": "fd01::/48", "Backend": {"Type": "vxlan"}},
        ),
    ],
)
def test_flannel(tmp_path, networks, expected):
    documents = {
        document["kind"]: document for document in manifest(tmp_path, {"cni_network": "flannel", "cni_cluster_cidrs": networks})
    }
    assert json.loads(documents["ConfigMap"]["data"]["net-conf.json"]) == expected
    json.loads(documents["ConfigMap"]["data"]["cni-conf.json"])
    pod = documents["DaemonSet"]["spec"]["template"]["spec"]
    assert {"operator": "Exists"} in pod["tolerations"]
    mounted = {mount["name"] for container in pod["containers"] + pod["initContainers"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_a_manifest_with_values(tmp_path):
    template = tmp_path / "calico.yaml.j2"
    template.write_text("kind: Installation\nspec: {cidr: {{ cni_values.cidr }}}\n")
    (tmp_path / "run").mkdir()
    variables = {"cni_network": "manifest", "cni_manifest": str(template), "cni_values": {"cidr": "10.1.0.0/16"}}
    assert manifest(tmp_path / "run", variables) == [{"kind": "Installation", "spec": {"cidr": "10.1.0.0/16"}}]
