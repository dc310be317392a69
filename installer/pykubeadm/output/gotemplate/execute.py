"""A Go template applied to a document (text/template, exec.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pykubeadm.output.go_text import printed
from pykubeadm.output.gotemplate.functions import FUNCTIONS, kind
from pykubeadm.output.gotemplate.tree import (
    Call,
    Constant,
    Control,
    Dot,
    Fields,
    Function,
    Jump,
    Nil,
    Operand,
    Output,
    Part,
    Pipeline,
    Text,
    Variable,
)
from pykubeadm.output.refusal import MisfitError, TemplateError


class _Missing:
    """What a field that is not there is, and nil once it was evaluated: printed as <no value>, and so are its fields."""


_MISSING: Final = _Missing()


def execute(template: Sequence[Part], document: Any, *, allow_missing: bool) -> str:
    """The text for one document. TemplateError where something in the document is other than the template has it, and, but with
    `allow_missing`, where it has no such field."""
    execution = _Execution(document, allow_missing=allow_missing)
    execution.parts(template, document)
    return "".join(execution.written)


def _value(value: Any) -> Any:
    """As functions take it."""
    return None if isinstance(value, _Missing) else value


class _Execution:
    def __init__(self, document: Any, *, allow_missing: bool) -> None:
        self.written: list[str] = []
        self._variables: list[tuple[str, Any]] = [("$", document)]
        self._allow_missing = allow_missing

    def parts(self, parts: Iterable[Part], dot: Any) -> str:
        """Gives back the `break` or `continue` that it ended with, if any."""
        for part in parts:
            match part:
                case Text(text):
                    self.written.append(text)
                case Output(pipeline):
                    value = self._pipeline(pipeline, dot)
                    if not pipeline.variables:
                        self.written.append("<no value>" if isinstance(value, _Missing) else printed(value))
                case Jump(keyword):
                    return keyword
                case Control():
                    known = len(self._variables)
                    jump = self._control(part, dot)
                    del self._variables[known:]
                    if jump:
                        return jump
        return ""

    def _control(self, control: Control, dot: Any) -> str:
        value = self._pipeline(control.pipeline, dot)
        if control.keyword == "range":
            items = self._items(control.pipeline, _value(value))
            if items:
                self._range(control, items)
                return ""
        elif _value(value):
            return self.parts(control.body, value if control.keyword == "with" else dot)
        return self.parts(control.otherwise, dot)

    def _items(self, pipeline: Pipeline, value: Any) -> Sequence[tuple[Any, Any]]:
        """Indexes or keys, and what they stand for."""
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool) and len(pipeline.variables) < 2:
            return _Numbers(value)
        if value is None:
            return []
        raise TemplateError(pipeline.at, f"range goes over lists, objects and up to a whole number, not over {kind(value)}")

    def _range(self, control: Control, items: Sequence[tuple[Any, Any]]) -> None:
        pipeline = control.pipeline
        known = len(self._variables)
        for index, item in items:
            values = (index, item)[-len(pipeline.variables) :] if pipeline.variables else ()
            if pipeline.assigns:
                for name, value in zip(pipeline.variables, values, strict=True):
                    self._assign(pipeline.at, name, value)
            else:
                self._variables[known - len(values) : known] = zip(pipeline.variables, values, strict=True)
            jump = self.parts(control.body, item)
            del self._variables[known:]
            if jump == "break":
                break

    # values

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = None
        for number, call in enumerate(pipeline.calls):
            before = (value,) if number else ()
            value = self._of_call(call, dot, before)
            if value is None:
                value = _MISSING
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(pipeline.at, name, value)
            else:
                self._variables.append((name, value))
        return value

    def _assign(self, at: int, name: str, value: Any) -> None:
        for number in range(len(self._variables) - 1, -1, -1):
            if self._variables[number][0] == name:
                self._variables[number] = (name, value)
                return
        raise TemplateError(at, f"there is no variable {name} here")

    def _of_call(self, call: Call, dot: Any, before: tuple[Any, ...]) -> Any:
        """`before` is what stands before the `|`."""
        first, *arguments = call.operands
        if isinstance(first, Function):
            return self._call(first, arguments, dot, before)
        if isinstance(first, Nil):
            raise TemplateError(first.at, "nil alone is not a value")
        value = self._operand(first, dot)
        if arguments or before:
            raise TemplateError(first.at, "only a function takes arguments")
        return value

    def _operand(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Dot():
                return dot
            case Nil():
                return None
            case Constant(_, value):
                return value
            case Variable(at, name):
                return self._variable(at, name)
            case Function():
                return self._call(operand, (), dot, ())
            case Pipeline():
                return self._pipeline(operand, dot)
            case Fields(at, of, names):
                value = self._operand(of, dot)
                for name in names:
                    value = self._field(at, value, name)
                return value

    def _variable(self, at: int, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise TemplateError(at, f"there is no variable {name} here")

    def _field(self, at: int, value: Any, name: str) -> Any:
        if isinstance(value, _Missing) or (isinstance(value, Mapping) and name not in value):
            if not self._allow_missing:
                raise TemplateError(at, f'there is no field "{name}"')
            return _MISSING
        if not isinstance(value, Mapping):
            raise TemplateError(at, f'{kind(value)} has no field "{name}"')
        return value[name]

    def _call(self, function: Function, arguments: Sequence[Operand], dot: Any, before: tuple[Any, ...]) -> Any:
        least, most, call = FUNCTIONS[function.name]
        given = len(arguments) + len(before)
        if given < least or (most is not None and given > most):
            wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            raise TemplateError(function.at, f"{function.name} takes {wanted} arguments, not {given}")
        if function.name in ("and", "or"):
            return self._first(arguments, dot, before, true=function.name == "or")
        values = [_value(self._operand(argument, dot)) for argument in arguments]
        try:
            return call(*values, *map(_value, before))
        except MisfitError as error:
            raise TemplateError(function.at, str(error)) from error

    def _first(self, arguments: Sequence[Operand], dot: Any, before: tuple[Any, ...], *, true: bool) -> Any:
        """The first that is true, or false, else the last; those behind it are not evaluated."""
        value: Any = None
        for argument in arguments:
            value = self._operand(argument, dot)
            if bool(_value(value)) == true:
                return value
        return before[0] if before else value


class _Numbers(Sequence[tuple[Any, Any]]):
    """As a range over a whole number goes: from 0, without an index, however many."""

    def __init__(self, end: int) -> None:
        self._range = range(end)

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, index: Any) -> Any:
        return None, self._range[index]
