"""A file or text that holds one YAML mapping which is not ours to define: kubeconfigs, static pods, a kubelet's configuration.

It is read as Kubernetes reads YAML, and its fields are asked with the types they must have, so that a damaged file ends in a
sentence wherever the damage is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from pykubeadm.config.load import load_values
from pykubeadm.config.source import Path, Source, Value, render
from pykubeadm.errors import one_line
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject, plain_copy

T = TypeVar("T")

_NAMES: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a whole number"}


class DocumentError(ValueError):
    """What is wrong with a document, as the end of a sentence whose subject is its file: "is empty"."""

    def __str__(self) -> str:
        return one_line(super().__str__())


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping in a document; `path` is its place there. A field that is not there, or is null, has its type's zero value."""

    document: Value
    data: KubeObject
    path: Path = ()

    def text(self, name: str) -> str:
        return self._field(name, str, "")

    def flag(self, name: str) -> bool:
        return self._field(name, bool, False)  # noqa: FBT003 - a value

    def number(self, name: str, default: int = 0) -> int:
        """A whole number; `default` where the field is not there."""
        return self._field(name, int, default)

    def section(self, name: str) -> Section:
        return Section(self.document, self._field(name, dict, {}), (*self.path, name))

    def sections(self, name: str) -> list[Section]:
        """The mappings in a list."""
        entries: list[Any] = self._field(name, list, [])
        paths: list[Path] = [(*self.path, name, index) for index in range(len(entries))]
        return [
            Section(self.document, self._checked(entry, dict, path), path) for entry, path in zip(entries, paths, strict=True)
        ]

    def texts(self, name: str) -> list[str]:
        """The texts in a list."""
        entries: list[Any] = self._field(name, list, [])
        return [self._checked(entry, str, (*self.path, name, index)) for index, entry in enumerate(entries)]

    def error(self, sentence: str, name: str = "") -> DocumentError:
        """With the place of this section, or of its field `name`."""
        problem = self.document.problem((*self.path, name) if name else self.path, "")
        return DocumentError(f"{sentence} (line {problem.line})")

    def _field(self, name: str, kind: type[T], default: T) -> T:
        value = self.data.get(name)
        return default if value is None else self._checked(value, kind, (*self.path, name))

    def _checked(self, value: Any, kind: type[T], path: Path) -> T:
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        found = _NAMES.get(type(value), "nothing" if value is None else "a number")
        line = self.document.problem(path, "").line
        raise DocumentError(f"has {found} for {render(path)} where {_NAMES[kind]} must be (line {line})")


def load_section(content: bytes) -> Section:
    """The mapping that is the whole (first) document of `content`, the caller's to change; DocumentError where there is none."""
    document = _document(content)
    return Section(document, plain_copy(document.data))


@lru_cache(maxsize=64)
def _document(content: bytes) -> Value:
    """A run reads the same few kubeconfigs and manifests again and again."""
    documents, problems = load_values(Source("", content))
    if problems:
        first = min(problems)
        field = f"{first.path} " if first.path else ""
        raise DocumentError(f"cannot be read (line {first.line}, column {first.column}): {field}{first.sentence}")
    if not documents:
        raise DocumentError("is empty")
    document = documents[0]
    if not isinstance(document.data, dict):
        raise DocumentError(f"holds {_NAMES.get(type(document.data), 'a number')} in place of a mapping")
    return document
