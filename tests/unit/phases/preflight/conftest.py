"""`node`: a machine that is ready; `look`: one check of it."""

from __future__ import annotations

import pytest

from pykubeadm.config.host import HostFacts
from pykubeadm.phases.preflight.machine import Machine
from tests.support.machines import SOCKET, Owned, ready_machine
from tests.support.node import FakeNode


@pytest.fixture
def node() -> FakeNode:
    return ready_machine()


@pytest.fixture
def owned():
    return Owned()


@pytest.fixture
def look(node, owned):
    """Run one check: (errors, warnings)."""

    def look_at(check, **host):
        found = check.look(Machine(node, HostFacts("cp1", **host), owned, SOCKET))
        return list(found.errors), list(found.warnings)

    return look_at
