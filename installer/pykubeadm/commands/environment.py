"""What reading a configuration needs of its environment: of this machine, where a run is to come of it, or of none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from pykubeadm.commands.source import below
from pykubeadm.config.host import ANY_HOST, HostFacts
from pykubeadm.config.reading import Environment
from pykubeadm.config.release import look_up
from pykubeadm.config.report import Notes
from pykubeadm.node.port import Node
from pykubeadm.tokens.bootstrap import generate_token
from pykubeadm.workflow.events import Note, Subscriber
from pykubeadm.workflow.phase import Phase, paths

PLACEHOLDER_TOKEN = "abcdef.0123456789abcdef"  # noqa: S105 - kubeadm's placeholder, too


def for_reading(rootfs: str, note: Notes) -> Environment:
    """For a command that only reads a file: whether what it says can be is checked, not whether it suits this machine or a run.
    Only a discovery file is looked for, as kubeadm does."""
    return Environment(
        host=ANY_HOST, new_token=lambda: PLACEHOLDER_TOKEN, is_file=lambda path: os.path.isfile(below(rootfs, path)), note=note
    )


def environment(
    node: Node, host: HostFacts, emit: Subscriber, phases: Sequence[Phase[Any]], made_tokens: list[str]
) -> Environment:
    """`phases` are those of the command; `made_tokens` gathers the tokens that nobody gave."""

    def new_token() -> str:
        made_tokens.append(generate_token().text)
        return made_tokens[-1]

    def is_kind(kind: str) -> Callable[[str], bool]:
        def check(path: str) -> bool:
            found = node.stat(os.path.abspath(path))
            return found is not None and found.kind in (kind, "link")  # where a link leads, whoever reads will see

        return check

    return Environment(
        host=host,
        new_token=new_token,
        ask=look_up,
        phases=lambda: tuple(paths(phases)),
        is_dir=is_kind("directory"),
        is_file=is_kind("file"),
        note=lambda message: emit(Note(level="warning", topic="config", message=message)),
    )
