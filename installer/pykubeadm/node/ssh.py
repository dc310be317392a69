"""A machine reached over SSH, which needs no more than Python 3.9 and, for a user other than root, sudo.

One connection a node: `connect` logs in, starts a small program as root (`pykubeadm.node.helper`, which ends with the connection
and leaves nothing behind), and from then on each method of the node is one message and its answer, several at a time.
"""

from __future__ import annotations

import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, cast

import paramiko

from pykubeadm.node.remote import STARTER, RemoteNode, payload
from pykubeadm.node.ssh_login import SshError, SshSettings, log_in
from pykubeadm.transport.connections import readable
from pykubeadm.transport.route import Route

_PROMPT = "[pykubeadm asks sudo] "
_STARTED = re.compile(rb"pykubeadm (\d+)\.(\d+)\n")
_OLDEST_PYTHON = (3, 9)
_KEEPALIVE = 15  # seconds; for what lies between and forgets connections on which nothing moves
_SILENCE = 45.0  # seconds without a word, although the other end is asked every ten: it is gone
_START = 60.0  # seconds for sudo and Python to start: PAM may ask others
_GOODBYE = 5.0  # seconds for the helper to end
_CHUNK = 65536
_NO_STATUS = -1  # paramiko's, where a command ends without one


class SudoError(SshError):
    """The user cannot become root: a wrong or missing password, no sudo, not in sudoers."""


class PythonMissingError(SshError):
    """There is no Python on the node, or one before 3.9."""


class ConnectionLostError(SshError):
    """The connection ended in the middle of something; what was begun on the node there may be half done, and running it again
    goes on from there."""


class SshNode(RemoteNode):
    """Implements the `Node` port over a connection that `connect` made; threads may share it."""


@contextmanager
def connect(settings: SshSettings) -> Iterator[SshNode]:
    """The node, connected, until the end of the block. One of SshError's kinds where that is not possible."""
    with ExitStack() as opened:
        transport = log_in(settings, opened)
        transport.set_keepalive(_KEEPALIVE)
        channel = _start_helper(settings, transport)
        opened.callback(_close, channel)
        channel.settimeout(_SILENCE)
        dialler = _Dialler(settings, transport)
        opened.callback(dialler.close)
        node = SshNode(
            settings.title,
            cast("IO[bytes]", channel.makefile("rb", _CHUNK)),
            cast("IO[bytes]", _Sink(channel)),
            lost=lambda why: _lost(settings, channel, why),
            route=Route(dialler.dial),
        )
        try:
            yield node
        finally:
            node.close()
            channel.status_event.wait(_GOODBYE)  # the lock is free once this is over


# becoming root, and the helper


def _start_helper(settings: SshSettings, transport: paramiko.Transport) -> paramiko.Channel:
    """The channel on which the helper answers."""
    root = transport.get_username() == "root" or not settings.sudo
    password = None if root else settings.sudo_password
    command = f"{shlex.quote(settings.python)} -ISB -c '{STARTER}'"
    if not root:
        # With -n sudo does not ask; with -S it takes the password from standard input.
        asking = f"-S -p '{_PROMPT}'" if password is not None else "-n"
        command = f"sudo {asking} -- {command}"
    sent = payload(settings.title)
    try:
        channel = transport.open_session(timeout=settings.connect_timeout)
        channel.exec_command(command)
        if password is None:
            with suppress(OSError):  # where sudo or the shell has ended already: what it said is read next
                channel.sendall(sent)
        version = _started(settings, channel, password)
        if version < _OLDEST_PYTHON:
            raise PythonMissingError(
                f"{settings.title}: {settings.python} is Python {version[0]}.{version[1]}, and 3.9 is the oldest that will do: "
                "install a newer one"
            )
        if password is not None:
            channel.sendall(sent)
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise ConnectionLostError(f"{settings.title}: the connection ended while it began: {error}") from error
    return channel


def _started(settings: SshSettings, channel: paramiko.Channel, password: str | None) -> tuple[int, int]:
    """The version of the Python that runs as root there, once it does; sudo gets the password when it asks, once."""
    end = time.monotonic() + _START
    out, err, asked = b"", b"", False
    while (left := end - time.monotonic()) > 0:
        readable(channel, min(left, 1.0))
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(_CHUNK)
        if channel.recv_ready():
            # No more than the line itself: what follows it is the helper's.
            while channel.recv_ready() and not (found := _STARTED.search(out)):
                out += channel.recv(1)
            if found := _STARTED.search(out):
                return int(found[1]), int(found[2])
        if err.count(_PROMPT.encode()) > int(asked):
            if asked:
                raise SudoError(f"{settings.title}: sudo does not accept the password of {_user(channel)}")
            asked = True
            channel.sendall(f"{password}\n".encode())
        elif channel.exit_status_ready() and not channel.recv_ready() and not channel.recv_stderr_ready():
            if channel.recv_exit_status() == _NO_STATUS and not out + err:
                raise EOFError("no status came, and nothing was said")
            raise _not_started(settings, channel, (out + err).decode(errors="replace").replace(_PROMPT, ""))
    raise SshError(f"{settings.title}: {settings.python} did not start there within {_START:g} s")


def _not_started(settings: SshSettings, channel: paramiko.Channel, said: str) -> SshError:
    """Why there is no helper, by what sudo, the shell or Python said before they ended."""
    user, title = _user(channel), settings.title
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else f"status {channel.recv_exit_status()}"
    command = settings.python
    if "a password is required" in said or "no password was provided" in said:
        return SudoError(f"{title}: sudo asks for a password of {user}: give it, or allow {user} to use sudo without (NOPASSWD)")
    if "incorrect password" in said or "Sorry, try again" in said:
        return SudoError(f"{title}: sudo does not accept the password of {user}")
    if "sudoers" in said or "not allowed" in said:
        return SudoError(f"{title}: {user} may not become root by sudo: add {user} to sudoers, for any command")
    if "must have a tty" in said:
        return SudoError(f"{title}: sudo requires a terminal there: take requiretty out of its sudoers")
    if re.search(r"\bsudo: (command )?not found|not found: sudo|Unknown command:? sudo", said):
        return SudoError(f"{title}: there is no sudo there, and {user} is not root: install it, or log in as root")
    if "not found" in said or "No such file" in said:
        return PythonMissingError(
            f"{title}: there is no {command} there: install Python 3.9 or newer (`apt-get install python3` or the like)"
        )
    return SshError(f"{title}: Python could not be started as root there: {last}")


def _user(channel: paramiko.Channel) -> str:
    return str(channel.get_transport().get_username())


def _lost(settings: SshSettings, channel: paramiko.Channel, why: Exception | None) -> ConnectionLostError:
    said = b""
    with suppress(OSError, EOFError):
        while channel.recv_stderr_ready():
            said += channel.recv_stderr(_CHUNK)
    lines = said.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    silent = f": nothing was heard for {_SILENCE:g} s" if isinstance(why, TimeoutError) else f": {last}" if last else ""
    return ConnectionLostError(
        f"{settings.title}: the connection was lost in the middle of the work{silent}; run this again when it can be reached"
    )


class _Sink:
    """Writes messages whole, without a buffer of its own; closing it is the end of what the helper reads. OSError where the
    connection is gone, whatever paramiko says of that, and ValueError once it is closed, as of a file."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._closed = False

    def write(self, data: bytes) -> int:
        if self._closed:
            raise ValueError("write to a connection that is closed")
        with _as_os_error():
            self._channel.sendall(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._closed = True
        with _as_os_error():
            self._channel.shutdown_write()


def _close(channel: paramiko.Channel) -> None:
    with suppress(OSError, EOFError, paramiko.SSHException):  # where the whole connection is at its end, so is the channel
        channel.close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except (EOFError, paramiko.SSHException) as error:
        raise ConnectionError(str(error) or "it ended") from error


# connections from the node


class _Dialler:
    """Opens TCP connections from the node by sshd's forwarding (RFC 4254, 7.2). They end with it, whoever has them."""

    def __init__(self, settings: SshSettings, transport: paramiko.Transport) -> None:
        self._settings, self._transport = settings, transport
        self._open: set[socket.socket] = set()

    def close(self) -> None:
        """Whoever has one of the connections finds its end."""
        for near in tuple(self._open):
            with suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        try:
            channel = self._transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout)
        except paramiko.ChannelException as error:
            raise self._refused(host, port, error) from error
        except (paramiko.SSHException, EOFError) as error:
            if self._transport.is_active():
                raise TimeoutError(f"no answer within {timeout:g} s") from error
            raise ConnectionLostError(
                f"{self._settings.title}: the connection was lost in the middle of the work; run this again when the node can be "
                "reached"
            ) from error
        ours, theirs = socket.socketpair()
        self._open.add(theirs)
        for carry in (_from_node, self._to_node):
            threading.Thread(target=carry, args=(channel, theirs), daemon=True).start()
        return ours

    def _to_node(self, channel: paramiko.Channel, near: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException), near:
            while data := near.recv(_CHUNK):
                channel.sendall(data)
        self._open.discard(near)
        _close(channel)

    def _refused(self, host: str, port: int, error: paramiko.ChannelException) -> OSError:
        if error.code == 1:  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
            return OSError(
                f"sshd of {self._settings.title} does not forward connections; allow it for {self._transport.get_username()} "
                "(AllowTcpForwarding local)"
            )
        return OSError(f"{self._settings.title} gets no connection to {host} port {port}")


def _from_node(channel: paramiko.Channel, near: socket.socket) -> None:
    with suppress(OSError, EOFError):
        while data := channel.recv(_CHUNK):
            near.sendall(data)
    with suppress(OSError):
        near.shutdown(socket.SHUT_WR)
