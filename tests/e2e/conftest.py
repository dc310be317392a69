"""Nodes and clusters for the end-to-end tests. One kind is a group of files: `make e2e E2E=init` runs test_init*.py.

PYKUBEADM_E2E_KEEP=1 keeps the nodes of failed tests; PYKUBEADM_E2E_DOWNLOAD=1 lets Kubernetes be downloaded where it is missing;
PYKUBEADM_E2E_VM=1 runs the tests on virtual machines, test_vm*.py, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import assets, cluster, engine, node
from lab.host import STATE, LabError, require_disk
from pykubeadm.config.versions import RELEASES, parse_version

NewNode = Callable[..., node.Node]
KEEP = bool(os.environ.get("PYKUBEADM_E2E_KEEP"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A cluster's start writes to sockets that the collector of unclosed ones must not blame on a test. Virtual machines are for
    those who ask for them: without KVM an emulated processor is some twenty times slower, so beside other nodes Kubernetes' own
    timeouts run out in both. They are shown as skipped, not left out, so that nobody takes them for passed."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            if item.path.name.startswith("test_vm") and not os.environ.get("PYKUBEADM_E2E_VM"):
                why = "an emulated machine takes all processors for minutes, so it is tested alone: make e2e E2E=vm"
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def kubernetes() -> assets.Assets:
    """Kubernetes' binaries; without them, or without a container engine, the test is skipped with what is missing."""
    require_disk(STATE, engine.DISK)  # a full disk is no missing tool: it fails the tests, in a sentence
    sources = assets.Sources() if os.environ.get("PYKUBEADM_E2E_DOWNLOAD") else None
    try:
        found = assets.find(sources=sources)
        engine.ensure()
        node.READY.ensure()
    except LabError as missing:
        pytest.skip(str(missing))
    return found


class Versions(NamedTuple):
    """The programs and images of two minor versions, one after the other."""

    old: assets.Assets
    new: assets.Assets


@pytest.fixture(scope="session")
def versions(kubernetes: assets.Assets) -> Versions:
    """The newest version and the minor before; without the latter's binaries the test is skipped."""
    minor = parse_version(kubernetes.version).minor - 1
    sources = assets.Sources() if os.environ.get("PYKUBEADM_E2E_DOWNLOAD") else None
    try:
        return Versions(assets.find(RELEASES[minor].newest, sources=sources), kubernetes)
    except LabError as missing:
        pytest.skip(str(missing))


@contextlib.contextmanager
def nodes_of(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[NewNode]:
    """A factory of nodes that are removed at the end, unless a test failed and they are to be kept."""
    started: list[node.Node] = []
    failed_before = request.session.testsfailed

    def new_node(name: str, *more: assets.Assets) -> node.Node:
        started.append(node.start(name, assets=[kubernetes, *more]))
        return started[-1]

    try:
        yield new_node
    finally:
        if KEEP and request.session.testsfailed > failed_before:
            terminal = request.config.get_terminal_writer()
            terminal.line(f"kept: {', '.join(each.name for each in started)}")
        else:
            for each in started:
                each.remove()


@pytest.fixture
def new_node(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[NewNode]:
    """Nodes of one test."""
    with nodes_of(kubernetes, request) as factory:
        yield factory


@pytest.fixture(scope="module")
def control_plane(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[node.Node]:
    """A node that `pykubeadm init` made a cluster of, with a pod network; shared by the tests of a file."""
    with nodes_of(kubernetes, request) as new:
        made = new("init")
        made.write(cluster.CONFIG, cluster.config(kubernetes, made))
        made.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        cluster.install_cni(made)
        cluster.wait_node_ready(made)
        yield made


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines that the tests of a file add, printed at its end."""
    lines: list[str] = []
    yield lines
    terminal = request.config.get_terminal_writer()
    terminal.line()
    for line in lines:
        terminal.line(line)
