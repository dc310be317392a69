"""A Go template as tokens (text/template/parse, lex.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from pykubeadm.output.refusal import TemplateError

Kind = Literal["text", "open", "close", "space", "word", "field", "dot", "variable", "number", "string", "symbol", "end"]

_SPACES = " \t\r\n"
_TOKEN = re.compile(
    r"(?P<close>[ \t\r\n]-\}\}|\}\})"
    r"|(?P<space>[ \t\r\n]+?(?=[ \t\r\n]-\}\})|[ \t\r\n]+)"
    r'|(?P<string>"(?:\\[^\n]|[^"\\\n])*"|`[^`]*`)'
    r"|(?P<number>[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9_]+)?))"
    r"|(?P<variable>\$\w*)"
    r"|(?P<field>\.\w+)"
    r"|(?P<dot>\.)"
    r"|(?P<word>\w+)"
    r"|(?P<symbol>:=|[=|(),])"
)
_BEHIND_A_NAME = re.compile(r"[ \t\r\n.,|:()]|\}\}|\Z")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class Token(NamedTuple):
    kind: Kind
    at: int
    text: str


def tokens(template: str) -> Iterator[Token]:
    """The last one is of the kind "end". TemplateError where there is no token."""
    at, trim = 0, False
    while (opening := template.find("{{", at)) >= 0:
        inner = opening + 2
        trims_before = template[inner : inner + 1] == "-" and template[inner + 1 : inner + 2] in tuple(_SPACES)
        text = template[at:opening].lstrip(_SPACES) if trim else template[at:opening]
        yield Token("text", at, text.rstrip(_SPACES) if trims_before else text)
        inner += 2 * trims_before
        if template.startswith("/*", inner):
            at, trim = _behind_comment(template, opening, inner)
            continue
        yield Token("open", opening, template[opening:inner])
        for token in _within(template, opening, inner):
            yield token
            at, trim = token.at + len(token.text), len(token.text) > 2
    yield Token("text", at, template[at:].lstrip(_SPACES) if trim else template[at:])
    yield Token("end", len(template), "")


def _behind_comment(template: str, opening: int, at: int) -> tuple[int, bool]:
    """Where the text goes on, and whether its blanks are left out."""
    comment = _COMMENT.match(template, at)
    if comment is None:
        raise TemplateError(opening, 'this comment has no "*/"')
    closing = _TOKEN.match(template, comment.end())
    if closing is None or closing.lastgroup != "close":
        raise TemplateError(comment.end(), 'a comment ends with "*/}}" or "*/ -}}"')
    return closing.end(), len(closing[0]) > 2


def _within(template: str, opening: int, at: int) -> Iterator[Token]:
    """The tokens of an action, its closing braces the last."""
    while at < len(template):
        found = _TOKEN.match(template, at)
        if found is None:
            raise TemplateError(at, _not_a_token(template, at))
        kind = found.lastgroup
        if kind in ("variable", "field", "word", "number") and not _BEHIND_A_NAME.match(template, found.end()):
            behind = template[found.end()]
            raise TemplateError(found.end(), f'"{behind}" cannot stand behind "{found[0]}"; a blank parts arguments')
        yield Token(kind, at, found[0])  # type: ignore[arg-type]  # the groups are named as kinds are
        if kind == "close":
            return
        at = found.end()
    raise TemplateError(opening, 'this action has no "}}"')


def _not_a_token(template: str, at: int) -> str:
    char = template[at]
    if char in '"`':
        return "this text has no end" + (" on its line" if char == '"' else "")
    return "character constants are not supported" if char == "'" else f'"{char}" cannot stand here'
