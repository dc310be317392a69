r"""kubectl's JSONPath, read into a tree (client-go, util/jsonpath: its parser is the only description of the dialect there is).

A template is text with actions in braces: `{.items[*].name}{"\n"}`. Within an action stand fields (`.a`, `['a\.b']`), indexes
and slices (`[0]`, `[-1]`, `[0:4:2]`), unions (`[0,2]`, `['a','b']`), wildcards (`.*`, `[*]`), recursive descent (`..a`), filters
(`[?(@.a=="b")]`), texts, numbers, true and false; `{range …}` goes to its `{end}` and may hold others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pykubeadm.output.go_text import unquoted
from pykubeadm.output.refusal import TemplateError
from pykubeadm.util.dataclass import dataclass

DEEPEST = 50  # that ranges are nested
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_NUMBERLIKE = re.compile(r"[-+]?[\d.]*")
# A backslash in a field's name goes with what it stands before.
_FIELD = re.compile(r"(?:\\.|[^ \t\r\n.,[\]$@{}\\])*\\?", re.DOTALL)
_WORD = re.compile(r"[^ \t\r\n.,[\]$@{}\\]*")
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]+)?(?::(-?[0-9]+)?)?(?::(-?[0-9]+)?)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")


class Text(NamedTuple):
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: float | bool


@dataclass(frozen=True, slots=True)
class Wildcard:
    pass


@dataclass(frozen=True, slots=True)
class Descent:
    pass


@dataclass(frozen=True, slots=True)
class Slice:
    """`end` is None for the list's; `single` where only a start was written."""

    at: int
    start: int
    end: int | None
    step: int
    single: bool


@dataclass(frozen=True, slots=True)
class Union:
    parts: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`operator` is "" where it is only asked whether there is a `left`."""

    at: int
    left: tuple[Node, ...]
    operator: str
    right: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Action:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Range:
    over: tuple[Node, ...]
    body: tuple[Part, ...]


Node = Text | Field | Literal | Wildcard | Descent | Slice | Union | Filter
Part = Text | Action | Range


class _Word(NamedTuple):
    """`range` or `end`."""

    at: int
    name: str


def parse(template: str) -> tuple[Part, ...]:
    """TemplateError with the first thing that is wrong."""
    bodies: list[list[Part]] = [[]]
    open_ranges: list[tuple[int, tuple[Node, ...]]] = []
    at = 0
    while at < len(template):
        brace = template.find("{", at)
        if brace != at:
            end = brace if brace >= 0 else len(template)
            bodies[-1].append(Text(template[at:end]))
            at = end
            continue
        action = _Action(template, at + 1, len(template), top=True)
        nodes, at = action.read(), action.at
        match action.word:
            case None:
                bodies[-1].append(Action(nodes))
            case _Word(where, "range"):
                if len(open_ranges) == DEEPEST:
                    raise TemplateError(where, f"ranges are nested more than {DEEPEST} deep")
                open_ranges.append((where, nodes))
                bodies.append([])
            case _Word(where, _):
                if not open_ranges or nodes:
                    raise TemplateError(where, '"end" ends no range' if not nodes else 'there is more than "end" in its braces')
                body = tuple(bodies.pop())
                bodies[-1].append(Range(open_ranges.pop()[1], body))
    if open_ranges:
        raise TemplateError(open_ranges[-1][0], 'this range has no "{end}"')
    return tuple(bodies[0])


class _Action:
    """What is within braces, or within the brackets of a union or filter, between `at` and `stop`. `word` is the "range" or "end"
    that it begins with."""

    def __init__(self, text: str, at: int, stop: int, *, top: bool = False) -> None:
        self._text, self.at, self._stop, self._top = text, at, stop, top
        self._nodes: list[Node] = []
        self.word: _Word | None = None

    def read(self) -> tuple[Node, ...]:
        began = self.at - 1
        while not self._ends(began):
            self._one()
        self.at += 1
        return tuple(self._nodes)

    def _ends(self, began: int) -> bool:
        if self.at < self._stop and self._text[self.at] not in "\r\n":
            return self._text[self.at] == "}"
        if self._top:
            raise TemplateError(began, 'this action has no "}" on its line')
        return True

    def _one(self) -> None:
        char = self._text[self.at]
        if char in " @$":  # the current object, which is where every path begins
            self.at += 1
        elif self._text.startswith("[?(", self.at):
            self._filter()
        elif char == "[":
            self._brackets()
        elif char in "\"'":
            self._quoted(char)
        elif self._text.startswith("..", self.at):
            self._descent()
        elif char == ".":
            self.at += 1
            self._field()
        elif char in "+-" or char.isdecimal():
            self._number()
        elif char == "_" or char.isalpha():
            self._name()
        else:
            raise TemplateError(self.at, f'"{char}" cannot stand here')

    def _taken(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self.at, self._stop)
        assert found is not None, pattern  # noqa: S101  those that are used match nothing, too
        self.at = found.end()
        return found[0]

    def _field(self) -> None:
        at = self.at
        name = self._taken(_FIELD)
        self._nodes.append(Wildcard() if name == "*" else Field(at, name.replace("\\", "")))

    def _descent(self) -> None:
        if self._nodes and isinstance(self._nodes[-1], Descent):
            raise TemplateError(self.at, "one recursive descent follows another")
        self.at += 2
        self._nodes.append(Descent())
        following = self._text[self.at : self.at + 1]
        if self.at < self._stop and (following == "_" or following.isalnum()):
            self._field()

    def _name(self) -> None:
        at = self.at
        name = self._taken(_WORD)
        if name in ("true", "false"):
            self._nodes.append(Literal(name == "true"))
        elif name in ("range", "end") and self._top and not self._nodes and self.word is None:
            self.word = _Word(at, name)
        elif name in ("range", "end"):
            raise TemplateError(at, f'"{name}" stands first in its own braces')
        else:
            raise TemplateError(at, f'"{name}" is not a word of JSONPath: a field begins with a point, a text is quoted')

    def _number(self) -> None:
        at = self.at
        text = self._taken(_NUMBERLIKE)
        if not _NUMBER.fullmatch(text):
            raise TemplateError(at, f'"{text}" is not a number')
        whole = _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63
        self._nodes.append(Literal(int(text) if whole else float(text)))

    def _quoted(self, quote: str) -> None:
        at = self.at
        self.at = self._closing(quote, at + 1)
        try:
            self._nodes.append(Text(unquoted(self._text[at : self.at])))
        except ValueError as error:
            raise TemplateError(at, str(error)) from error

    def _closing(self, quote: str, at: int) -> int:
        """Behind the quote that ends a text: one that no backslash stands before."""
        while at < self._stop and self._text[at] != "\n":
            if self._text[at] == quote and self._text[at - 1] != "\\":
                return at + 1
            at += 1
        raise TemplateError(self.at, "this text has no end on its line")

    def _part(self, at: int, stop: int) -> tuple[Node, ...]:
        return _Action(self._text, at, stop).read()

    def _brackets(self) -> None:
        opening, closing = self.at, self._text.find("]", self.at, self._stop)
        if closing < 0 or "\n" in self._text[opening:closing]:
            raise TemplateError(opening, 'this "[" has no "]" on its line')
        inner, at = self._text[opening + 1 : closing], opening + 1
        self.at = closing + 1
        parts = inner.split(",")
        if len(parts) == 1:
            self._nodes += self._bracketed(inner, at)
            return
        union = []
        for part in parts:
            union.append(tuple(self._bracketed(part.strip(" "), at + len(part) - len(part.lstrip(" ")))))
            at += len(part) + 1
        self._nodes.append(Union(tuple(union)))

    def _bracketed(self, inner: str, at: int) -> Sequence[Node]:
        """A key, or a slice. `['a.b']` is `.a.b`, as in kubectl: a point that belongs to the key has a backslash before it."""
        if inner == "*":
            return [Slice(at, 0, None, 1, single=False)]
        if key := _KEY.fullmatch(inner):
            return self._key(at + 1, at + 1 + len(key[1]))
        if inner.startswith("?("):
            raise TemplateError(at, "a filter stands alone in its brackets")
        found = _SLICE.fullmatch(inner)
        if found is None:
            raise TemplateError(at, f'"{inner}" is not an index: 0, -1, 1:3 and * are, and keys in single quotes')
        first, last, step = found.groups()
        start, single = int(first or 0), ":" not in inner
        end = start + 1 if single else int(last) if last else None
        if step and int(step) <= 0:
            raise TemplateError(at, "the step is not above 0")
        return [Slice(at, start, end, int(step or 1), single=single)]

    def _key(self, at: int, stop: int) -> tuple[Node, ...]:
        part = _Action(self._text, at, stop)
        part._field()
        return part.read()

    def _filter(self) -> None:
        opening = self.at
        closing = self._end_of_filter(opening + 3)
        if self._text[closing + 1 : closing + 2] != "]" or closing + 1 >= self._stop:
            raise TemplateError(closing, 'a "]" follows a filter\'s ")"')
        self.at = closing + 2
        inner = opening + 3
        found = _COMPARISON.fullmatch(self._text, inner, closing)
        if found is None:
            self._nodes.append(Filter(opening, self._part(inner, closing), "", ()))
            return
        if found[2] not in _OPERATORS:
            raise TemplateError(found.start(2), f'"{found[2]}" is not a comparison; there are {", ".join(_OPERATORS)}')
        left, right = self._part(*found.span(1)), self._part(*found.span(3))
        self._nodes.append(Filter(opening, left, found[2], right))

    def _end_of_filter(self, at: int) -> int:
        """The first ")" outside of quotes; as in kubectl, there is one quoted text at most."""
        quote, opened, closed = "", False, False
        while at < self._stop and self._text[at] != "\n":
            char = self._text[at]
            if char in "\"'":
                if not opened:
                    opened, quote = True, char
                elif char == quote and self._text[at - 1] != "\\":
                    closed = True
            elif char == ")" and opened == closed:
                return at
            at += 1
        raise TemplateError(self.at, 'this filter has no ")" on its line')
