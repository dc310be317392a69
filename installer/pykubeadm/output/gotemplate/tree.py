"""What a Go template is made of."""

from __future__ import annotations

from typing import Literal

from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Dot:
    at: int


@dataclass(frozen=True, slots=True)
class Nil:
    at: int


@dataclass(frozen=True, slots=True)
class Constant:
    at: int
    value: str | float | bool


@dataclass(frozen=True, slots=True)
class Variable:
    """`name` has its `$`."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Function:
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Fields:
    """`.a.b` of something; of the dot where nothing is written."""

    at: int
    of: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The first is what is evaluated, the others are its arguments."""

    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`variables` get its value: new ones, or with `assigns` those that there are."""

    at: int
    variables: tuple[str, ...]
    assigns: bool
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Control:
    keyword: Literal["if", "with", "range"]
    pipeline: Pipeline
    body: tuple[Part, ...]
    otherwise: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    keyword: Literal["break", "continue"]


Operand = Dot | Nil | Constant | Variable | Function | Fields | Pipeline
Part = Text | Output | Control | Jump
