"""Hosts of a file that is taken apart."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from pykubeadm.errors import PykubeadmError
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.leaving import reset_node
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.progress import of_host
from pykubeadm.fleet.resetting import run_reset
from pykubeadm.workflow.events import NodeProgress
from tests.support.fleets import fleet, host
from tests.support.node import FakeNode


def test_a_machine_that_was_not_begun_in_time_is_named(monkeypatch):
    monkeypatch.setattr("pykubeadm.commands.reset.command.reset", lambda *_args, **_options: pytest.fail("it was reset"))

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)

    options = Options(timeout=60.0, began=time.monotonic() - 3600)
    with pytest.raises(PykubeadmError, match="c1 was not begun when --timeout ended the run"):
        run_reset(Described(fleet(host("c1", "control-plane"))), options, lambda _event: None, connect=connect)


def test_a_machine_that_does_not_end_is_named_when_the_time_is_over(monkeypatch):
    over = threading.Event()

    def reset(_options, _emit, *, machine, **_more):
        if machine.name == "c1":
            over.wait(20)

    monkeypatch.setattr("pykubeadm.commands.reset.command.reset", reset)

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)

    began, events = time.monotonic(), []
    described = Described(fleet(host("c1", "control-plane"), host("w1")))
    with pytest.raises(PykubeadmError, match=r"^c1: it was not done when --timeout ended the run"):
        run_reset(described, Options(timeout=0.5), events.append, connect=connect)
    assert time.monotonic() - began < 10
    over.set()
    ended = {event.node: event.outcome for event in events if isinstance(event, NodeProgress) and not event.step}
    assert ended == {"c1": "failed", "w1": "changed"}


def test_certificates_that_are_elsewhere_go_from_a_host_of_etcd_alone():
    node = FakeNode("e1")
    for name in ("ca.crt", "ca.key", "peer.key"):
        node.put(f"/srv/pki/etcd/{name}", name)
    reset_node(node, of_host("e1", "reset", lambda _event: None), certificates_dir="/srv/pki")
    assert [path for path in node.files if path.startswith("/srv/pki")] == []
