"""A document of the user's file with the place of each of its values, so that every problem can say where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pykubeadm.errors import Problem
from pykubeadm.util.dataclass import dataclass

Path = tuple[str | int, ...]  # ("apiServer", "extraArgs", 0, "name")
Position = tuple[int, int]  # line and column, from 1


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file: `name` as the user gave it and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Value:
    """One YAML or JSON document of any shape: plain data as JSON has it, and the position of every value in it."""

    source: str
    data: Any
    positions: Mapping[Path, Position]

    def problem(self, path: Path, sentence: str) -> Problem:
        """A problem at `path`, or where its nearest parent that the user wrote stands."""
        return Problem(self.source, *_nearest(self.positions, path), render(path), sentence)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML or JSON document: plain data as JSON has it, and the position of every value in it.

    `positions` are those of the values and `keys` those of their keys, both by path in the user's text; `moved` maps a path
    in `data` to the path in the user's text where a migration changed the shape.
    """

    source: str
    api_version: str
    kind: str
    data: Mapping[str, Any]
    positions: Mapping[Path, Position]
    keys: Mapping[Path, Position] = field(default_factory=dict)
    moved: Mapping[Path, Path] = field(default_factory=dict)

    def problem(self, path: Path, sentence: str) -> Problem:
        """A problem at `path`, or where its nearest parent that the user wrote stands."""
        written = self.written(path)
        return Problem(self.source, *_nearest(self.positions, written), render(written), sentence)

    def key_problem(self, path: Path, sentence: str) -> Problem:
        """A problem with the key at `path`: a field that does not exist."""
        written = self.written(path)
        position = self.keys.get(written) or _nearest(self.positions, written)
        return Problem(self.source, *position, render(written), sentence)

    def written(self, path: Path) -> Path:
        """`path` as it is in the user's text."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.moved:
                return self.moved[path[:length]] + path[length:]
        return path


def _nearest(positions: Mapping[Path, Position], path: Path) -> Position:
    while path not in positions:
        path = path[:-1]
    return positions[path]


def render(path: Path) -> str:
    """As in apiServer.extraArgs[0].name; a key that is no plain word is quoted: `evictionHard["memory.available"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or not part.isprintable() or not part:
            text += f'["{part if part.isprintable() else ascii(part)[1:-1]}"]'
        else:
            text += f".{part}" if text else part
    return text
