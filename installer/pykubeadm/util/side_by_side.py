"""Calls that do not depend on each other, in threads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(call: Callable[[T], R], items: Collection[T], threads: int) -> list[R]:
    """`call` for each item, at most `threads` at a time; the results in the items' order.

    The first error is raised once the calls that run are through; what has not begun by then is given up. An interrupt is
    raised at once: the user does not want to wait for a pull or a retry that takes minutes.
    """
    pool = ThreadPoolExecutor(max(min(threads, len(items)), 1))
    wait = True
    try:
        return list(pool.map(call, items))
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
