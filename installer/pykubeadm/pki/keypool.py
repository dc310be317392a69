"""Keys made ahead of their use. An RSA key takes tens of milliseconds and the generator lets other threads run, so all
keys that a run will need are ordered at once and made on every core while the run goes on."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pykubeadm.pki.keys import PrivateKey


class KeyPool:
    """Keys of one algorithm. Any key is as good as any other, so `take` hands out whichever is ready first."""

    def __init__(self, algorithm: str, workers: int | None = None) -> None:
        self.algorithm = algorithm
        # One core is left to whoever takes the keys, who makes some as well where none is ready.
        self._workers = workers or max(len(os.sched_getaffinity(0)) - 1, 1)
        self._lock = threading.Lock()
        self._ordered = 0  # not begun yet
        self._begun = 0  # by a worker, and not taken yet
        self._running = 0
        self._ready: SimpleQueue[PrivateKey | Exception] = SimpleQueue()

    def order(self, count: int) -> None:
        """Have `count` keys in the making, counting those that are begun already; 0 gives up what is not begun."""
        with self._lock:
            self._ordered = max(count - self._begun, 0)
            begin = max(min(self._workers - self._running, self._ordered), 0)
            self._running += begin
        for _ in range(begin):
            threading.Thread(target=self._work, name="keys").start()

    def take(self) -> PrivateKey:
        """A key: one that is ready, else one made here and now, else (all ordered ones are begun) the next to be ready."""
        from pykubeadm.pki.keys import generate_key

        with self._lock:
            if self._begun and (self._ordered == 0 or not self._ready.empty()):
                self._begun -= 1
                make = False
            else:
                self._ordered = max(self._ordered - 1, 0)
                make = True
        key = generate_key(self.algorithm) if make else self._ready.get()
        if isinstance(key, Exception):
            raise key
        return key

    def _work(self) -> None:
        from pykubeadm.pki.keys import generate_key

        # The interpreter waits for these threads when it ends; a command that failed early needs no more keys.
        while threading.main_thread().is_alive():
            with self._lock:
                if self._ordered == 0:
                    self._running -= 1
                    return
                self._ordered -= 1
                self._begun += 1
            try:
                self._ready.put(generate_key(self.algorithm))
            except Exception as error:  # noqa: BLE001 - raised again where the key is taken
                self._ready.put(error)
