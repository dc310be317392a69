"""The pod network: what each machine's bridge and routes are made of, and what is noted on it."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pykubeadm.ansible.results import HostSummary, Summary, TaskEnded
from pykubeadm.config.fleet import Network
from pykubeadm.config.model import Networking
from pykubeadm.errors import NodeError
from pykubeadm.fleet.admission import Open, new_admission
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.network import apply_network, network_variables
from pykubeadm.fleet.preparing import digests_of
from pykubeadm.fleet.progress import of_host
from pykubeadm.fleet.variables import digest
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from tests.support.api import FakeApi
from tests.support.fleets import fleet, host, node
from tests.support.node import FakeNode

HOSTS = (host("c1", "control-plane"), host("w1"))
MANIFEST = """apiVersion: v1
kind: Pod
metadata: {annotations: {kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: "10.0.0.1:6443"}}
spec: {containers: [{name: kube-apiserver, command: [kube-apiserver]}]}
"""


def described(plugin: str, **more: str) -> Described:
    base = fleet(*HOSTS, plugin=plugin)
    kubeadm = replace(base.configuration.cluster, networking=Networking(pod_subnet="10.244.0.0/16"))
    cluster = replace(base.cluster, network=Network(plugin=plugin, **more))
    return Described(replace(base, cluster=cluster, configuration=replace(base.configuration, cluster=kubeadm)))


def joined(name: str, cidrs: str, addresses: str) -> dict[str, object]:
    """Of both families with spaces between them."""
    status = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses.split()]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDRs": cidrs.split()}, "status": status}


@pytest.fixture
def played(monkeypatch):
    """What ansible-playbook was given: (playbook, options, inventory), with the variables that were late in their places."""
    runs = []

    def play(space, playbook, report, *, late, **options):
        known = late()
        documents = [resolved(yaml.safe_load(Path(path).read_text()), known) for path in space.inventories]
        shared = documents[0]["all"]["vars"]
        runs.append((playbook, options | {"hosts": known["bridge_hosts"], "server": shared.get("cni_server")}, documents[-1]))
        report(TaskEnded("w1", "pykubeadm.kube.cni", "Write the bridge network and its routes", "changed"))
        return Summary({"w1": HostSummary(1, 1, 0, 0, 1)})

    monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", play)
    return runs


def resolved(document, known):
    """A document of an inventory as Ansible takes it."""
    if isinstance(document, dict):
        return {name: resolved(value, known) for name, value in document.items()}
    found = re.search(r"/late/(\S+)\.json'\) \| from_json }}$", document) if isinstance(document, str) else None
    return known[found[1]] if found else document


def apply(fleet_: Described, api: FakeApi, joined_now=(), manifest="", nodes=None) -> tuple[dict[str, FakeNode], list]:
    nodes = nodes or {each.name: FakeNode(each.name) for each in HOSTS}
    if manifest:
        nodes["c1"].put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest)
    events: list = []

    @contextmanager
    def connect(which):
        yield nodes[which.name]

    with Machines(connect) as machines:
        seed = Open(HOSTS[0], nodes["c1"], api, new_admission())
        emit = of_host("c1", "network", events.append)
        apply_network(fleet_, machines, HOSTS[0], lambda: seed, emit=emit, joined=lambda: joined_now)
    return nodes, events


def test_each_machine_gets_its_own_addresses_and_routes_to_the_others(played):
    api = FakeApi()
    api.put(joined("c1", "10.244.0.0/24", "10.0.0.1"))
    api.put(joined("w1", "10.244.1.0/24", "10.0.0.2"))
    nodes, events = apply(described("bridge"), api)
    [(playbook, options, inventory)] = played
    assert (playbook, options["limit"]) == ("bridge", "c1,w1")
    own = inventory["all"]["hosts"]["w1"]
    assert own["cni_pod_cidrs"] == ["10.244.1.0/24"]
    assert own["cni_routes"] == [{"cidr": "10.244.0.0/24", "via": "10.0.0.1"}]
    assert inventory["all"]["children"]["workers"]["hosts"]["w1"]["ansible_host"] == HOSTS[1].address
    assert json.loads(nodes["w1"].text("/var/lib/pykubeadm/network.json")) == {"network": digest(own)}
    assert events[-1].changes == ("w1: write the bridge network and its routes",)


def test_routes_go_by_an_address_of_their_own_family(played):
    api = FakeApi()
    api.put(joined("c1", "10.244.0.0/24 fd00:1::/64", "10.0.0.1 fd00::1"))
    api.put(joined("w1", "10.244.1.0/24 fd00:2::/64", "fd00::2 10.0.0.2"))
    apply(described("bridge"), api)
    [(_playbook, _options, inventory)] = played
    routes = inventory["all"]["hosts"]["c1"]["cni_routes"]
    assert routes == [{"cidr": "10.244.1.0/24", "via": "10.0.0.2"}, {"cidr": "fd00:2::/64", "via": "fd00::2"}]


def test_a_node_without_an_address_of_a_family_is_named(played):
    api = FakeApi()
    api.put(joined("c1", "10.244.0.0/24 fd00:1::/64", "10.0.0.1 fd00::1"))
    api.put(joined("w1", "10.244.1.0/24 fd00:2::/64", "10.0.0.2"))
    with pytest.raises(NodeError, match=r"no route leads to the pods of w1 \(fd00:2::/64\)"):
        apply(described("bridge"), api)
    assert played == []


def test_a_machine_that_joined_just_now_is_waited_for(played):
    class Slow(FakeApi):
        """The kubelet of w1 makes its Node, and then reports its address, while the network is being applied."""

        def list(self, *arguments, **options):
            found = super().list(*arguments, **options)
            if not self.get("v1", "Node", "w1"):
                self.put(joined("w1", "10.244.1.0/24", "10.0.0.2") | {"status": {}})
            else:
                self.put(joined("w1", "10.244.1.0/24", "10.0.0.2"))
            return found

    api = Slow()
    api.put(joined("c1", "10.244.0.0/24", "10.0.0.1"))
    apply(described("bridge"), api, ["c1", "w1"])
    [(_playbook, options, inventory)] = played
    assert options["hosts"] == ["c1", "w1"]
    assert inventory["all"]["hosts"]["c1"]["cni_routes"] == [{"cidr": "10.244.1.0/24", "via": "10.0.0.2"}]


def test_an_api_server_that_is_starting_again_is_waited_for(played):
    api = FakeApi(failures=[ApiUnreachableError("connection refused"), ApiStatusError("no leader", code=500)])
    api.put(joined("c1", "10.244.0.0/24", "10.0.0.1"))
    api.put(joined("w1", "10.244.1.0/24", "10.0.0.2"))
    apply(described("bridge"), api)
    assert len(played) == 1


@pytest.mark.usefixtures("played")
def test_a_machine_that_falls_silent_when_all_is_done_is_the_only_one_that_has_to_do_it_again(monkeypatch):
    api = FakeApi()
    api.put(joined("c1", "10.244.0.0/24", "10.0.0.1"))
    api.put(joined("w1", "10.244.1.0/24", "10.0.0.2"))
    nodes = {each.name: FakeNode(each.name) for each in HOSTS}

    def silent(_files):
        raise NodeError("c1: the connection was lost")

    monkeypatch.setattr(nodes["c1"], "write", silent)
    with pytest.raises(NodeError, match=r"^c1: the connection was lost$"):
        apply(described("bridge"), api, nodes=nodes)
    assert nodes["w1"].stat("/var/lib/pykubeadm/network.json") is not None


@pytest.mark.usefixtures("played")
def test_what_is_noted_is_what_a_plan_compares_with():
    api = FakeApi()
    api.put(joined("c1", "10.244.0.0/24", "10.0.0.1"))
    api.put(joined("w1", "10.244.1.0/24", "10.0.0.2"))
    nodes, _events = apply(described("bridge"), api)
    seen = {
        "c1": node("c1", pod_cidrs=("10.244.0.0/24",), addresses=("10.0.0.1",)),
        "w1": node("w1", pod_cidrs=("10.244.1.0/24",), addresses=("10.0.0.2",)),
    }
    planned = network_variables(described("bridge"), seen)
    for name, machine in nodes.items():
        assert json.loads(machine.text("/var/lib/pykubeadm/network.json"))["network"] == digest(planned[name])


def test_what_runs_as_pods_is_applied_from_one_control_plane(played):
    nodes, _events = apply(described("manifest", manifest="https://example.com/net.yaml"), FakeApi())
    [(playbook, options, inventory)] = played
    assert (playbook, options["limit"]) == ("network", "c1")
    assert inventory["all"]["hosts"]["c1"]["cni_manifest"] == "https://example.com/net.yaml"
    assert nodes["w1"].stat("/var/lib/pykubeadm/network.json") is None


def test_what_runs_as_pods_is_applied_to_the_api_server_that_is_there_not_through_a_load_balancer_that_may_come(played):
    nodes, _events = apply(described("flannel"), FakeApi(), manifest=MANIFEST)
    [(_playbook, options, _inventory)] = played
    assert options["server"] == "https://10.0.0.1:6443"
    assert nodes["c1"].stat("/var/lib/pykubeadm/network.json") is not None


def test_another_content_of_a_manifest_is_another_network(tmp_path):
    def planned(path):
        fleet_ = described("manifest", manifest=str(path))
        return digests_of(fleet_, network_variables(fleet_, {}))["c1"]["network"]

    one, same = tmp_path / "net.yaml", tmp_path / "copy.yaml"
    absent = planned(one)
    one.write_text("kind: DaemonSet")
    same.write_text("kind: DaemonSet")
    before = planned(one)
    assert planned(same) == before != absent
    one.write_text("kind: Deployment")
    assert planned(one) != before


def test_a_bridge_needs_a_pod_subnet():
    fleet_ = Described(fleet(*HOSTS, plugin="bridge"))
    with pytest.raises(NodeError, match=r"networking\.podSubnet"):
        apply(fleet_, FakeApi())
