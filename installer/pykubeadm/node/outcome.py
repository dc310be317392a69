"""What a node says of a command that ended otherwise than it should."""

from __future__ import annotations

import signal
from contextlib import suppress

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed

_QUOTED_LINES = 5


def checked(node: str, command: Command, completed: Completed) -> Completed:
    """`completed`, or a NodeError where `command` had to succeed and did not. A status below 0 is the signal that killed it."""
    if not command.check or completed.status == 0:
        return completed
    what = f"cannot {command.summary[0].lower()}{command.summary[1:]} on {node}: " if command.summary else f"on {node}: "
    if completed.status == 127:
        program = command.argv[0]
        raise NodeError(f"{what}`{command}` cannot run: there is no command {program}; install it or add its directory to PATH")
    ended = f"was killed by {_signal(-completed.status)}" if completed.status < 0 else f"ended with status {completed.status}"
    said = [line for line in (completed.stderr or completed.stdout).splitlines() if line.strip()][-_QUOTED_LINES:]
    raise NodeError(f"{what}`{command}` {ended}" + (": " + "\n  ".join(said) if said else ""))


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
