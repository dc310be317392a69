"""`node`: a machine that is ready."""

from __future__ import annotations

import pytest

from tests.support.machines import ready_machine
from tests.support.node import FakeNode


@pytest.fixture
def node() -> FakeNode:
    return ready_machine()
