from __future__ import annotations

from typing import Any

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Arg, ClusterConfiguration, Networking, NodeRegistration, Taint
from pykubeadm.manifests.cluster_objects import kubeadm_config_objects, kubelet_config_objects
from pykubeadm.manifests.kubelet import for_node, kubelet_configuration, kubelet_flags
from pykubeadm.util.component_config import HASH_ANNOTATION

CLUSTER = ClusterConfiguration(kubernetes_version="v1.36.2")


def configured(user: dict[str, Any], cluster: ClusterConfiguration = CLUSTER) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    return kubelet_configuration(cluster, user, lambda _level, message: notes.append(message)), notes


def test_cluster_dns_is_the_tenth_address_of_the_first_subnet() -> None:
    cluster = ClusterConfiguration(kubernetes_version="v1.36.2", networking=Networking(service_subnet="fd00::/112,10.0.0.0/16"))
    document, _ = configured({}, cluster)
    assert document["clusterDNS"] == ["fd00::a"]


def test_values_of_the_users_stay_and_are_reported_where_they_are_unusual() -> None:
    user = {
        "clusterDNS": ["1.1.1.1"],
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": True}},
        "cgroupDriver": "cgroupfs",
    }
    document, notes = configured(user)
    assert document["clusterDNS"] == ["1.1.1.1"]
    assert document["cgroupDriver"] == "cgroupfs"
    assert document["authentication"]["webhook"]["enabled"] is True
    assert notes == [
        "KubeletConfiguration: clusterDNS is 1.1.1.1; recommended is 10.96.0.10",
        "KubeletConfiguration: authentication.anonymous.enabled is true; recommended is false",
        "KubeletConfiguration: healthzPort is 0; recommended is 10248",
    ]


def test_an_empty_list_of_name_servers_is_a_choice() -> None:
    document, notes = configured({"clusterDNS": []})
    assert "clusterDNS" not in document
    assert notes == ["KubeletConfiguration: clusterDNS is empty; recommended is 10.96.0.10"]


def test_certificates_are_always_rotated() -> None:
    assert configured({"rotateCertificates": False})[0]["rotateCertificates"] is True


def test_name_servers_come_from_systemd_resolved_where_it_runs() -> None:
    notes: list[str] = []
    host = HostFacts("cp1", resolved_active=True)
    assert for_node({}, host, lambda _level, message: notes.append(message)) == {"resolvConf": "/run/systemd/resolve/resolv.conf"}
    assert for_node({"resolvConf": "/x"}, host, lambda _level, message: notes.append(message)) == {"resolvConf": "/x"}
    assert len(notes) == 1
    assert for_node({}, HostFacts("cp1"), lambda _level, message: notes.append(message)) == {}


def flags(registration: NodeRegistration, *, join: bool = False) -> str:
    return kubelet_flags(registration, HostFacts("cp1"), register_with_taints=join)


def test_flags_name_the_node_only_where_it_is_not_the_host() -> None:
    assert flags(NodeRegistration(name="cp1")) == 'KUBELET_KUBEADM_ARGS=""\n'
    assert flags(NodeRegistration(name="cp2")) == 'KUBELET_KUBEADM_ARGS="--hostname-override=cp2"\n'


def test_capitals_in_the_hosts_name_make_no_flag() -> None:
    """The kubelet takes its name in lower case by itself."""
    found = kubelet_flags(NodeRegistration(name="node-a"), HostFacts("Node-A"), register_with_taints=False)
    assert found == 'KUBELET_KUBEADM_ARGS=""\n'


def test_taints_are_flags_of_nodes_that_join() -> None:
    taints = (Taint(key="a", value="b", effect="NoExecute"), Taint(key="c", effect="NoSchedule"))
    registration = NodeRegistration(name="cp1", taints=taints)
    assert flags(registration) == 'KUBELET_KUBEADM_ARGS=""\n'
    assert flags(registration, join=True) == 'KUBELET_KUBEADM_ARGS="--register-with-taints=a=b:NoExecute,c:NoSchedule"\n'


def test_quotes_in_arguments_are_escaped() -> None:
    registration = NodeRegistration(name="cp1", kubelet_extra_args=(Arg(name="x", value='a "b" \\'),))
    assert flags(registration) == 'KUBELET_KUBEADM_ARGS="--x=a \\"b\\" \\\\"\n'


def test_the_uploaded_configuration_is_marked_as_kubeadm_marks_it() -> None:
    document, _ = configured({})
    config_map = kubelet_config_objects(document, user_supplied=False)[0]
    # Recorded of kubeadm v1.36.2 for its default KubeletConfiguration, so the text is the same to the byte.
    assert config_map["metadata"]["annotations"] == {
        HASH_ANNOTATION: "sha256:26488e9fc7c5cb5fdda9996cda2e6651a9af5febce07ea02de11bd3ef3f49e9c"
    }


def test_a_configuration_of_the_users_is_not_marked() -> None:
    assert "annotations" not in kubelet_config_objects({}, user_supplied=True)[0]["metadata"]


def test_the_cluster_configuration_is_uploaded_with_its_readers() -> None:
    config_map, role, binding = kubeadm_config_objects(CLUSTER.document())
    assert "kubernetesVersion: v1.36.2\n" in config_map["data"]["ClusterConfiguration"]
    assert role["rules"][0]["resourceNames"] == [config_map["metadata"]["name"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert {subject["name"] for subject in binding["subjects"]} == {
        "system:nodes",
        "system:bootstrappers:kubeadm:default-node-token",
    }
