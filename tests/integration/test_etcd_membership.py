"""The client and the plan against real etcd members over mutual TLS: added, promoted, lost, replaced."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab import assets
from lab.host import LabError
from pykubeadm.etcd.client import (
    EtcdClient,
    EtcdError,
    EtcdUnreachableError,
    LearnerNotReadyError,
    Member,
    NotALearnerError,
    TooManyLearnersError,
    tls_context,
)
from pykubeadm.etcd.membership import Action, initial_cluster, plan_membership
from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def program() -> str:
    try:
        found = assets.find().program("etcd")
    except LabError:
        found = None
    path = str(found) if found else shutil.which("etcd")
    if path is None:
        pytest.skip("there is no etcd on this machine")
    return path


class Cluster:
    """Members on this machine, each with its data and its process."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, tuple[int, int]] = {}
        key = generate_key("ECDSA-P256")
        end = NOW + timedelta(days=1)
        ca = Authority(issue_ca(Subject("etcd-ca", NOW - timedelta(hours=1), end), key), key)
        usages = (Usage.SERVER_AUTH, Usage.CLIENT_AUTH)
        subject = Subject("member", NOW - timedelta(hours=1), end, usages=usages, names=Names(ips=(ip_address("127.0.0.1"),)))
        leaf_key = generate_key("ECDSA-P256")
        self._files = {
            "ca.crt": encode_certificate(ca.certificate),
            "tls.crt": encode_certificate(issue_leaf(subject, leaf_key.public_key(), ca)),
            "tls.key": encode_private_key(leaf_key),
        }
        for name, content in self._files.items():
            (folder / name).write_bytes(content)

    def peer(self, name: str) -> str:
        return f"https://127.0.0.1:{self._ports(name)[1]}"

    def client(self, *names: str) -> EtcdClient:
        context = tls_context(self._files["ca.crt"], self._files["tls.crt"], self._files["tls.key"])
        return EtcdClient([f"https://127.0.0.1:{self._ports(name)[0]}" for name in names], context, timeout=3)

    def start(self, name: str, members: tuple[tuple[str, str], ...], state: str) -> None:
        client, peer = (f"https://127.0.0.1:{port}" for port in self._ports(name))
        tls = [f"--{prefix}{flag}={self._folder / file}" for prefix in ("", "peer-") for flag, file in _TLS]
        command = [
            self._program, f"--name={name}", f"--data-dir={self._folder / name}", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={','.join('='.join(pair) for pair in members)}", f"--initial-cluster-state={state}",
            "--client-cert-auth", "--peer-client-cert-auth", *tls,
        ]  # fmt: skip
        self.processes[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self, name: str, *, data: bool = True) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        if not data:
            shutil.rmtree(self._folder / name)

    def _ports(self, name: str) -> tuple[int, int]:
        if name not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
                self.ports[name] = (one.getsockname()[1], other.getsockname()[1])
        return self.ports[name]


_TLS = (("cert-file", "tls.crt"), ("key-file", "tls.key"), ("trusted-ca-file", "ca.crt"))


@pytest.fixture
def cluster(program: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(program, tmp_path)
    made.start("a", (("a", made.peer("a")),), "new")
    try:
        _eventually(made.client("a").members)
        yield made
    finally:
        for name in list(made.processes):
            made.end(name)


def _eventually(call, seconds: float = 30):
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (EtcdUnreachableError, LearnerNotReadyError, EtcdError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _join(cluster: Cluster, name: str) -> tuple[Member, ...]:
    client = cluster.client("a")
    members = _eventually(lambda: client.add_learner(cluster.peer(name)))  # a new member counts as healthy after five seconds
    ours = next(member for member in members if cluster.peer(name) in member.peer_urls)
    assert ours.learner
    assert not ours.started
    cluster.start(name, initial_cluster(members, name=name, peer_url=cluster.peer(name)), "existing")
    return _eventually(lambda: client.promote(ours.id))


def test_a_member_is_added_as_a_learner_and_promoted(cluster: Cluster) -> None:
    members = _join(cluster, "b")
    assert sorted(member.name for member in members) == ["a", "b"]
    assert not any(member.learner for member in members)
    assert cluster.client("a").unhealthy(members) == {}
    ours = next(member for member in members if member.name == "b")
    with pytest.raises(NotALearnerError):
        cluster.client("a").promote(ours.id)
    assert plan_membership(members, {}, name="b", peer_url=cluster.peer("b"), has_data=True).action is Action.NOTHING


def test_one_learner_at_a_time(cluster: Cluster) -> None:
    client = cluster.client("a")
    client.add_learner(cluster.peer("b"))
    with pytest.raises(TooManyLearnersError):
        client.add_learner(cluster.peer("c"))
    with pytest.raises(LearnerNotReadyError):
        client.promote(next(member.id for member in client.members() if member.learner))


def test_a_member_that_lost_its_data_is_replaced(cluster: Cluster) -> None:
    _join(cluster, "b")
    _join(cluster, "c")
    cluster.end("c", data=False)
    client = cluster.client("a")
    members = client.members()
    plan = plan_membership(members, client.unhealthy(members), name="c", peer_url=cluster.peer("c"), has_data=False)
    assert (plan.action, [member.name for member in plan.remove]) == (Action.ADD, ["c"])
    _eventually(lambda: client.remove(plan.remove[0].id))
    assert sorted(member.name for member in _join(cluster, "c")) == ["a", "b", "c"]


def test_without_a_majority_nothing_is_known(cluster: Cluster) -> None:
    _join(cluster, "b")
    cluster.end("b")
    with pytest.raises(EtcdError):
        cluster.client("a").members()
