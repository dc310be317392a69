"""Where problems of one document are gathered: found by path, reported at the place the user can look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from pykubeadm.config.source import Document, Path, render
from pykubeadm.errors import Problem
from pykubeadm.util.dataclass import dataclass

Notes = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """Gathers `problems` of a document, of flags, or of values that neither gave.

    `flags` says which flag gave the value at a path. `broken` are paths already reported, whose values are stand-ins.
    """

    problems: list[Problem]
    note: Notes
    document: Document | None = None
    source: str = ""
    flags: Mapping[Path, str] = field(default_factory=dict)
    broken: frozenset[Path] = frozenset()

    def unknown(self, path: Path, sentence: str) -> None:
        """A field that does not exist."""
        if self.document:
            self.problems.append(self.document.key_problem(path, sentence))
        else:
            self.problem(path, sentence)

    def problem(self, path: Path, sentence: str) -> None:
        """Nothing where `sentence` is empty, so that rules can be applied in one line."""
        if not sentence or any(path[: len(known)] == known for known in self.broken):
            return
        flag = next((name for given, name in self.flags.items() if path[: len(given)] == given), "")
        if flag:
            self.problems.append(Problem(flag, 0, 0, "", sentence))
        elif self.document:
            self.problems.append(self.document.problem(path, sentence))
        else:
            self.problems.append(Problem(self.source, 0, 0, render(path), sentence))

    def wrote(self, path: Path) -> bool:
        """Whether the user's document gives a value at `path`; null is none."""
        value: Any = self.document.data if self.document else None
        for part in path:
            try:
                value = value[part]
            except (TypeError, LookupError):
                return False
        return value is not None
