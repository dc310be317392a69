"""The way to servers on loopback, and what is rendered, are the same wherever tests run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_proxies() -> Iterator[None]:
    """The environment names none, whatever the one has that the tests were started in."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield
