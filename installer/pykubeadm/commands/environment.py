"""What reading a configuration needs of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from pykubeadm.config.host import HostFacts
from pykubeadm.config.read import Environment
from pykubeadm.config.release import look_up
from pykubeadm.node.port import Node
from pykubeadm.tokens.bootstrap import generate_token
from pykubeadm.workflow.events import Note, Subscriber
from pykubeadm.workflow.phase import Phase, paths


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
