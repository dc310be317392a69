"""The kubelet's flags in kubeadm-flags.env: read, and written without those that a newer kubelet does not take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from typing import Final

from pykubeadm.constants import KUBELET_FLAGS_ENV
from pykubeadm.errors import PhaseError
from pykubeadm.manifests.kubelet import flags_environment
from pykubeadm.node.port import File, Node

RUNTIME_ENDPOINT: Final = "container-runtime-endpoint"
_VARIABLE: Final = "KUBELET_KUBEADM_ARGS="
_FLAG: Final = re.compile(r"--?[A-Za-z]")  # what else begins with a dash is a number, the value of one


def read_flags(node: Node) -> list[str] | None:
    """The flags, each as one word ("--node-ip=10.0.0.1"), None where there is no file. PhaseError where it is damaged."""
    content = node.read(KUBELET_FLAGS_ENV)
    return None if content is None else parsed_flags(content)


def parsed_flags(content: bytes) -> list[str]:
    """The flags in a file with this content, each as one word. PhaseError where it is damaged."""
    text = content.decode(errors="surrogateescape").strip()
    try:
        values = shlex.split(text.removeprefix(_VARIABLE)) if text.startswith(_VARIABLE) else []
        words = shlex.split(values[0]) if values else []
    except ValueError as error:
        raise PhaseError(f"{KUBELET_FLAGS_ENV} cannot be read: {str(error).lower()}; correct it, then run this again") from error
    flags: list[str] = []
    for word in words:
        if flags and not _FLAG.match(word) and _FLAG.match(flags[-1]) and "=" not in flags[-1]:
            flags[-1] += f"={word}"
        else:
            flags.append(word)
    return flags


def flag_name(word: str) -> str:
    return word.lstrip("-").partition("=")[0]


def flag_value(words: list[str], name: str) -> str:
    """The last value that a flag has, "" where it is not there."""
    return next((word.partition("=")[2] for word in reversed(words) if flag_name(word) == name), "")


def without_flags(node: Node, words: list[str], names: Collection[str]) -> File:
    """The file without the flags of these names."""
    return with_flags(node, [word for word in words if flag_name(word) not in names])


def with_flags(node: Node, words: Sequence[str]) -> File:
    """The file with these flags."""
    stat = node.stat(KUBELET_FLAGS_ENV)
    mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat and stat.kind == "file" else (0o644, 0, 0)
    content = flags_environment(words)
    return File(KUBELET_FLAGS_ENV, content.encode(errors="surrogateescape"), mode, uid, gid, replaces=True)
