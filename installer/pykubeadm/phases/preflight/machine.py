"""A machine as the checks see it: its node, its facts, and what several checks ask for, found out once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from typing import Any, Generic, Protocol, TypeVar

from pykubeadm.config.host import HostFacts
from pykubeadm.errors import NodeError, PykubeadmError
from pykubeadm.node.cri import Cri, CrictlMissingError
from pykubeadm.node.facts import kubelet_version
from pykubeadm.node.port import Looked, Node
from pykubeadm.phases.preflight.sockets import Listener, listeners
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.socket_url import socket_path

T = TypeVar("T")


class Owner(Protocol):
    """Says what here is ours: `node.journal.Journal` by what earlier runs wrote down, `preflight.ownership` and `join.member`
    also by looking. `why_not` is the end of a sentence."""

    def owns(self, path: str) -> bool: ...

    def started_kubelet(self) -> bool: ...

    def why_not(self) -> str: ...


class Once(Generic[T]):
    """A value made at the first call, by one thread while the others wait for it."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The container runtime's answer (`crictl info`): `failure` is why there is none, "" where there is one."""

    failure: str = ""
    crictl_missing: bool = False
    status: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def unready(self) -> dict[str, Any] | None:
        """Its condition RuntimeReady where that does not hold. NetworkReady is false until a network add-on is there."""
        for condition in self.status.get("conditions") or ():
            if condition.get("type") == "RuntimeReady" and condition.get("status") is not True:
                found: dict[str, Any] = condition
                return found
        return None


def text(node: Looked, path: str) -> str:
    """A file of /proc, /sys or /etc; "" where it does not exist."""
    return (node.read(path) or b"").decode(errors="replace")


def _quietly(ask: Callable[[], object]) -> None:
    with suppress(PykubeadmError):
        ask()


class Machine:
    """`kubelet_version` ("v1.36.2", None where there is no kubelet), `runtime`, `cgroup_driver` (the one the runtime names, if
    it does) and `listeners` are asked for at the first call."""

    def __init__(self, node: Node, host: HostFacts, owner: Owner, cri_socket: str) -> None:
        self.node = node
        self.host = host
        self.owner = owner
        self.cri_socket = cri_socket
        self.cri = Cri(node, cri_socket)
        self.kubelet_version = Once(lambda: kubelet_version(node))
        self.runtime = Once(self._runtime)
        self.cgroup_driver = Once(self.cri.cgroup_driver)
        self.listeners: Once[dict[int, Listener]] = Once(lambda: listeners(node))

    def look_ahead(self) -> None:
        """Begin to ask what takes a command each, while the caller does something else. What cannot be found out is reported
        to whoever asks for it."""
        for ask in (self.kubelet_version, self._driver_of_a_good_runtime):
            threading.Thread(target=_quietly, args=(ask,), daemon=True).start()

    def is_good(self) -> bool:
        """Whether kubelet and runtime gave the answers that are hoped for; others may have changed since."""
        return self.kubelet_version() is not None and not self.runtime().failure and self.runtime().unready is None

    def _driver_of_a_good_runtime(self) -> None:
        if not self.runtime().failure:
            self.cgroup_driver()

    def text(self, path: str) -> str:
        """A file of /proc, /sys or /etc; "" where it does not exist."""
        return text(self.node, path)

    def _runtime(self) -> Runtime:
        path = socket_path(self.cri_socket)
        if path.startswith("/") and self.node.stat(path) is None:
            return Runtime(failure=f"there is no container runtime at {self.cri_socket}")
        try:
            info = self.cri.info()
        except CrictlMissingError as missing:
            return Runtime(failure=str(missing), crictl_missing=True)
        except NodeError as failure:
            return Runtime(failure=str(failure))
        return Runtime(status=info.get("status") or {}, config=info.get("config") or {})
