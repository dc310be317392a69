"""Connections to the machines of a fleet: made once, used side by side, closed side by side."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.fleet.machines import Machines
from tests.support.fleets import host
from tests.support.node import FakeNode

HOSTS = [host(f"w{at}") for at in range(3)]


def test_each_is_connected_to_once_and_one_that_fails_is_not_tried_again():
    tried = []

    @contextmanager
    def connect(which):
        tried.append(which.name)
        if which.name == "w1":
            raise NodeError("w1 cannot be reached")
        yield FakeNode(which.name)

    with Machines(connect) as machines:
        for _ in range(2):
            found = machines.on_each(lambda which: machines.node(which).name, HOSTS)
            assert [found["w0"], str(found["w1"]), found["w2"]] == ["w0", "w1 cannot be reached", "w2"]
    assert sorted(tried) == ["w0", "w1", "w2"]


def test_all_are_closed_at_the_same_time():
    others_close = threading.Barrier(len(HOSTS), timeout=100)
    closed = []

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)
        others_close.wait()
        closed.append(which.name)

    with Machines(connect) as machines:
        machines.on_each(machines.node, HOSTS)
    assert sorted(closed) == ["w0", "w1", "w2"]


def test_no_more_at_a_time_than_is_said():
    now, most, lock = 0, 0, threading.Lock()

    def work(_which):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.02)
        with lock:
            now -= 1

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)

    with Machines(connect) as machines:
        machines.on_each(work, [host(f"n{at}") for at in range(8)], at_a_time=2)
    assert most == 2


def test_an_interrupt_is_raised_at_once_though_a_machine_is_slow():
    over = threading.Event()

    def work(which):
        if which.name == "w0":
            raise KeyboardInterrupt
        over.wait(20)

    with Machines(lambda _which: pytest.fail("nobody is asked")) as machines:
        try:
            with pytest.raises(KeyboardInterrupt):
                machines.on_each(work, HOSTS)
        finally:
            over.set()
