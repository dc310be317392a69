"""One pykubeadm at a time on a node: flock on /var/lib/pykubeadm/lock, released by the kernel however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import LockedError, NodeError

_LONGEST = 1000  # bytes of the holder's name that are read


@contextmanager
def exclusive(root: str, purpose: str) -> Iterator[None]:
    """Hold the lock of the machine below `root`; LockedError names who else holds it and what for. An ordinary user, who may not
    open it, has none: what such a run can change is no part of a node."""
    directory = os.path.join(root, STATE_DIR.lstrip("/"))
    path = os.path.join(directory, "lock")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if not isinstance(error, PermissionError) or os.geteuid() == 0:
            raise NodeError(f"cannot open the lock {path}: {error.strerror}; pykubeadm needs root to change a node") from error
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _LONGEST, 0).decode(errors="replace").strip() or "another process"
            raise LockedError(f"{holder} is at work on this node ({path}); wait for it to end, then run this again") from None
        with suppress(OSError):  # on a full disk the lock holds all the same, and what is written next says more
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{purpose} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
