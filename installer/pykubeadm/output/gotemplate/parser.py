"""A Go template as a tree (text/template/parse, parse.go)."""

from __future__ import annotations

import re
from typing import Literal

from pykubeadm.output.go_text import unquoted
from pykubeadm.output.gotemplate.functions import FUNCTIONS, UNSUPPORTED
from pykubeadm.output.gotemplate.lexer import Token, tokens
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
from pykubeadm.output.refusal import TemplateError

DEEPEST = 50  # that controls and parentheses are nested
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_DIGITS = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parse(template: str) -> tuple[Part, ...]:
    """TemplateError with the first thing that is wrong, or that is not supported."""
    return _Parser(template).all()


class _Parser:
    def __init__(self, template: str) -> None:
        self._tokens = list(tokens(template))
        self._next = 0
        self._variables = ["$"]
        self._depth = 0
        self._ranges = 0

    def all(self) -> tuple[Part, ...]:
        parts, stop = self._parts()
        if stop.kind != "end":
            raise TemplateError(stop.at, f'"{stop.text}" belongs to no if, with or range')
        return parts

    # tokens

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _skip_spaces(self) -> Token:
        """The next token that is no space, not yet taken."""
        while self._peek().kind == "space":
            self._next += 1
        return self._peek()

    def _close(self, behind: str) -> None:
        token = self._skip_spaces()
        if token.kind != "close":
            raise TemplateError(token.at, f'"{token.text}" cannot stand behind "{behind}"')
        self._next += 1

    # parts

    def _parts(self) -> tuple[tuple[Part, ...], Token]:
        """Up to an `else`, an `end` or the end of the template, which is taken and given back."""
        parts: list[Part] = []
        while True:
            token = self._take()
            if token.kind == "end":
                return tuple(parts), token
            if token.kind == "text":
                parts += [Text(token.text)] if token.text else []
                continue
            word = self._skip_spaces()
            if word.kind == "word" and word.text in ("else", "end"):
                self._next += 1
                return tuple(parts), word
            parts.append(self._action(word))

    def _action(self, word: Token) -> Part:
        name = word.text if word.kind == "word" else ""
        match name:
            case "if" | "with" | "range":
                self._next += 1
                return self._control(name, word.at)
            case "break" | "continue":
                self._next += 1
                return self._jump(name, word.at)
            case "define" | "block" | "template":
                raise TemplateError(word.at, f"templates within templates ({name}) are not supported")
        return Output(self._pipeline("close", word.at))

    def _jump(self, name: Literal["break", "continue"], at: int) -> Jump:
        self._close(name)
        if not self._ranges:
            raise TemplateError(at, f'"{name}" belongs to no range')
        return Jump(name)

    def _control(self, keyword: Literal["if", "with", "range"], at: int) -> Control:
        known = len(self._variables)
        self._deeper(at)
        pipeline = self._pipeline("close", at, ranges=keyword == "range")
        self._ranges += keyword == "range"
        body, stop = self._parts()
        self._ranges -= keyword == "range"
        otherwise = self._otherwise(keyword, at, stop)
        self._depth -= 1
        del self._variables[known:]
        return Control(keyword, pipeline, body, otherwise)

    def _otherwise(self, keyword: Literal["if", "with", "range"], at: int, stop: Token) -> tuple[Part, ...]:
        """What stands behind an `else`, up to and with the `end`. `{{else if}}` has the `end` in common with the one inside."""
        if stop.kind == "end":
            raise TemplateError(at, f'this "{keyword}" has no "{{{{end}}}}"')
        if stop.text == "end":
            self._close("end")
            return ()
        following = self._skip_spaces()
        if keyword != "range" and (following.kind, following.text) == ("word", keyword):
            self._next += 1
            return (self._control(keyword, following.at),)
        self._close("else")
        parts, stop = self._parts()
        if stop.text == "else":
            raise TemplateError(stop.at, f'this "{keyword}" has an "else" already')
        self._otherwise(keyword, at, stop)
        return parts

    def _deeper(self, at: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TemplateError(at, f"this is nested more than {DEEPEST} deep")

    # pipelines

    def _pipeline(self, closing: str, at: int, *, ranges: bool = False) -> Pipeline:
        """`closing`: "close", or ")" within parentheses."""
        variables, assigns = self._declared(ranges=ranges)
        calls: list[Call] = []
        while True:
            token = self._skip_spaces()
            if closing in (token.kind, token.text):
                self._next += 1
                break
            calls.append(self._call())
            if self._peek().text == "|":
                self._next += 1
        if not calls:
            raise TemplateError(at, "there is no value here")
        for call in calls[1:]:
            first = call.operands[0]
            if isinstance(first, Constant | Dot | Nil):
                raise TemplateError(first.at, 'a value cannot take what is before the "|", only a function can')
        return Pipeline(at, variables, assigns, tuple(calls))

    def _declared(self, *, ranges: bool) -> tuple[tuple[str, ...], bool]:
        """The variables before `:=` or `=`, one or, of a range, two; none where they are the beginning of a call."""
        began, names = self._next, []
        while self._skip_spaces().kind == "variable":
            names.append(self._take().text)
            sign = self._skip_spaces()
            if sign.text in (":=", "="):
                self._next += 1
                self._variables += names
                return tuple(names), sign.text == "="
            if sign.text != ",":
                break
            if not ranges or len(names) > 1:
                raise TemplateError(sign.at, "there are too many variables; a range has two, anything else one")
            self._next += 1
        if len(names) > 1 or (names and self._tokens[self._next - 1].text == ","):
            raise TemplateError(self._peek().at, 'after the variables comes ":="')
        self._next = began
        return (), False

    def _call(self) -> Call:
        operands = []
        while True:
            operands.append(self._operand())
            token = self._peek()
            if token.kind == "space":
                token = self._skip_spaces()
                if token.kind != "close" and token.text not in ("|", ")"):
                    continue
            if token.kind == "close" or token.text in ("|", ")"):
                return Call(tuple(operands))
            raise TemplateError(token.at, f'"{token.text}" cannot stand here; a blank parts arguments')

    def _operand(self) -> Operand:
        at = self._peek().at
        of = self._term()
        names = []
        while self._peek().kind == "field":
            names.append(self._take().text[1:])
        if isinstance(of, Fields):
            return Fields(of.at, of.of, (*of.names, *names))
        if names and isinstance(of, Constant | Nil | Dot):
            raise TemplateError(at, "this has no fields")
        return Fields(at, of, tuple(names)) if names else of

    def _term(self) -> Operand:
        token = self._take()
        match token.kind:
            case "dot":
                return Dot(token.at)
            case "field":
                return Fields(token.at, Dot(token.at), (token.text[1:],))
            case "variable":
                if token.text not in self._variables:
                    raise TemplateError(token.at, f"there is no variable {token.text} here")
                return Variable(token.at, token.text)
            case "string":
                return Constant(token.at, _string(token))
            case "number":
                return Constant(token.at, _number(token))
            case "word":
                return _word(token)
        if token.text == "(":
            self._deeper(token.at)
            inner = self._pipeline(")", token.at)
            self._depth -= 1
            return inner
        raise TemplateError(token.at, f'"{token.text}" cannot stand here' if token.text else "the template ends here")


def _word(token: Token) -> Operand:
    if token.text in ("true", "false"):
        return Constant(token.at, token.text == "true")
    if token.text == "nil":
        return Nil(token.at)
    if token.text in UNSUPPORTED:
        raise TemplateError(token.at, f'the function "{token.text}" is not supported')
    if token.text not in FUNCTIONS:
        raise TemplateError(token.at, f'there is no function "{token.text}"; there are {", ".join(sorted(FUNCTIONS))}')
    return Function(token.at, token.text)


def _string(token: Token) -> str:
    if token.text[0] == "`":
        return token.text[1:-1].replace("\r", "")
    try:
        return unquoted(token.text)
    except ValueError as error:
        raise TemplateError(token.at, str(error)) from error


def _number(token: Token) -> float:
    text = token.text
    try:
        if _OCTAL.fullmatch(text):
            value: float = int(text.replace("0", "0o", 1), 0)
        elif _FLOAT.fullmatch(text) and not _DIGITS.fullmatch(text):
            value = float(text)
        else:
            value = int(text, 0)
    except ValueError:
        raise TemplateError(token.at, f'"{text}" is not a number') from None
    if abs(value) >= (2**63 if isinstance(value, int) else float("inf")):
        raise TemplateError(token.at, f'"{text}" is too large a number')
    return value
