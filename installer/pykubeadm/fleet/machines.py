"""The machines of a fleet: each is connected to once, when it is first asked for, and what is done on many runs side by side."""

from __future__ import annotations

import resource
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pykubeadm.config.fleet import Host
from pykubeadm.errors import BugError, NodeError, PykubeadmError, is_of_output
from pykubeadm.fleet.file import Described, ssh_of
from pykubeadm.fleet.log import RunLog, logged
from pykubeadm.fleet.variables import sudo_password

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.node.port import Node
    from pykubeadm.node.ssh_login import SshSettings

T = TypeVar("T")
Connect = Callable[[Host], AbstractContextManager["Node"]]
DEFAULT_FORKS = 50
_FILES = 512  # of everything else
_FILES_OF_HOST = 8  # a socket, what wakes who reads, the agent, a jump host, and connections through it


class Machines:
    """Connections to hosts, closed at the end. A host that could not be reached is not tried again in this run. `left` says how
    many seconds are left for what is done on each, None for no end. `bug` is the first that was found on a host, if any: whatever
    ends the run, it ends as one with a bug."""

    def __init__(
        self,
        connect: Connect,
        *,
        forks: int = DEFAULT_FORKS,
        log: RunLog | None = None,
        left: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._connect = connect
        self._log = log
        self._left = left
        self.forks = forks
        self.bug: BugError | None = None
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._nodes: dict[str, Node | NodeError] = {}
        self._open: dict[str, AbstractContextManager[Node]] = {}
        self._taken: set[str] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Side by side, as each waits for its machine's helper to end."""
        with self._lock:
            self._closed = True
        if self._open:
            with ThreadPoolExecutor(min(self.forks, len(self._open)), thread_name_prefix="close") as pool:
                list(pool.map(lambda connection: connection.__exit__(None, None, None), self._open.values()))
        if self._log:
            self._log.flush()
        if self.bug and isinstance(error, PykubeadmError):
            self.bug.show_in(error)

    def node(self, host: Host) -> Node:
        """The host's node; NodeError, again each time, where it cannot be reached."""
        with self._lock:
            lock = self._locks.setdefault(host.name, threading.Lock())
        with lock:
            if host.name not in self._nodes:
                self._nodes[host.name] = self._connected(host)
            found = self._nodes[host.name]
        if isinstance(found, NodeError):
            raise found
        return found

    def _connected(self, host: Host) -> Node | NodeError:
        connection = self._connect(host)
        try:
            node = connection.__enter__()
        except NodeError as error:
            return error
        with self._lock:
            if not (late := self._closed or host.name in self._taken):
                self._open[host.name] = connection
        if late:
            connection.__exit__(None, None, None)
            return NodeError(f"{host.name} was reached when the run was over")
        return self._logged(node, host)

    @contextmanager
    def apart(self, host: Host) -> Iterator[Node]:
        """The host by a connection of its own. The one that all others share ends before, and with it whatever they still do
        there; they get no other one. NodeError where the host cannot be reached."""
        with self._lock:
            self._taken.add(host.name)
            shared = self._open.pop(host.name, None)
        if shared:
            shared.__exit__(None, None, None)
        with self._connect(host) as node:
            yield self._logged(node, host)

    def _logged(self, node: Node, host: Host) -> Node:
        return logged(node, host.name, self._log) if self._log else node

    def hide(self, values: Iterable[str]) -> None:
        """Keep these values out of the log, where there is one."""
        if self._log:
            self._log.hide(values)

    def noting(self, report: Callable[[PlaybookEvent], None]) -> Callable[[PlaybookEvent], None]:
        """`report`, with what a playbook does on machines written down in the log, where there is one."""
        return self._log.keeping_tasks(report) if self._log else report

    def attempt(self, host: str, call: Callable[[], T]) -> T | PykubeadmError:
        """What the call returns, or what went wrong on this host: that must neither be silent nor stop the others. That the
        output cannot be written is nothing of the host's, and raised."""
        try:
            return call()
        except Exception as failure:
            if is_of_output(failure):
                raise
            return self.error_of(host, failure)

    def error_of(self, host: str, failure: BaseException) -> PykubeadmError:
        """A failure on this host ("" for several) as its error. Where a bug is, the log has, and `-v 5` shows."""
        if isinstance(failure, PykubeadmError):
            return failure
        error = BugError(failure)
        if self._closed or host in self._taken:  # what is still at work there may fail in any way as its connection ends
            return error
        self.bug = self.bug or error
        if self._log:
            self._log.line(host, "".join(traceback.format_exception(failure)))
        return error

    def on_each(self, call: Callable[[Host], T], hosts: Sequence[Host], *, at_a_time: int = 0) -> dict[str, T | PykubeadmError]:
        """`call` for each host, side by side, `at_a_time` of them where that is given; what it returned or what went wrong, by
        host; NodeError where the time was over first. An interrupt is raised at once, and so is that the output cannot be
        written."""
        if not hosts:
            return {}
        left = self._left()
        if left == 0:
            return {host.name: _not_begun(host.name) for host in hosts}
        begun: list[tuple[Host, Future[T | PykubeadmError]]] = [(host, Future()) for host in hosts]
        calls = {host.name: future for host, future in begun}
        waiting = iter([(partial(self.attempt, host.name, partial(call, host)), future) for host, future in begun])
        for number in range(min(at_a_time or self.forks, len(hosts))):
            threading.Thread(target=_work, args=(waiting,), name=f"host {number}", daemon=True).start()
        late = set(calls.values())
        try:
            done, late = wait(late, left, FIRST_EXCEPTION)
            for each in done:
                each.result()  # raises what is no host's error
        finally:
            for _host, each in begun:
                each.cancel()
        return {name: _late(name, each) if each in late else each.result() for name, each in calls.items()}


def _work(waiting: Iterator[tuple[Callable[[], T], Future[T]]]) -> None:
    """One call after the other, of those that no other thread has taken. A thread of a pool would keep the process from its end
    until its call is through, though the time is over."""
    for call, future in waiting:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                future.set_exception(error)


def _late(name: str, call: Future[Any]) -> NodeError:
    return _not_begun(name) if call.cancelled() else NodeError(f"{name}: it was not done when --timeout ended the run")


def _not_begun(name: str) -> NodeError:
    return NodeError(f"{name} was not begun when --timeout ended the run")


def over_ssh(described: Described) -> Connect:
    """How hosts are connected to: over SSH, as the file, the inventory and ~/.ssh/config say."""
    _make_room(len(described.cluster.hosts))

    def connect(host: Host) -> AbstractContextManager[Node]:
        from pykubeadm.node.ssh import connect as connect_ssh

        return connect_ssh(settings(described, host))

    return connect


def _make_room(hosts: int) -> None:
    """For the open files of so many connections, more than the 1024 of most systems, as far as this process may have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES + _FILES_OF_HOST * hosts
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def settings(described: Described, host: Host) -> SshSettings:
    from pykubeadm.node.ssh_login import SshSettings

    ssh = ssh_of(described.cluster, host)
    return SshSettings(
        host=host.address or host.name,
        name=host.name,
        user=ssh.user,
        port=ssh.port,
        identity_files=(ssh.identity_file,) if ssh.identity_file else (),
        jump=ssh.proxy_jump,
        sudo_password=sudo_password(described, host) or None,
        config_file=ssh.config_file or "~/.ssh/config",
        options=tuple(described.ssh_options.get(host.name, ())),
    )
