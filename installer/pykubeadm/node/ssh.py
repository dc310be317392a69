"""A machine reached over SSH, which needs no more than Python 3.9 and, for a user other than root, sudo.

One connection a node: `connect` logs in, starts a small program as root (`pykubeadm.node.helper`, which ends with the connection
and leaves nothing behind), and from then on each method of the node is one message and its answer, several at a time.
"""

from __future__ import annotations

import getpass
import logging
import os
import re
import select
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from typing import IO, Any, cast

import paramiko

from pykubeadm.errors import NodeError
from pykubeadm.node.known_hosts import KnownHosts
from pykubeadm.node.remote import STARTER, RemoteNode, payload
from pykubeadm.transport.route import Route
from pykubeadm.util.dataclass import dataclass

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else its tracebacks are printed; what it raises is explained

_CONFIG = "~/.ssh/config"
_PROMPT = "[pykubeadm asks sudo] "
_STARTED = re.compile(rb"pykubeadm (\d+)\.(\d+)\n")
_OLDEST_PYTHON = (3, 9)
_KEEPALIVE = 15  # seconds; for what lies between and forgets connections on which nothing moves
_SILENCE = 45.0  # seconds without a word, although the other end is asked every ten: it is gone
_START = 60.0  # seconds for sudo and Python to start: PAM may ask others
_GOODBYE = 5.0  # seconds for the helper to end
_CHUNK = 65536
_NO_SESSION = "No existing session"  # says paramiko where sshd hung up after too many keys, or did not get that far in time


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """How a node is reached. What is not given is taken from ~/.ssh/config (HostName, User, Port, IdentityFile, IdentitiesOnly,
    ProxyJump, ProxyCommand, UserKnownHostsFile, StrictHostKeyChecking accept-new), then OpenSSH's defaults; keys also come from
    the agent ($SSH_AUTH_SOCK).

    `host` is a name, an address or an alias of ~/.ssh/config; `name` is the one for messages ("" is `host`). `jump` is as with
    `ssh -J`: "user@host:port", several with commas, "none" for none. With `sudo` a user other than root becomes root by sudo;
    `sudo_password` is given to sudo's standard input if it asks. `python` is the command or path of Python on the node. `options`
    are as with `ssh -o`: "Name=value", above what the file says.
    """

    host: str
    name: str = ""
    user: str = ""
    port: int = 0
    identity_files: tuple[str, ...] = ()
    jump: str = ""
    sudo: bool = True
    sudo_password: str | None = field(default=None, repr=False)
    python: str = "python3"
    config_file: str = _CONFIG
    options: tuple[str, ...] = ()
    connect_timeout: float = 15.0  # seconds, for each step of connecting

    @property
    def title(self) -> str:
        """The node's name in messages."""
        return self.name or self.host


class SshError(NodeError):
    """A node cannot be reached or used over SSH; the sentence begins with its name. What follows are its kinds."""


class UnreachableError(SshError):
    """Nobody answers there, or not with SSH; also a jump host."""


class HostKeyError(SshError):
    """The host's key is not known, or another one than is known; names the fingerprint and what to do."""


class LoginError(SshError):
    """The host does not let this user in."""


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
        transport = _login(settings, opened)
        transport.set_keepalive(_KEEPALIVE)
        channel = _start_helper(settings, transport)
        opened.callback(channel.close)
        channel.settimeout(_SILENCE)
        node = SshNode(
            settings.title,
            cast("IO[bytes]", channel.makefile("rb", _CHUNK)),
            cast("IO[bytes]", _Sink(channel)),
            lost=lambda why: _lost(settings, channel, why),
            route=Route(_Dialler(settings, transport).dial),
        )
        try:
            yield node
        finally:
            node.close()
            channel.status_event.wait(_GOODBYE)  # the lock is free once this is over


# reaching the machine


@dataclass(frozen=True, slots=True)
class _Place:
    """What settings and ~/.ssh/config make together."""

    host: str
    port: int
    user: str
    options: dict[str, Any]


def _login(settings: SshSettings, opened: ExitStack) -> paramiko.Transport:
    """A connection on which the user is logged in; `opened` closes it and what it goes through."""
    place = _place(settings)
    client = paramiko.SSHClient()
    opened.callback(client.close)
    known = KnownHosts(place.host, place.port, place.options)
    known.load_into(client)
    client.set_missing_host_key_policy(_Refusing(settings, known))
    identities = _identities(settings, place)
    try:
        client.connect(
            place.host,
            place.port,
            place.user,
            key_filename=cast("Any", identities),  # one or several
            sock=_way(settings, place, opened),
            timeout=settings.connect_timeout,
            banner_timeout=settings.connect_timeout,
            auth_timeout=settings.connect_timeout,
            channel_timeout=settings.connect_timeout,
            allow_agent=place.options.get("identitiesonly", "no") != "yes",
            look_for_keys=not identities,
        )
    except paramiko.BadHostKeyException as error:
        raise HostKeyError(known.changed(settings.title, error.key, error.expected_key)) from error
    except paramiko.PasswordRequiredException as error:
        raise LoginError(f"{settings.title}: the key for {place.user} is encrypted: add it to the agent (`ssh-add`)") from error
    except paramiko.AuthenticationException as error:
        if str(error) == "Authentication timeout.":
            raise UnreachableError(_unreachable(settings, place, TimeoutError())) from error
        raise LoginError(_not_let_in(settings, place, identities)) from error
    except paramiko.ssh_exception.NoValidConnectionsError as error:
        why = next(iter(error.errors.values()))
        raise UnreachableError(_unreachable(settings, place, why)) from error
    except (OSError, EOFError, UnicodeError, paramiko.SSHException) as error:
        if _asked_for_keys(client) and (
            str(error) in ("No authentication methods available", _NO_SESSION)
            or (
                isinstance(error, paramiko.SSHException | UnicodeDecodeError | PermissionError)
                and any(map(_unusable, identities))
            )
        ):
            raise LoginError(_not_let_in(settings, place, identities)) from error
        raise UnreachableError(_unreachable(settings, place, error)) from error
    transport = client.get_transport()
    if transport is None:
        raise UnreachableError(_unreachable(settings, place, EOFError()))
    if known.is_revoked(key := transport.get_remote_server_key()):
        raise HostKeyError(known.revoked(settings.title, key))
    return transport


def _asked_for_keys(client: paramiko.SSHClient) -> bool:
    """Whether sshd answered until it was the keys' turn. Else there is no session because it did not in time."""
    transport = client.get_transport()
    return transport is not None and transport.initial_kex_done


def _place(settings: SshSettings) -> _Place:
    file = os.path.expanduser(settings.config_file)
    if settings.config_file not in (_CONFIG, "none") and not os.path.exists(file):  # as ssh -F has them
        raise SshError(f"{settings.title}: {file}, which is to be read in place of {_CONFIG}, does not exist")
    # The first value of an option counts (ssh_config(5)), so what is given stands above the file.
    given = {"Port": settings.port, "User": settings.user, "ProxyJump": settings.jump}
    text = "Host *\n" + "".join(f"  {name} {value}\n" for name, value in given.items() if value)
    text += "".join(f"  {name} {value}\n" for name, _, value in (option.partition("=") for option in settings.options))
    try:
        if os.path.isfile(file):
            with open(file, encoding="utf-8") as content:
                text += content.read()
        options = dict(paramiko.SSHConfig.from_text(text).lookup(settings.host))
        port = int(options.get("port", 22))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise SshError(f"{settings.title}: {file} cannot be used: {error}") from error
    return _Place(options.get("hostname", settings.host), port, options.get("user") or getpass.getuser(), options)


def _identities(settings: SshSettings, place: _Place) -> list[str]:
    """The files of keys to try first; LoginError where one that was asked for is missing."""
    given = [os.path.expanduser(path) for path in settings.identity_files]
    if missing := [path for path in given if not os.path.isfile(path)]:
        raise LoginError(f"{settings.title}: the key {missing[0]} does not exist")
    configured = [os.path.expanduser(path) for path in place.options.get("identityfile", ())]
    return given or [path for path in configured if os.path.isfile(path)]


def _way(settings: SshSettings, place: _Place, opened: ExitStack) -> Any:
    """What the connection goes through, None where it is the network itself."""
    jump = str(place.options.get("proxyjump", ""))
    if jump and jump.lower() != "none":
        before, _, last = jump.rpartition(",")
        through = _login(_jump_host(settings, last, before), opened)
        try:
            return through.open_channel(
                "direct-tcpip", (place.host, place.port), ("127.0.0.1", 0), timeout=settings.connect_timeout
            )
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise UnreachableError(
                f"{settings.title} cannot be reached at {place.host} port {place.port} from the jump host {last}: check address "
                "and firewalls, and that sshd there allows it (AllowTcpForwarding)"
            ) from error
    command = str(place.options.get("proxycommand", ""))
    if command and command.lower() != "none" and not jump:
        return _proxy(command, opened)
    return None


def _jump_host(settings: SshSettings, word: str, before: str) -> SshSettings:
    """Settings for `word`, "user@host:port", which is reached through `before`."""
    user, _, host = word.strip().rpartition("@")
    name, port = (host, "") if host.count(":") > 1 and not host.startswith("[") else _split(host)
    try:
        number = int(port or 0)
    except ValueError:
        raise SshError(f"{settings.title}: the jump host {word!r} is not of the form user@host:port") from None
    title = f"{settings.title}: the jump host {name}"
    return replace(settings, host=name, name=title, user=user, port=number, jump=before, sudo_password=None)


def _split(host: str) -> tuple[str, str]:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def _proxy(command: str, opened: ExitStack) -> socket.socket:
    """What leads to the standard input and output of a ProxyCommand, which a shell runs (ssh_config(5))."""
    ours, theirs = socket.socketpair()
    with theirs:
        ends = theirs.fileno()
        process = subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stdin=ends, stdout=ends, start_new_session=True)
    opened.callback(process.wait)
    opened.callback(process.terminate)
    return ours


class _Refusing(paramiko.MissingHostKeyPolicy):
    """For hosts whose keys are not known: refused, but for what ~/.ssh/config allows."""

    def __init__(self, settings: SshSettings, known: KnownHosts) -> None:
        self._settings, self._known = settings, known

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if self._known.accepts_new and not self._known.is_revoked(key):
            self._known.add(key)
            return
        raise HostKeyError(self._known.unknown(self._settings.title, key))


def _unusable(path: str) -> str:
    """What is wrong with the file of a private key, "" for nothing. Whether an encrypted one can be used, the agent knows."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    try:
        with open(path, "rb") as file:
            content = file.read()
        if content.startswith((b"ssh-", b"ecdsa-", b"sk-")):
            return "is a public key: name the private one"
        (load_ssh_private_key if b"OPENSSH PRIVATE KEY" in content else load_pem_private_key)(content, None)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except UnsupportedAlgorithm:
        return "is of a kind that cannot be used: take one of ed25519, ECDSA or RSA"
    except TypeError:
        return ""
    except ValueError:
        return "holds no whole private key"
    return ""


def _not_let_in(settings: SshSettings, place: _Place, identities: Sequence[str]) -> str:
    problems = [f"the key {path} {problem}" for path in identities if (problem := _unusable(path))]
    if problems and len(problems) == len(identities):
        return f"{settings.title}: {'; '.join(problems)}"
    return (
        f"{settings.title}: sshd at {place.host} port {place.port} does not let {place.user} in with the keys that are here: "
        f"`ssh-copy-id {place.user}@{place.host}` puts one there, or name the right user or identity file"
    )


def _unreachable(settings: SshSettings, place: _Place, error: BaseException) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):  # the latter for a name that DNS cannot have
        why = "its name cannot be resolved"
    elif isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError) or str(error) == _NO_SESSION:
        why = f"no answer within {settings.connect_timeout:g} s"
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror[:1].lower() + error.strerror[1:]
    elif isinstance(error, EOFError) or "banner" in str(error):
        why = "what answers there does not speak SSH, or hung up"
    else:
        why = str(error) or "the connection ended"
    return (
        f"{settings.title} cannot be reached at {place.host} port {place.port}: {why}; check that it runs, address and firewalls"
    )


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
        select.select([channel], [], [], min(left, 1.0))
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
    """Writes messages whole, without a buffer of its own; closing it is the end of what the helper reads."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def write(self, data: bytes) -> int:
        self._channel.sendall(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._channel.shutdown_write()


# connections from the node


class _Dialler:
    """Opens TCP connections from the node by sshd's forwarding (RFC 4254, 7.2)."""

    def __init__(self, settings: SshSettings, transport: paramiko.Transport) -> None:
        self._settings, self._transport = settings, transport

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
        for carry in (_from_node, _to_node):
            threading.Thread(target=carry, args=(channel, theirs), daemon=True).start()
        return ours

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


def _to_node(channel: paramiko.Channel, near: socket.socket) -> None:
    with suppress(OSError, EOFError, paramiko.SSHException), near:
        while data := near.recv(_CHUNK):
            channel.sendall(data)
    with suppress(OSError, EOFError, paramiko.SSHException):  # where the whole connection is at its end, so is the channel
        channel.close()
