"""Connecting over SSH in tests: with another configuration, to a server of ours in front, and the sentence where it fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from pykubeadm.node.ssh import connect
from pykubeadm.node.ssh_login import SshError, SshSettings
from tests.support.sshd import Sshd


def why_not(settings: SshSettings, kind: type[SshError]) -> str:
    """The sentence with which connecting fails."""
    with pytest.raises(kind) as caught, connect(settings):
        pytest.fail("it connects")
    sentence = str(caught.value)
    assert sentence.startswith("n1")
    assert "\n" not in sentence
    return sentence


def why_not_at_all(settings: SshSettings) -> SshError:
    """The error with which connecting fails, whatever its kind."""
    with pytest.raises(SshError) as caught, connect(settings):
        pytest.fail("it connects")
    return caught.value


def configured(sshd: Sshd, folder: Path, text: str, **others: object) -> SshSettings:
    """With another ~/.ssh/config."""
    (folder / "config").write_text(text)
    return replace(sshd.settings(), config_file=str(folder / "config"), **others)  # type: ignore[arg-type]


@contextmanager
def front(meet: Callable[[int, socket.socket], None]) -> Iterator[tuple[int, list[int]]]:
    """A server's port, and the number of each caller so far; `meet` has each, in a thread, and hangs up when it returns."""
    callers: list[int] = []

    def one(number: int, caller: socket.socket) -> None:
        with caller, suppress(OSError, EOFError, paramiko.SSHException):
            meet(number, caller)

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller = server.accept()[0]
                callers.append(len(callers))
                threading.Thread(target=one, args=(callers[-1], caller), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)
