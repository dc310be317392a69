"""RSA keys are made once for all cases: making them took most of the time, and no case is about a key being new."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from pykubeadm.pki import keys
from tests.support.environment import no_proxies

__all__ = ["no_proxies"]  # for pytest, which takes the fixtures that it finds here

_MADE: defaultdict[str, list[keys.PrivateKey]] = defaultdict(list)
_MAKE: Callable[[str], keys.PrivateKey] = keys.generate_key


@pytest.fixture(autouse=True)
def keys_of_earlier_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a case every key is another one, as it is on a node; but for RSA-3072, of which two are enough."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
    lock = threading.Lock()

    def generate(algorithm: str) -> keys.PrivateKey:
        with lock:  # a run makes its keys in threads
            number, made = next(numbers[algorithm]), _MADE[algorithm]
            if algorithm == "RSA-3072":
                number %= 2
            if number == len(made):
                made.append(_MAKE(algorithm))
            return made[number]

    monkeypatch.setattr(keys, "generate_key", generate)
