"""`cluster plan` for many hosts, which are simulated: each answers after a delay, as over a network, all in one process. And
`cluster apply` on nodes where there is nothing to do."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.assets import Assets
from pykubeadm.config.fleet import Cluster, Fleet, Host
from pykubeadm.config.model import ClusterConfiguration, Configuration, NodeRegistration, ThisNode
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.fleet.command import run_plan
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from pykubeadm.node.port import Command, Completed, FileStat
from tests.bench.timing import Row
from tests.e2e.fleets import desk_of
from tests.support.node import FakeNode, completed

HOSTS = (10, 30, 100)
RUNS = 3
# A simulated host would answer at once. A network does not, and what is measured is how these waits add up: seconds.
ROUND_TRIP = 0.005
LOG_IN = 10 * ROUND_TRIP  # as many as SSH needs until a command can run
_ADDRESS = '[{"ifname": "eth0", "addr_info": [{"local": "10.0.0.1"}]}]'
_ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n"


class _Far(FakeNode):
    """A node that needs a round trip for each answer."""

    def read(self, path: str) -> bytes | None:
        time.sleep(ROUND_TRIP)
        return super().read(path)

    def stat(self, path: str) -> FileStat | None:
        time.sleep(ROUND_TRIP)
        return super().stat(path)

    def run(self, command: Command) -> Completed:
        time.sleep(ROUND_TRIP)
        return super().run(command)


@dataclass
class Network:
    """What connects; counts how many connections there were at a time."""

    open: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def connect(self, host: Host) -> Iterator[FakeNode]:
        time.sleep(LOG_IN)
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        node = _Far(host.name, commands={"ip -j addr": completed(_ADDRESS)})
        node.put("/proc/sys/kernel/hostname", host.name)
        node.put("/proc/net/route", _ROUTE)
        yield node
        with self.lock:
            self.open -= 1


def described(number: int) -> Described:
    hosts = tuple(Host(name=f"n{at}", address=f"10.0.{at // 250}.{at % 250}", parts=_parts(at)) for at in range(number))
    kubeadm = ClusterConfiguration(kubernetes_version=NEWEST_KNOWN, control_plane_endpoint="api.example.com:6443")
    this_node = ThisNode(NodeRegistration(cri_socket="unix:///var/run/containerd/containerd.sock"))
    return Described(Fleet(Cluster(hosts=hosts), Configuration(kubeadm, this_node), names_version=True))


def _parts(at: int) -> tuple[str, ...]:
    return ("control-plane",) if at < 3 else ("worker",)


def rows() -> Iterator[Row]:
    for number in HOSTS:
        seconds, threads, peak, network = [], 0, 0, Network()
        for _ in range(RUNS):
            tracemalloc.start()
            watching = threading.Event()
            most: list[int] = []
            watcher = threading.Thread(target=_watch, args=(watching, most))
            watcher.start()
            began = time.perf_counter()
            found = run_plan(described(number), Options(), lambda _event: None, connect=network.connect)
            seconds.append(time.perf_counter() - began)
            watching.set()
            watcher.join()
            peak = max(peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            threads = max(threads, *most)
            assert len(found.plan.of("join")) == number - 1
        memory = f"{peak / 1e6:.1f} MB, {threads - 2} threads, {network.most} connections"
        yield Row(f"plan of {number} simulated hosts ({memory})", seconds, None, "linear")


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
