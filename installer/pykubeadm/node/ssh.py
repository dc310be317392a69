"""A machine reached over SSH, which needs no more than Python 3.9 and, for a user other than root, sudo.

One connection a node: `connect` logs in, starts a small program as root (`pykubeadm.node.helper`, which ends with the connection and
leaves nothing behind) and from then on each method of the node is one message and its answer, several at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pykubeadm.errors import NodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """How a node is reached. What is not given is taken from ~/.ssh/config (HostName, User, Port, IdentityFile, IdentitiesOnly,
    ProxyJump, ProxyCommand, UserKnownHostsFile, StrictHostKeyChecking accept-new), then OpenSSH's defaults; keys also come from
    the agent ($SSH_AUTH_SOCK).

    `host` is a name, an address or an alias of ~/.ssh/config; `name` is the one for messages ("" is `host`). `jump` is as with
    `ssh -J`: "user@host:port", several with commas, "none" for none. With `sudo` a user other than root becomes root by sudo;
    `sudo_password` is given to sudo's standard input if it asks. `python` is the command or path of Python on the node.
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
    config_file: str = "~/.ssh/config"
    connect_timeout: float = 15.0  # seconds, for each step of connecting


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


class SshNode:
    """Implements the `Node` port over a connection that `connect` made; threads may share it."""


@contextmanager
def connect(settings: SshSettings) -> Iterator[SshNode]:
    """The node, connected, until the end of the block. One of SshError's kinds where that is not possible."""
    raise NotImplementedError
    yield
