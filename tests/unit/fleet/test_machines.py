"""Connections to the machines of a fleet: made once, used side by side, closed side by side."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.machines import Machines, over_ssh
from tests.support.fleets import fleet, host
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
    now, most, lock, two = 0, 0, threading.Lock(), threading.Barrier(2, timeout=60)

    def work(_which):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        two.wait()
        threading.Event().wait(0.02)
        with lock:
            now -= 1

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)

    with Machines(connect) as machines:
        machines.on_each(work, [host(f"n{at}") for at in range(8)], at_a_time=2)
    assert most == 2


def test_the_time_ends_what_is_done_on_a_machine_that_does_not_go_on():
    over, left = threading.Event(), [None, 0.3, 0.0]

    def work(which):
        if which.name == "w0":
            over.wait(20)
        return which.name

    @contextmanager
    def connect(which):
        yield FakeNode(which.name)

    with Machines(connect, forks=2, left=lambda: left[0]) as machines:
        assert machines.on_each(work, HOSTS[1:]) == {"w1": "w1", "w2": "w2"}
        left.pop(0)
        found = machines.on_each(work, HOSTS)
        assert str(found["w0"]) == "w0: it was not done when --timeout ended the run"
        assert [found["w1"], found["w2"]] == ["w1", "w2"]
        found = machines.on_each(work, [*HOSTS[:1], host("w0"), *HOSTS[1:]], at_a_time=1)
        assert str(found["w2"]) == "w2 was not begun when --timeout ended the run"
        left.pop(0)
        assert {str(each).partition(" ")[2] for each in machines.on_each(work, HOSTS).values()} == {
            "was not begun when --timeout ended the run"
        }
        over.set()


def test_a_machine_that_is_reached_when_the_run_is_over_is_closed_at_once():
    reached, closed = threading.Event(), threading.Event()

    @contextmanager
    def connect(which):
        assert reached.wait(20)
        yield FakeNode(which.name)
        closed.set()

    with Machines(connect, left=lambda: 0.1) as machines:
        found = machines.on_each(machines.node, HOSTS[:1])
        assert "--timeout" in str(found["w0"])
    reached.set()
    assert closed.wait(20)


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


def test_there_is_room_for_connections_to_many_machines():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip("this process may have too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        over_ssh(Described(fleet(*(host(f"w{at}") for at in range(400)))))
        assert 3000 < resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000
        over_ssh(Described(fleet(host("w1"))))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 3000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


HANGING = """
import threading
from pykubeadm.fleet.machines import Machines
from tests.support.fleets import host

with Machines(None, left=lambda: 0.2) as machines:
    print(machines.on_each(lambda _host: threading.Event().wait(60), [host("w0")])["w0"])
"""


def test_a_machine_that_hangs_does_not_keep_the_process_when_the_time_is_over():
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=40, check=True)
    assert ended.stdout == "w0: it was not done when --timeout ended the run\n"
