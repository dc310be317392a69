"""Patch files: their names say what they patch and how (kubeadm: util/patches/patches.go).

A name is `TARGET[SUFFIX][+TYPE].{yaml,json}`, where the suffix orders the patches of one target.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pykubeadm.config.load import load_values
from pykubeadm.config.source import Source, Value
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.dataclass import dataclass

# What can be patched, and the type of the object that is.
TARGETS: Final = {
    "etcd": "Pod",
    "kube-apiserver": "Pod",
    "kube-controller-manager": "Pod",
    "kube-scheduler": "Pod",
    "kubeletconfiguration": "KubeletConfiguration",
    "corednsdeployment": "Deployment",
    "kubeproxydaemonset": "DaemonSet",  # kubeadm 1.37 (kubernetes#138090); one before it ignores the file, with a warning
}
TYPES: Final = ("json", "merge", "strategic")
DEFAULT_TYPE: Final = "strategic"

_EXTENSION = re.compile(r".+\.(json|yaml)")
_NAME = re.compile(rf"({'|'.join(TARGETS)})[^.+]*(\+?)({'|'.join(TYPES)})?")


@dataclass(frozen=True, slots=True)
class Patch:
    """One document of a patch file. `type` is one of TYPES; `value` keeps the place of everything in it."""

    target: str
    type: str
    value: Value


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file in the patches directory that is no patch, and why."""

    path: str
    reason: str


def may_be_patch(name: str) -> bool:
    """Whether a file of this name, without directories, is read at all."""
    return bool(_EXTENSION.fullmatch(name) and _NAME.match(name))


def read_patches(sources: Sequence[Source]) -> tuple[tuple[Patch, ...], tuple[Ignored, ...]]:
    """The patches of these files in the files' order, and the files that are passed over.

    Raises ConfigError with every problem of every file: a `+` without a known type, text that is not YAML.
    """
    patches: list[Patch] = []
    ignored: list[Ignored] = []
    problems: list[Problem] = []
    for source in sources:
        base_name = source.name.rpartition("/")[2]
        found = _NAME.match(base_name)
        if not _EXTENSION.fullmatch(base_name):
            ignored.append(Ignored(source.name, "its name ends neither in .yaml nor in .json"))
        elif not found:
            ignored.append(Ignored(source.name, f"its name begins with none of {', '.join(TARGETS)}"))
        elif found[2] and not found[3]:
            problems.append(
                Problem(source.name, 1, 1, "", f"the name has no known type after the +, which is one of {', '.join(TYPES)}")
            )
        elif not source.content:
            ignored.append(Ignored(source.name, "it is empty"))
        else:
            type_ = found[3] or DEFAULT_TYPE
            values, wrong = load_values(source)
            problems += wrong
            for value in values:
                problems += _shape(type_, value)
                patches.append(Patch(found[1], type_, value))
    if problems:
        raise ConfigError(problems)
    return tuple(patches), tuple(ignored)


def _shape(type_: str, value: Value) -> list[Problem]:
    if type_ == "json" and not isinstance(value.data, list):
        return [value.problem((), "a JSON patch must be a list of operations")]
    if type_ != "json" and not isinstance(value.data, dict):
        return [value.problem((), f"a patch of type {type_} must be a mapping")]
    return []
