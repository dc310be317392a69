"""Logging in to a machine over SSH as OpenSSH would: ~/.ssh/config, known hosts, keys and agent, jump hosts."""

from __future__ import annotations

import errno
import getpass
import logging
import os
import random
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from typing import Any, cast

import paramiko

from pykubeadm.errors import NodeError
from pykubeadm.node.known_hosts import KnownHosts
from pykubeadm.node.ssh_transport import Transport
from pykubeadm.util.dataclass import dataclass

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else its tracebacks are printed; what it raises is explained

_CONFIG = "~/.ssh/config"
_NO_SESSION = "No existing session"  # says paramiko where sshd hung up between two keys, or did not get that far in time
_TOO_LATE = "Authentication timeout."
_FORBIDDEN = 1  # RFC 4254, 5.1: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
_PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds, more or less, before a server that dropped us is tried again
# What sshd says before it drops somebody: to 9.7, and since.
_DROPPING = (b"Exceeded MaxStartups", b"Not allowed at this time")
_GRACE = 5.0  # seconds for a ProxyCommand to end
_MOST_JUMPS = 16
_TITLE = ": the jump host "  # behind that of the node


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
    jumps: int = 0  # of those that lead to one another, which of them this is

    @property
    def title(self) -> str:
        """The node's name in messages."""
        return self.name or self.host


class SshError(NodeError):
    """A node cannot be reached or used over SSH; the sentence begins with its name. What follows are its kinds."""


class UnreachableError(SshError):
    """Nobody answers there, or not with SSH."""


class HungUpError(SshError):
    """The server ended the connection before the user was logged in. The machine runs, and may well be in use."""


class _DroppedError(HungUpError):
    """Before any key was looked at: it may have been chance."""


class HostKeyError(SshError):
    """The host's key is not known, or another one than is known; names the fingerprint and what to do."""


class LoginError(SshError):
    """The host does not let this user in."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What settings and ~/.ssh/config make together."""

    host: str
    port: int
    user: str
    options: dict[str, Any]

    @property
    def jump(self) -> str:
        """The jump hosts, "" for none."""
        return self._way("proxyjump")

    @property
    def proxy_command(self) -> str:
        """The command that leads there, "" for none."""
        return "" if self.options.get("proxyjump") else self._way("proxycommand")

    def _way(self, option: str) -> str:
        given = str(self.options.get(option, ""))
        return "" if given.lower() == "none" else given


def log_in(settings: SshSettings, opened: ExitStack) -> paramiko.Transport:
    """A connection on which the user is logged in; `opened` closes it and what it goes through. A server that drops us is tried
    again a few times: of many who come at once, sshd drops some (MaxStartups)."""
    place = _place(settings)
    for pause in _PAUSES:
        try:
            return _attempt(settings, place, opened)
        except _DroppedError:
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - not all at the same moment again
    try:
        return _attempt(settings, place, opened)
    except _DroppedError as error:  # whoever comes this way to another machine does not begin with it again
        raise HungUpError(str(error)) from error


def _attempt(settings: SshSettings, place: _Place, opened: ExitStack) -> paramiko.Transport:
    with ExitStack() as attempt:
        transport = _logged_in(settings, place, _way(settings, place, attempt), attempt)
        opened.push(attempt.pop_all())
    return transport


def _logged_in(settings: SshSettings, place: _Place, way: Any, opened: ExitStack) -> paramiko.Transport:
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
            sock=way,
            timeout=settings.connect_timeout,
            banner_timeout=settings.connect_timeout,
            auth_timeout=settings.connect_timeout,
            channel_timeout=settings.connect_timeout,
            allow_agent=place.options.get("identitiesonly", "no") != "yes",
            look_for_keys=not identities,
            transport_factory=Transport,
        )
    except paramiko.BadHostKeyException as error:
        raise HostKeyError(known.changed(settings.title, error.key, error.expected_key)) from error
    except paramiko.PasswordRequiredException as error:
        raise LoginError(f"{settings.title}: the key for {place.user} is encrypted: add it to the agent (`ssh-add`)") from error
    except paramiko.ssh_exception.NoValidConnectionsError as error:
        why = next(iter(error.errors.values()))
        raise UnreachableError(_unreachable(settings, place, why)) from error
    except (OSError, EOFError, UnicodeError, paramiko.SSHException) as error:
        begun = cast("Transport | None", client.get_transport())
        raise _failure(settings, place, identities, begun, error) from error
    transport = client.get_transport()
    if transport is None:
        raise UnreachableError(_unreachable(settings, place, EOFError()))
    if known.is_revoked(key := transport.get_remote_server_key()):
        raise HostKeyError(known.revoked(settings.title, key))
    return transport


def _failure(
    settings: SshSettings, place: _Place, identities: Sequence[str], begun: Transport | None, error: BaseException
) -> SshError:
    """What kept from logging in, by how far it had come."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return SshError(f"{settings.title} was not connected to: {error.strerror} on this machine; raise its limit (`ulimit -n`)")
    unreachable = UnreachableError(_unreachable(settings, place, error))
    if begun is None or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return unreachable
    hung_up = not begun.is_active()
    if not begun.greeted:
        drops = not begun.greeting or any(words in begun.greeting for words in _DROPPING)
        return _dropped(settings, place, "before it said a word") if hung_up and drops else unreachable
    if not begun.initial_kex_done:
        ended = isinstance(error, OSError | EOFError) or str(error) == "Negotiation failed."
        return _dropped(settings, place, "while keys were exchanged") if hung_up and ended else unreachable
    if hung_up and begun.refused:
        return LoginError(_not_let_in(settings, place, identities, tried=begun.refused + 1))
    if hung_up:
        return HungUpError(
            f"{settings.title}: sshd at {place.host} port {place.port} ended the connection while {place.user} logged in: "
            "its log there says why (`journalctl -u ssh -u sshd`); it may be an account that has expired, or that PAM refuses"
        )
    refused = isinstance(error, paramiko.AuthenticationException) and str(error) != _TOO_LATE
    unusable = isinstance(error, paramiko.SSHException | UnicodeDecodeError | PermissionError) and any(map(_unusable, identities))
    if refused or unusable or str(error) == "No authentication methods available":
        return LoginError(_not_let_in(settings, place, identities))
    return unreachable


def _dropped(settings: SshSettings, place: _Place, when: str) -> _DroppedError:
    server = "the ProxyCommand, or the server" if place.proxy_command else "the server"
    return _DroppedError(
        f"{settings.title}: {server} at {place.host} port {place.port} ended the connection {when}, {len(_PAUSES) + 1} times: "
        "too many may log in there at once (MaxStartups of sshd; with --forks fewer do), or this machine is kept out, by "
        "fail2ban or sshd's PerSourcePenalties: the log there says which (`journalctl -u ssh -u sshd`)"
    )


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
        user = options.get("user") or getpass.getuser()
    except (OSError, ValueError, KeyError, ImportError, paramiko.SSHException) as error:
        raise SshError(f"{settings.title}: {_nobody() or f'{file} cannot be used: {error}'}") from error
    return _Place(options.get("hostname", settings.host), port, user, options)


def _nobody() -> str:
    """Why there is no name for the user that this runs as, which paramiko may want to know, too; "" where there is one."""
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        return f"no user of this machine has the number {os.getuid()}: set $LOGNAME, and which user to log in as"
    return ""


def _identities(settings: SshSettings, place: _Place) -> list[str]:
    """The files of keys to try first; LoginError where one that was asked for is missing."""
    given = [os.path.expanduser(path) for path in settings.identity_files]
    if missing := [path for path in given if not os.path.isfile(path)]:
        raise LoginError(f"{settings.title}: the key {missing[0]} does not exist")
    configured = [os.path.expanduser(path) for path in place.options.get("identityfile", ())]
    return given or [path for path in configured if os.path.isfile(path)]


def _way(settings: SshSettings, place: _Place, opened: ExitStack) -> Any:
    """What the connection goes through, None where it is the network itself."""
    if jump := place.jump:
        if settings.jumps == _MOST_JUMPS:
            raise SshError(
                f"{settings.title.partition(_TITLE)[0]}: the jump hosts in {settings.config_file} lead through each other without"
                f" end, the last one through {jump}: leave that out where it is named, as with `Host * !{jump}`"
            )
        before, _, last = jump.rpartition(",")
        try:
            through = log_in(_jump_host(settings, last, before), opened)
        except UnreachableError as error:  # which says nothing of the node itself
            raise SshError(str(error)) from error
        try:
            return through.open_channel(
                "direct-tcpip", (place.host, place.port), ("127.0.0.1", 0), timeout=settings.connect_timeout
            )
        except (paramiko.SSHException, EOFError, OSError) as error:
            forbidden = isinstance(error, paramiko.ChannelException) and error.code == _FORBIDDEN
            raise (SshError if forbidden or not through.is_active() else UnreachableError)(
                f"{settings.title} cannot be reached at {place.host} port {place.port} from the jump host {last}: check address "
                "and firewalls, and that sshd there allows it (AllowTcpForwarding)"
            ) from error
    return _proxy(settings, place.proxy_command, opened) if place.proxy_command else None


def _jump_host(settings: SshSettings, word: str, before: str) -> SshSettings:
    """Settings for `word`, "user@host:port", which is reached through `before`."""
    user, _, host = word.strip().rpartition("@")
    name, port = (host, "") if host.count(":") > 1 and not host.startswith("[") else _split(host)
    try:
        number = int(port or 0)
    except ValueError:
        raise SshError(f"{settings.title}: the jump host {word!r} is not of the form user@host:port") from None
    title = f"{settings.title}{_TITLE}{name}"
    jumps = settings.jumps + 1
    return replace(settings, host=name, name=title, user=user, port=number, jump=before, jumps=jumps, sudo_password=None)


def _split(host: str) -> tuple[str, str]:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def _proxy(settings: SshSettings, command: str, opened: ExitStack) -> socket.socket:
    """What leads to the standard input and output of a ProxyCommand, which a shell runs (ssh_config(5))."""
    try:
        ours, theirs = socket.socketpair()
        opened.callback(ours.close)
        with theirs:
            ends = theirs.fileno()
            process = subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stdin=ends, stdout=ends, start_new_session=True)
    except OSError as error:
        raise SshError(
            f"{settings.title} was not connected to: its ProxyCommand cannot be started: {error.strerror}; raise the limits of "
            "this machine (`ulimit -n`, `ulimit -u`), or let --forks be fewer"
        ) from error
    opened.callback(_end, process)
    return ours


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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


def _not_let_in(settings: SshSettings, place: _Place, identities: Sequence[str], tried: int = 0) -> str:
    """`tried`: after how many keys sshd hung up, 0 if it did not."""
    problems = [f"the key {path} {problem}" for path in identities if (problem := _unusable(path))]
    if problems and len(problems) == len(identities):
        return f"{settings.title}: {'; '.join(problems)}"
    if tried:
        return (
            f"{settings.title}: sshd at {place.host} port {place.port} ended the connection after {tried} keys, of which none "
            f"lets {place.user} in (MaxAuthTries): name the right identity file, and where the agent has many keys set "
            "IdentitiesOnly yes in ~/.ssh/config"
        )
    return (
        f"{settings.title}: sshd at {place.host} port {place.port} does not let {place.user} in with the keys that are here: "
        f"`ssh-copy-id {place.user}@{place.host}` puts one there, or name the right user or identity file"
    )


def _unreachable(settings: SshSettings, place: _Place, error: BaseException) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):  # the latter for a name that DNS cannot have
        why = "its name cannot be resolved"
    elif isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError) or str(error) in (_NO_SESSION, _TOO_LATE):
        why = f"no answer within {settings.connect_timeout:g} s"
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror[:1].lower() + error.strerror[1:]
    elif isinstance(error, EOFError) or "banner" in str(error):
        why = "what answers there does not speak SSH"
    else:
        why = str(error) or "the connection ended"
    return (
        f"{settings.title} cannot be reached at {place.host} port {place.port}: {why}; check that it runs, address and firewalls"
    )
