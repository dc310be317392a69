"""A lost connection (ssh) does not end a run that changes the node: it continues to its end without a terminal."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from pykubeadm.workflow.events import Event, Subscriber


@contextmanager
def survived() -> Iterator[None]:
    """Within, SIGHUP only takes the terminal away; who started us with it ignored (nohup) keeps that."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGHUP, _let_go)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def outlasting(subscriber: Subscriber) -> Subscriber:
    """What continues where the terminal is gone, of which SIGHUP need not be the first sign: writing fails with EIO."""

    def show(event: Event) -> None:
        try:
            subscriber(event)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            _let_go()

    return show


def _let_go(_signal: int = 0, _frame: FrameType | None = None) -> None:
    """Whatever of the standard streams is a terminal leads nowhere from now on. (Of one that is gone isatty(3) says no.)"""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)
