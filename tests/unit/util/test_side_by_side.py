from __future__ import annotations

import threading
import time

import pytest

from pykubeadm.util.side_by_side import side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def call(item: int) -> int:
        if item == 1:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return item * 10

    assert side_by_side(call, [1, 2], threads=2) == [10, 20]


def test_nothing_to_do_is_done() -> None:
    assert side_by_side(str, [], threads=0) == []


def test_after_an_error_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def call(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)
        raise ValueError(item)

    with pytest.raises(ValueError, match=r"^0$"):
        side_by_side(call, range(1000), threads=1)
    assert len(begun) < 1000


def test_an_interrupt_does_not_wait_for_calls_that_run() -> None:
    may_end = threading.Event()
    ended: list[int] = []

    def call(item: int) -> None:
        if item == 0:
            raise KeyboardInterrupt  # as in the main thread, which waits for the results
        may_end.wait(30)
        ended.append(item)

    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side(call, [0, 1], threads=2)
        assert not ended
    finally:
        may_end.set()
