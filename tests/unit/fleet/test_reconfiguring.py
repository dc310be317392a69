"""Which machine of a fleet takes the file when it is reconfigured, in which order the others follow, and what a failure stops."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIServer,
    Arg,
    ClusterConfiguration,
    Etcd,
    ExternalEtcd,
    Networking,
    NodeRegistration,
    ThisNode,
)
from pykubeadm.config.read_change import read_change
from pykubeadm.config.reading import Environment
from pykubeadm.errors import ConfigError, NodeError, PhaseError, Problem, PykubeadmError
from pykubeadm.fleet import command
from pykubeadm.fleet.documents import change_source
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described, describe
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.reconfiguring import run_reconfigure
from pykubeadm.workflow.events import Planned, Result, RunFinished
from tests.support.fleets import DIGESTS, bare, cluster, control_plane, fleet, host, node, plan_of, unreachable, worker
from tests.support.node import FakeNode

HOSTS = (host("w1"), host("c1", "control-plane"), host("w2"), host("c2", "control-plane"), host("lb", "load-balancer"))


class Desk:
    """`reconfigure` on the machines of a fleet, faked. `done` are those it ran on, "file" behind those that were given one;
    `does` maps a host's name to what happens there."""

    def __init__(self, monkeypatch, *hosts):
        self.hosts = hosts or HOSTS
        self.described = Described(fleet(*self.hosts))
        self.dead, self.bare, self.cut_off, self.answering = (), (), (), True
        self.does, self.done, self.events, self.options = {}, [], [], {}
        monkeypatch.setattr(command, "digests_of", lambda *_: dict.fromkeys((each.name for each in self.hosts), DIGESTS))
        monkeypatch.setattr(command, "look", self.look)
        monkeypatch.setattr("pykubeadm.commands.reconfigure.command.reconfigure", self.reconfigure)

    def look(self, _described, _machines, hosts, _told):
        seed = cluster("c1", *(node(each.name) for each in self.hosts)) if self.answering else None
        return Facts({each.name: self.machine(each) for each in hosts}, seed)

    def machine(self, which):
        if which.name in self.dead:
            return unreachable(which.name)
        if which.name in self.bare or "load-balancer" in which.parts:
            return bare(which.name)
        made = control_plane if "control-plane" in which.parts else worker
        return made(which.name, reconfiguring=which.name in self.cut_off)

    def reconfigure(self, options, emit, *, choose, name, machine, source=None):
        assert name == "reconfigure"
        assert any(step.path == "upload-config/kubeadm" for step in choose(()))
        self.options[machine.name] = options
        self.does.get(machine.name, lambda _emit: None)(emit)
        self.done.append(f"{machine.name} file" if source else machine.name)

    @contextmanager
    def connect(self, which):
        if which.name in self.dead:
            raise NodeError(f"{which.name} cannot be reached")
        yield FakeNode(which.name)

    def run(self, *, dry_run=False, **options):
        run_reconfigure(self.described, Options(**options), self.events.append, dry_run=dry_run, connect=self.connect)


@pytest.fixture
def desk(monkeypatch):
    return Desk(monkeypatch)


def raising(error):
    def run(_emit):
        raise error

    return run


def test_the_first_control_plane_takes_the_file_and_all_others_follow_one_by_one(desk):
    desk.run()
    assert desk.done == ["c1 file", "c2", "w1", "w2"]


def test_what_was_cut_off_on_a_control_plane_is_finished_first(desk):
    desk.cut_off = ("c2",)
    desk.run()
    assert desk.done == ["c2 file", "c1", "w1", "w2"]


def test_the_only_control_plane_whose_api_server_was_being_replaced_goes_on(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"))
    desk.answering, desk.cut_off = False, ("c1",)
    desk.run()
    assert desk.done == ["c1 file"]


def test_without_an_api_server_and_nothing_begun_nothing_is_done(desk):
    desk.answering = False
    with pytest.raises(PhaseError, match="no control plane's API server answers"):
        desk.run()
    assert desk.done == []


def test_after_a_failure_no_further_host_is_begun(desk):
    desk.does["c2"] = raising(PhaseError("gave up waiting for kube-apiserver; everything was put back"))
    with pytest.raises(PykubeadmError, match="c2: gave up waiting for kube-apiserver"):
        desk.run()
    assert desk.done == ["c1 file"]
    assert desk.events[-1].exit_status == PhaseError.exit_status


def test_nothing_is_changed_while_a_control_plane_cannot_be_reached(desk):
    desk.dead = ("c2",)
    with pytest.raises(NodeError, match="c2 cannot be reached\nnothing was changed"):
        desk.run()
    assert desk.done == []
    assert isinstance(desk.events[-1], RunFinished)


def test_a_dead_worker_is_named_and_the_others_follow(desk):
    desk.dead = ("w1",)
    with pytest.raises(PykubeadmError, match="w1 cannot be reached"):
        desk.run()
    assert desk.done == ["c1 file", "c2", "w2"]


def test_a_machine_that_is_not_in_the_cluster_is_left_alone(desk):
    desk.bare = ("w2",)
    desk.run(limit=("w1", "w2"))
    assert desk.done == ["w1"]


def test_another_version_is_refused_before_anything_changes(desk):
    desk.described = Described(fleet(*HOSTS, version="v1.35.6"))
    with pytest.raises(PhaseError, match=r"the file says v1\.35\.6: `pykubeadm cluster upgrade`"):
        desk.run()
    assert desk.done == []


def test_when_the_time_is_over_no_further_host_begins(desk, monkeypatch):
    desk.does["c1"] = lambda _emit: monkeypatch.setattr("pykubeadm.fleet.options.Options.left", 0.0)
    with pytest.raises(PykubeadmError, match="c2 was not begun when --timeout ended the run"):
        desk.run(timeout=60)
    assert desk.done == ["c1 file"]


def test_checks_that_the_file_ignores_are_ignored(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane", ignore_preflight_errors=("Swap",)))
    desk.run()
    assert desk.options["c1"]["ignore_preflight_errors"] == ("Swap",)


def test_each_kubelet_gets_the_flags_that_the_file_has_for_its_host(monkeypatch):
    flags = (Arg(name="v", value="4"),)
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1", kubelet_extra_args=flags), host("w2"))
    desk.run()
    assert [desk.options[name]["kubelet_extra_args"] for name in ("c1", "w1", "w2")] == [(), flags, ()]
    desk.done.clear()
    desk.does["c1"] = lambda emit: emit(Result(name="difference", text="+ flag of c1", data={}))
    desk.run(dry_run=True)
    assert desk.done == ["c1 file", "w1"], "of workers those with flags of their own"


def test_a_dry_run_shows_each_difference_once_and_asks_each_control_plane_with_the_file(desk):
    def showing(*texts):
        return lambda emit: [emit(Result(name="difference", text=text, data={})) for text in texts]

    desk.does |= {"c1": showing("+ flag of c1", "+ the cluster's"), "c2": showing("+ flag of c2", "+ the cluster's")}
    desk.run(dry_run=True)
    assert desk.done == ["c1 file", "c2 file"], "what workers will get is not in the cluster yet"
    assert all(options["dry_run"] for options in desk.options.values())
    assert [event.text for event in desk.events if isinstance(event, Planned)] == [
        "c1:\n+ flag of c1\n+ the cluster's",
        "c2:\n+ flag of c2",
    ]
    assert desk.events[-1] == RunFinished(outcome="changed", changed=3, exit_status=0)


def test_a_dry_run_looks_at_workers_where_the_cluster_is_as_the_file_says(desk):
    desk.does["w2"] = lambda emit: emit(Result(name="difference", text="+maxPods: 77", data={}))
    desk.run(dry_run=True)
    assert desk.done == ["c1 file", "c2 file", "w1", "w2"]
    assert [event.text for event in desk.events if isinstance(event, Planned)] == ["w2:\n+maxPods: 77"]


def test_what_cannot_be_changed_is_said_without_lines_of_a_file_that_the_user_never_saw(desk):
    desk.does["c1"] = raising(ConfigError([Problem("the file", 7, 3, "networking.podSubnet", "cannot become 10.9.0.0/16")]))
    with pytest.raises(PykubeadmError, match=r"^c1: the file: networking\.podSubnet: cannot become 10\.9\.0\.0/16") as refused:
        desk.run()
    assert refused.value.exit_status == ConfigError.exit_status


def test_the_file_s_documents_are_what_reconfigure_reads_and_missing_ones_change_nothing():
    whole = fleet(*HOSTS)
    kubelet = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 50}
    whole = replace(whole, configuration=replace(whole.configuration, kubelet=kubelet))
    source = change_source(whole, {})
    node = ThisNode(NodeRegistration(name="c1"))
    environment = Environment(host=HostFacts("c1", default_ipv4="10.0.0.9"), new_token=lambda: "none.needed")
    changed = read_change(source, whole.configuration.cluster, lambda: kubelet, node, environment)
    assert changed.kubelet["maxPods"] == 50
    assert changed.cluster.control_plane_endpoint == "api.example.com:6443"
    assert changed.kube_proxy == {}
    without = replace(whole, describes_cluster=False)
    assert [each["kind"] for each in yaml.safe_load_all(change_source(without, {}).content)] == ["KubeletConfiguration"]
    assert change_source(replace(without, configuration=replace(whole.configuration, kubelet={})), {"clusterName": "x"}) is None
    unversioned = replace(whole, names_version=False)
    assert b"kubernetesVersion" not in change_source(unversioned, {}).content


def described_by(tmp_path, *documents):
    path = tmp_path / "cluster.yaml"
    path.write_text("---\n".join([FILE, *documents]))
    return describe(str(path), (), lambda _note: None).fleet


FILE = """\
apiVersion: pykubeadm.cluster/v1
kind: Cluster
hosts:
- {name: e1, address: 10.0.0.1, parts: [etcd]}
- {name: e2, address: 10.0.0.2, parts: [etcd]}
- {name: c1, address: 10.0.0.3, parts: [control-plane]}
"""
EXTERNAL = ExternalEtcd(
    endpoints=("https://10.0.0.1:2379",), ca_file="/a/ca.crt", cert_file="/a/client.crt", key_file="/a/client.key"
)
STORED = ClusterConfiguration(
    kubernetes_version="v1.36.2",
    cluster_name="prod",
    networking=Networking(service_subnet="10.90.0.0/16", dns_domain="prod.example"),
    api_server=APIServer(cert_sans=("api.example.com",)),
    etcd=Etcd(external=EXTERNAL),
)


def changed_by(fleet_of_file):
    environment = Environment(host=HostFacts("c1", default_ipv4="10.0.0.3"), new_token=lambda: "none.needed")
    source = change_source(fleet_of_file, STORED.document())
    return read_change(source, STORED, dict, ThisNode(NodeRegistration(name="c1")), environment).cluster


def drift(fleet_of_file):
    found = cluster("c1", node("c1"), stored=STORED.document())
    plan = plan_of(fleet_of_file, control_plane("c1"), found=found)
    return [each.sentence for each in plan.drift if "ClusterConf" in each.sentence]


def test_api_servers_get_new_endpoints_of_etcd_though_the_file_has_no_clusterconfiguration(tmp_path):
    described = described_by(tmp_path)
    changed = changed_by(described)
    assert changed.etcd.external.endpoints == ("https://10.0.0.1:2379", "https://10.0.0.2:2379")
    assert (changed.cluster_name, changed.api_server.cert_sans) == ("prod", ("api.example.com",))
    [sentence] = drift(described)
    assert "is not the file's in etcd, which" in sentence


def test_what_the_user_left_out_and_cannot_be_changed_stays_the_clusters(tmp_path):
    written = """\
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
networking: {serviceSubnet: 10.90.0.0/16}
apiServer: {certSANs: [api.example.com], extraArgs: {v: "4"}}
"""
    described = described_by(tmp_path, written)
    changed = changed_by(described)
    assert (changed.cluster_name, changed.networking.dns_domain) == ("prod", "prod.example")
    assert [(argument.name, argument.value) for argument in changed.api_server.extra_args] == [("v", "4")]
    assert len(changed.etcd.external.endpoints) == 2
    [sentence] = drift(described)
    assert "is not the file's in etcd, apiServer, which" in sentence
