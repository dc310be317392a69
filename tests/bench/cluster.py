"""`cluster plan` and an unchanged `cluster apply` for many hosts, which are simulated: each answers after a delay, as over a
network, all in one process. And `cluster apply` on nodes where there is nothing to do."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

from lab.assets import Assets
from pykubeadm.fleet.command import run_apply, run_plan
from pykubeadm.fleet.options import Options
from pykubeadm.workflow.events import Event, RunFinished
from tests.bench.timing import Row
from tests.e2e.fleets import desk_of
from tests.support.far import Network, cluster_of, described

PLANS, APPLIES = (10, 30, 100), (4, 10, 30, 100)
RUNS = 3
ROUND_TRIP = 0.005  # seconds: simulated hosts would answer at once, and what is measured is how these waits add up


def rows() -> Iterator[Row]:
    for number in PLANS:
        yield _row("plan", number, Network(ROUND_TRIP), _plan)
    for number in APPLIES:
        with cluster_of(described(number)) as api:
            yield _row("unchanged apply", number, Network(ROUND_TRIP, api), _apply)


def _plan(number: int, network: Network) -> None:
    found = run_plan(described(number), Options(), lambda _event: None, connect=network.connect)
    assert len(found.plan.of("join")) == number - 1


def _apply(number: int, network: Network) -> None:
    events: list[Event] = []
    run_apply(described(number), Options(), events.append, connect=network.connect)
    assert events[-1] == RunFinished(outcome="unchanged", changed=0, exit_status=0)


def _row(what: str, number: int, network: Network, work: Callable[[int, Network], None]) -> Row:
    """Seconds as they are; memory, which takes time to count, in a run of its own. Threads are those that were not there
    before."""
    seconds, before = [], threading.active_count()
    for _ in range(RUNS):
        began = time.perf_counter()
        work(number, network)
        seconds.append(time.perf_counter() - began)
    tracemalloc.start()
    over, most = threading.Event(), list[int]()
    watcher = threading.Thread(target=_watch, args=(over, most))
    watcher.start()
    work(number, network)
    over.set()
    watcher.join()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    more = f"{peak / 1e6:.1f} MB, {max(most) - before - 1} threads, {network.most} connections"
    return Row(f"{what} of {number} simulated hosts ({more})", seconds, None, "linear")


def node_rows(assets: Assets) -> Iterator[Row]:
    """An unchanged `apply`, as users type it."""
    with desk_of(assets) as desk:
        desk.new("bench-c", "control-plane", bare=False)
        for number in range(3):
            desk.new(f"bench-w{number}", "worker", bare=False)
        desk.write()
        desk.run("apply")
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            done = desk.run("apply")
            seconds.append(time.perf_counter() - began)
            assert "Nothing to do" in done.stdout
    yield Row("unchanged apply of 4 nodes", seconds, None, "≤ 5 s")


def _watch(over: threading.Event, most: list[int]) -> None:
    while not over.wait(0.01):
        most.append(threading.active_count())
