"""`cluster certs` and `cluster etcd`: on which machines the nodes' own commands run, and what an unreachable one means."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from pykubeadm.config.model import LocalEtcd
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet import certs as certs_of_fleet
from pykubeadm.fleet.certs import expirations, run_renew
from pykubeadm.fleet.etcd import members, save_snapshot
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.workflow.events import NodeProgress, RunStarted
from tests.support.fleets import fleet, host, ready
from tests.support.init_runs import init_run, perform
from tests.support.node import FakeNode

HOSTS = (
    host("c1", "control-plane"),
    host("w1"),
    host("c2", "control-plane"),
    host("c3", "control-plane"),
    host("gone", "control-plane", state="absent"),
)
API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"


class Desk:
    """A fleet of which each control plane has a manifest of an API server; `dead` cannot be reached."""

    described = Described(fleet(*HOSTS))

    def __init__(self):
        self.nodes = {each.name: FakeNode(each.name) for each in HOSTS}
        self.dead, self.events = set(), []
        for name in ("c1", "c2", "c3"):
            self.nodes[name].put(API_SERVER, "kind: Pod")

    @contextmanager
    def connect(self, which):
        if which.name in self.dead:
            raise NodeError(f"{which.name} cannot be reached")
        yield self.nodes[which.name]

    def renew(self, name="all", **options):
        run_renew(self.described, name, Options(**options), self.events.append, connect=self.connect)

    def save(self, **given):
        save_snapshot(self.described, given, Options(), self.events.append, connect=self.connect)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def renewed(monkeypatch):
    """The machines on which certificates were renewed, in order."""
    done = []
    monkeypatch.setattr(
        "pykubeadm.commands.certs.renew.renew", lambda name, _options, _emit, *, machine: done.append((machine.name, name))
    )
    return done


def test_certificates_are_renewed_on_one_control_plane_after_the_other(desk, renewed):
    desk.renew("apiserver")
    assert renewed == [("c1", "apiserver"), ("c2", "apiserver"), ("c3", "apiserver")]
    desk.renew(limit=("c2",))
    assert [event.node for event in desk.events if isinstance(event, RunStarted)] == ["3 hosts", "1 host"]


def test_hosts_of_etcd_come_first_and_control_planes_are_given_what_they_show_it(desk, renewed):
    hosts = (host("c1", "control-plane"), host("gone", "etcd"))
    desk.described = Described(replace(fleet(*hosts), members=LocalEtcd()))
    names = ("etcd/ca.crt", "apiserver-etcd-client.crt", "apiserver-etcd-client.key")
    for name in names:
        desk.nodes["gone"].put(f"/etc/kubernetes/pki/{name}", f"the {name} of now")
    desk.renew("all")
    assert renewed == [("gone", "all"), ("c1", "all")]
    assert all(desk.nodes["c1"].text(f"/etc/kubernetes/pki/{name}") == f"the {name} of now" for name in names)


def test_one_that_cannot_be_reached_is_named_and_the_others_are_renewed(desk, renewed):
    desk.dead = {"c1"}
    with pytest.raises(PykubeadmError, match="c1 cannot be reached"):
        desk.renew()
    assert [name for name, _ in renewed] == ["c2", "c3"]


def test_after_a_failure_none_is_begun(desk, monkeypatch):
    begun = []

    def renew(_name, _options, _emit, *, machine):
        begun.append(machine.name)
        if machine.name == "c2":
            raise PhaseError("the CA's key is not there")

    monkeypatch.setattr("pykubeadm.commands.certs.renew.renew", renew)
    with pytest.raises(PykubeadmError, match="c2: the CA's key is not there"):
        desk.renew()
    assert begun == ["c1", "c2"]
    assert [event.outcome for event in desk.events if isinstance(event, NodeProgress) and not event.step] == ["changed", "failed"]


def test_only_those_of_the_limit(desk, renewed):
    desk.renew(limit=("w1", "c3"))
    assert renewed == [("c3", "all")]


def test_control_planes_get_the_client_of_a_healthy_member_and_the_file_says_where_certificates_are(desk, monkeypatch):
    hosts = (host("e1", "etcd"), host("e2", "etcd"), host("c1", "control-plane"))
    whole = fleet(*hosts)
    configuration = replace(whole.configuration, cluster=replace(whole.configuration.cluster, certificates_dir="/srv/pki"))
    desk.described = Described(replace(whole, configuration=configuration, members=LocalEtcd()))
    desk.nodes |= {name: FakeNode(name) for name in ("e1", "e2")}
    for name in ("e1", "e2"):
        for file in ("etcd/ca.crt", "apiserver-etcd-client.crt", "apiserver-etcd-client.key"):
            desk.nodes[name].put(f"/srv/pki/{file}", name)
    seen = {"e1": ready("e1", etcd=True, etcd_ailment="it sees no leader"), "e2": ready("e2", etcd=True)}
    monkeypatch.setattr(certs_of_fleet, "look", lambda *_: Facts(seen))
    flags = {}
    monkeypatch.setattr(
        "pykubeadm.commands.certs.renew.renew", lambda _name, options, _emit, *, machine: flags.update({machine.name: options})
    )
    desk.renew()
    assert flags == {"e1": {"cert_dir": "/srv/pki"}, "e2": {"cert_dir": "/srv/pki"}, "c1": {}}
    assert desk.nodes["c1"].read("/srv/pki/etcd/ca.crt") == b"e2"


def test_a_certificate_that_there_is_not_is_refused_before_any_machine_is_asked(desk, renewed):
    with pytest.raises(UsageError, match=r"there is no certificate apiserfer; there are all, .*apiserver"):
        desk.renew("apiserfer")
    assert renewed == []


def test_when_certificates_expire_is_read_on_each_control_plane(desk):
    desk.nodes["c2"].remove([API_SERVER])
    perform(init_run(desk.nodes["c2"])[0], certs, kubeconfig, control_plane)
    desk.dead = {"c3"}
    found = expirations(desk.described, Options(), desk.events.append, connect=desk.connect)
    assert list(found) == ["c1", "c2", "c3"]
    assert all(entry.expires is None for entry in found["c1"].leaves)
    assert {entry.name for entry in found["c2"].leaves if entry.expires is None} == set()
    assert isinstance(found["c3"], NodeError)


def test_etcd_is_asked_on_the_first_control_plane_that_can_be_reached_and_is_one(desk, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "pykubeadm.commands.etcd.members.report_members", lambda _options, _emit, *, machine: asked.append(machine.name)
    )
    desk.dead = {"c1"}
    desk.nodes["c2"].remove([API_SERVER])
    members(desk.described, Options(), desk.events.append, connect=desk.connect)
    assert asked == ["c3"]
    desk.dead = {"c1", "c3"}
    with pytest.raises(PhaseError, match="c1 cannot be reached\nc2 is not a control plane yet\nc3 cannot be reached"):
        members(desk.described, Options(), desk.events.append, connect=desk.connect)


def test_a_snapshot_s_place_is_the_control_plane_s(desk, monkeypatch):
    saved = []
    monkeypatch.setattr("pykubeadm.commands.etcd.save.save", lambda given, _emit, *, machine: saved.append((machine.name, given)))
    desk.save(store="/backups")
    desk.save(store="s3://bucket/prefix")
    with pytest.raises(UsageError, match="--store: backups would lie on a control plane"):
        desk.save(store="backups")
    assert saved == [("c1", {"store": "/backups"}), ("c1", {"store": "s3://bucket/prefix"})]
