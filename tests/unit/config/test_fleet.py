"""cluster.yaml: what is read of it, and what is refused, with its place."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pykubeadm.config.fleet import Fleet
from pykubeadm.config.host import ANY_HOST
from pykubeadm.config.read_fleet import read_fleet
from pykubeadm.config.reading import Environment
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, Problem

CHECKOUT = Path(__file__).resolve().parents[3]
WHOLE = """\
apiVersion: pykubeadm.cluster/v1
kind: Cluster
ssh: {user: admin}
hosts:
- name: c1
  address: 10.0.0.11
  parts: [control-plane]
- name: w1
  address: 10.0.0.21
  parts: [worker]
  labels: {disk: ssd}
  ssh: {user: root, port: 2222}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
networking: {podSubnet: 10.244.0.0/16}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 50
"""


def read(text: str, notes: list[str] | None = None) -> Fleet:
    environment = Environment(
        host=ANY_HOST,
        new_token=lambda: "abcdef.0123456789abcdef",
        manifest=lambda path: "gone.yaml is not a file here, or an empty one" if path == "gone.yaml" else "",
        note=(notes if notes is not None else []).append,
    )
    return read_fleet(Source("cluster.yaml", text.encode()), environment)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(text)
    return str(refused.value).splitlines()


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        read(text)
    except ConfigError as refused:
        return refused.problems
    return ()


def hosts(*described: str) -> str:
    listed = "".join(f"- {{{each}}}\n" for each in described)
    return f"apiVersion: pykubeadm.cluster/v1\nkind: Cluster\nhosts:\n{listed}"


def test_hosts_and_kubeadms_documents_are_read_from_one_file():
    fleet = read(WHOLE)
    assert [host.name for host in fleet.cluster.having("worker")] == ["w1"]
    assert fleet.cluster.hosts[1].ssh.port == 2222
    assert fleet.configuration.cluster.networking.pod_subnet == "10.244.0.0/16"
    assert fleet.configuration.kubelet["maxPods"] == 50
    assert fleet.names_version


ONE = hosts("name: c1, parts: [control-plane]")
BALANCED = hosts("name: c1, address: 10.0.0.1, parts: [control-plane]", "name: l1, address: 10.0.0.2, parts: [load-balancer]")


def test_every_problem_is_said_with_its_place():
    wrong = (
        WHOLE.replace("ssh: {user: admin}", "ssh: {usr: admin}")
        .replace("[worker]", "[minion]")
        .replace("podSubnet", "podSubnets")
        .replace("maxPods: 50", "maxPods: many")
    )
    found = problems(wrong)
    assert found[0] == 'cluster.yaml:3:7: ssh.usr: there is no such field; did you mean "user"?'
    assert found[1].startswith('cluster.yaml:10:11: hosts[1].parts[0]: "minion" is not known; it is one of control-plane, worker')
    assert [line.split(":")[1] for line in found] == ["3", "10", "17", "21"]


@pytest.mark.parametrize(
    ("text", "where", "sentence"),
    [
        (hosts(), "3:1", "there are no hosts"),
        (hosts("name: w1, parts: [worker]"), "4:1", "there is no control plane"),
        (hosts("name: c1, parts: [control-plane]", "name: c1, parts: [worker]"), "5:10", "c1 is given twice"),
        (hosts("name: c1, address: a, parts: [control-plane]", "name: c2, address: a, parts: [worker]"), "5:23", "hosts[0], too"),
        (hosts("name: c1, parts: [control-plane]", "name: c2, parts: [control-plane]"), "4:1", "need one address"),
        (hosts("name: c_1, parts: [control-plane]"), "4:10", '"c_1" is not a DNS name'),
        (hosts("name: c1, address: -oX, parts: [control-plane]"), "4:23", '"-oX" is not an IP address or host name'),
        (hosts("name: c1, address: a..b, parts: [control-plane]"), "4:23", '"a..b" is not an IP address or host name'),
        (hosts(f"name: c1, address: {'a' * 64}.b, parts: [control-plane]"), "4:23", "is not an IP address or host name"),
        (hosts("name: c1, parts: []"), "4:3", "the host has no parts"),
        (hosts("name: c1, parts: [control-plane], state: gone"), "4:45", '"gone" is not known'),
        (hosts("name: c1, parts: [control-plane], taints: [{key: a}]"), "4:47", "a taint needs an effect"),
        (
            hosts("name: c1, parts: [control-plane], variables: {ansible_user: x}"),
            "4:64",
            "is not a variable of a role",
        ),
        (
            hosts("name: c1, parts: [control-plane, load-balancer]") + "loadBalancer: {}\n",
            "5:15",
            "6443 is the API server's on c1",
        ),
        (
            hosts("name: c1, parts: [control-plane]", "name: l1, parts: [load-balancer]", "name: l2, parts: [load-balancer]"),
            "1:1",
            "several load balancers need an address",
        ),
        (
            hosts("name: c1, address: 10.0.0.1, parts: [control-plane, etcd]"),
            "4:40",
            "a host with the part etcd has no other",
        ),
        (
            hosts("name: c1, parts: [control-plane]", "name: e1, address: e1.example.com, parts: [etcd]"),
            "5:3",
            "reach etcd by an IP address",
        ),
        (
            hosts("name: c1, parts: [control-plane]", "name: e1, address: 127.0.0.1, ssh: {port: 2201}, parts: [etcd]"),
            "5:3",
            "reach etcd by an IP address",
        ),
        (
            hosts(
                "name: c1, internalAddress: 10.0.0.1, parts: [control-plane]",
                "name: w1, internalAddress: 10.0.0.1, parts: [worker]",
            ),
            "5:31",
            "10.0.0.1 is the internalAddress of hosts[0], too",
        ),
        (hosts("name: c1, internalAddress: 127.0.0.1, parts: [control-plane]"), "4:31", "no other node finds it at 127.0.0.1"),
        (
            hosts("name: c1, internalAddress: 10.0.0.1, parts: [control-plane]", "name: l1, parts: [load-balancer]")
            + "loadBalancer: {address: 10.0.0.1, interface: eth0}\n",
            "6:25",
            "10.0.0.1 is c1's own address",
        ),
        (
            hosts(
                "name: c1, address: 127.0.0.1, ssh: {port: 2222}, parts: [control-plane]",
                "name: l1, address: 10.0.0.9, parts: [load-balancer]",
            ),
            "4:3",
            "load balancers find no control plane at 127.0.0.1: give it an internalAddress",
        ),
        (
            hosts(
                "name: c1, address: 10.0.0.1, parts: [control-plane]",
                "name: l1, address: localhost, ssh: {port: 2222}, parts: [load-balancer]",
            ),
            "5:3",
            "nodes find no load balancer at localhost: give it an internalAddress",
        ),
        (
            hosts(
                "name: c1, address: 10.0.0.1, parts: [control-plane]",
                "name: l1, address: 10.0.0.8, parts: [load-balancer]",
                "name: l2, parts: [load-balancer]",
            )
            + "loadBalancer: {address: 10.0.0.99, interface: eth0}\n",
            "6:3",
            "load balancers speak to each other by IP addresses",
        ),
        (
            hosts("name: c1, parts: [control-plane]", "name: e1, address: 10.0.0.1, parts: [etcd]")
            + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
            + "etcd: {external: {endpoints: ['https://10.0.0.9:2379']}}\n",
            "4:1",
            "choose one",
        ),
        (hosts("name: c1, parts: [control-plane]") + "network: {plugin: manifest}\n", "5:10", "needs the manifest's path"),
        (ONE + "network: {plugin: manifest, manifest: gone.yaml}\n", "5:39", "gone.yaml is not a file here, or an empty one"),
        (ONE + "network: {plugin: manifest, manifest: 'ftp://x'}\n", "5:39", '"ftp://x" is not an http or https URL'),
        (ONE + "network: {plugin: manifest, manifest: 'https://'}\n", "5:39", '"https://" is not an http or https URL'),
        (
            hosts("name: c1, address: 10.0.0.256, parts: [control-plane]"),
            "4:23",
            '"10.0.0.256" is not an IP address or host name',
        ),
        (ONE + "network: {plugin: bridge}\n", "5:19", "bridge needs networking.podSubnet in the ClusterConfiguration"),
        (ONE + "network: {plugin: flannel}\n", "5:19", "flannel needs networking.podSubnet in the ClusterConfiguration"),
        (ONE + "loadBalancer: {port: 8443}\n", "5:15", "means nothing without a host that has the part load-balancer"),
        (
            BALANCED + "loadBalancer: {address: 10.0.0.9, interface: eth0, prefix: 64}\n",
            "6:60",
            "64 is not a prefix length of 10.0.0.9",
        ),
        (
            BALANCED + "loadBalancer: {address: 10.0.0.9, interface: 'eth0; x'}\n",
            "6:46",
            '"eth0; x" is not the name of a network interface',
        ),
        (
            BALANCED + "loadBalancer: {address: 10.0.0.9, interface: eth0, port: 8443}\n---\n"
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 10.0.0.9\n",
            "6:58",
            "controlPlaneEndpoint is 10.0.0.9:6443, and the load balancer listens on port 8443",
        ),
        (
            hosts(
                "name: c1, address: 10.0.0.1, parts: [control-plane]",
                "name: w1, address: 10.0.0.1, ssh: {port: 22}, parts: [worker]",
            ),
            "5:23",
            "10.0.0.1 is the address of hosts[0], too",
        ),
        (
            hosts("name: c1, address: 'fd00::1', parts: [control-plane]", "name: w1, address: 'fd00:0::1', parts: [worker]"),
            "5:23",
            "fd00:0::1 is the address of hosts[0], too",
        ),
        (ONE + "proxy: {noProxy: [example.com, 'a b']}\n", "5:32", '"a b" is not a name or network'),
        (ONE + "proxy: {noProxy: ['']}\n", "5:19", '"" is not a name or network'),
        (ONE + "variables: {kubelet_version: 1.36.0}\n", "5:30", "the version is kubernetesVersion in the ClusterConfiguration"),
        (
            ONE + "registryMirrors:\n- {registry: 'https://docker.io', urls: ['https://m']}\n",
            "6:14",
            '"https://docker.io" is not a registry such as "docker.io"',
        ),
        (ONE + "registryMirrors:\n- {registry: ../../x, urls: ['https://m']}\n", "6:14", '"../../x" is not a registry'),
        (
            ONE + "registryMirrors:\n- {registry: _default, urls: ['https://m'], ca: ca.crt}\n",
            "6:49",
            '"ca.crt" is not absolute; write the path from /',
        ),
        (
            ONE + "runtime: crio\nregistryMirrors:\n- {registry: docker.io, urls: ['https://m'], only: true}\n",
            "7:52",
            "CRI-O asks the registry itself, too",
        ),
        (
            ONE + "runtime: crio\nregistryMirrors:\n- {registry: docker.io, urls: ['https://m:5000'], ca: /ca.crt}\n",
            "7:55",
            "CRI-O finds it as /etc/containers/certs.d/m:5000/ca.crt",
        ),
        (hosts("name: c1, parts: [control-plane]") + "proxy: {http: squid}\n", "5:15", '"squid" is not an http or https URL'),
        ("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n", "1:1", "the file holds no Cluster"),
        (
            WHOLE + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n",
            "24:7",
            "InitConfiguration is of one node",
        ),
    ],
)
def test_what_cannot_be_is_refused(text, where, sentence):
    found = problems(text)
    assert any(line.startswith(f"cluster.yaml:{where}") and sentence in line for line in found), found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (WHOLE.replace("  address", "\taddress", 1), "a tab cannot indent YAML"),
        (WHOLE.replace("kind: Cluster\n", "kind: Clustr\n"), "Cluster, ClusterConfiguration"),
    ],
)
def test_of_a_file_that_cannot_be_read_nothing_is_said_to_be_missing(text, sentence):
    found = problems(text)
    assert any(sentence in line for line in found), found
    assert not [line for line in found if "holds no Cluster" in line]


@pytest.mark.parametrize(
    ("plugin", "networking", "named"),
    [
        ("flannel", "{podSubnet: 10.0.0.0/16}", ["10.0.0.11 of c1 is one of the pods' 10.0.0.0/16", "10.0.0.21 of w1"]),
        (
            "bridge",
            "{podSubnet: 10.8.0.0/16, serviceSubnet: 10.0.0.16/28}",
            ["10.0.0.21 of w1 is one of the Services' 10.0.0.16/28"],
        ),
        ("none", "{podSubnet: 10.0.0.0/16}", []),  # of a network that may give pods such addresses on purpose
        ("none", "{serviceSubnet: 10.0.0.0/24}", ["10.0.0.11 of c1 is one of the Services' 10.0.0.0/24", "10.0.0.21 of w1"]),
        ("flannel", "{podSubnet: 10.244.0.0/16}", []),
    ],
)
def test_addresses_of_machines_that_pods_or_services_would_take_are_named(plugin, networking, named):
    """A warning: of a cluster that is there it cannot be changed any more."""
    notes: list[str] = []
    text = WHOLE.replace("hosts:", f"network: {{plugin: {plugin}}}\nhosts:", 1)
    text = text.replace("networking: {podSubnet: 10.244.0.0/16}", f"networking: {networking}")
    read(text, notes)
    assert len(notes) == len(named)
    assert all(part in note for part, note in zip(named, notes, strict=True))


def test_schema_and_reference_are_those_of_the_models():
    spec = importlib.util.spec_from_file_location("schema", CHECKOUT / "tools" / "schema.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name, text in tool.texts().items():
        assert (tool.REFERENCE / name).read_text() == text, "run python tools/schema.py"


def test_the_schema_takes_what_is_read_and_refuses_unknown_fields():
    schema = json.loads((CHECKOUT / "docs" / "reference" / "cluster.schema.json").read_text())
    document = next(yaml.safe_load_all(WHOLE))
    assert set(document) <= set(schema["properties"])
    assert set(document["hosts"][1]) <= set(schema["properties"]["hosts"]["items"]["properties"])
    assert schema["additionalProperties"] is False


def test_machines_behind_one_address_are_fine_where_it_is_not_needed():
    one, two = "127.0.0.1, ssh: {port: 2201}", "127.0.0.1, ssh: {port: 2202}"
    without = (f"name: c1, address: {one}, parts: [control-plane]", f"name: w1, address: {two}, parts: [worker]")
    assert not problems_of(hosts(*without))
    with_inner = (
        f"name: c1, address: {one}, internalAddress: 10.0.0.1, parts: [control-plane]",
        f"name: l1, address: {two}, internalAddress: 10.0.0.2, parts: [load-balancer]",
        "name: old, address: 10.0.0.7, internalAddress: 10.0.0.1, parts: [worker], state: absent",
    )
    assert not problems_of(hosts(*with_inner))


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda of: st.lists(of) | st.dictionaries(st.text(max_size=8), of),
    )
)
def test_no_document_does_harm(value):
    text = yaml.safe_dump(
        {"apiVersion": "pykubeadm.cluster/v1", "kind": "Cluster", "hosts": value, "ssh": value, "network": value}
    )
    for problem in problems_of(text):
        assert problem.line
