"""Text → documents: YAML or JSON read as kubeadm reads it (sigs.k8s.io/yaml, so YAML 1.1 with Go's scalars), with positions.

The tree is built from the parser's events with no recursion of the parser's own, within limits on size, depth and alias
expansion, so that no text can do harm. Everything wrong is gathered: a document that cannot be parsed does not hide others.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import yaml

from pykubeadm.config.source import Document, Path, Position, Source, Value, render
from pykubeadm.errors import Problem
from pykubeadm.util.yaml_scalars import resolve

MAX_BYTES = 3 * 1024 * 1024  # what the API server takes at most, and far above any real configuration
MAX_DEPTH = 100
MAX_VALUES = 200_000

_SEPARATOR = re.compile(r"^---(.*)$", re.MULTILINE)
_MARK = "\ufeff"  # the byte order mark
_MARK_WITHIN = re.compile(f"(?:\\A|(?<=[\n\r\x85\u2028\u2029])){_MARK}")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
T = TypeVar("T")

_MERGE = object()  # the key << that merges; in quotes it is a field
_MERGE_TAG = "tag:yaml.org,2002:merge"
NOTHING = "the file holds no configuration"  # of a whole file
_NO_DOCUMENT = "an empty document, which kubeadm refuses: remove it with its three dashes, and put comments into the documents"
_NO_DASHES = "another document begins here, with an apiVersion and a kind of its own: put a line of three dashes before it"
_BAD_KEY = "a key must be text"
_NO_JSON = "a document that starts with a brace must be JSON, and this is none"
_BINARY_TAG = "tag:yaml.org,2002:binary"


class _Node:
    """A value with its place. A mapping's content is [(key node, value node), …], a sequence's [node, …]."""

    __slots__ = ("content", "kind", "position")

    def __init__(self, kind: str, content: Any, position: Position) -> None:
        self.kind = kind  # "scalar", "sequence" or "mapping"
        self.content = content
        self.position = position


class _RefusedError(Exception):
    def __init__(self, position: Position, sentence: str) -> None:
        super().__init__(sentence)
        self.position = position
        self.sentence = sentence


class _TooDeepError(_RefusedError):
    pass


def load(source: Source) -> tuple[list[Document], list[Problem]]:
    """Every document of the file that has a kind, and every problem of its text. Raises nothing."""
    documents, problems = _load(source, _document, braces_are_json=True)
    if not documents and all(problem.sentence == _NO_DOCUMENT for problem in problems):
        problems = [Problem(source.name, 1, 1, "", NOTHING)]
    return documents, problems


def load_values(source: Source) -> tuple[list[Value], list[Problem]]:
    """Every document of the file that holds anything, whatever its shape, and every problem of its text. Raises nothing."""
    return _load(source, _value, braces_are_json=False)


def _load(
    source: Source, read: Callable[[str, _Node, list[Problem]], T | None], *, braces_are_json: bool
) -> tuple[list[T], list[Problem]]:
    problems: list[Problem] = []

    def refuse(refused: _RefusedError) -> None:
        problems.append(Problem(source.name, *refused.position, "", refused.sentence))

    try:
        text = _text(source.content)
        chunks = list(_split(text))
    except _RefusedError as refused:
        refuse(refused)
        return [], problems

    documents = []
    for offset, chunk in chunks:
        try:
            root = _root(chunk, offset)
            if braces_are_json and chunk.lstrip().startswith("{"):
                _fill_from_json(root, chunk, offset)
            found = read(source.name, root, problems)
            if found:
                documents.append(found)
        except _RefusedError as refused:
            refuse(refused)
    return documents, problems


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _RefusedError((1, 1), f"the file is {len(content)} bytes long; a configuration has at most {MAX_BYTES}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise _RefusedError(_place(before, len(before)), f"the byte 0x{content[error.start]:02x} is not UTF-8 text") from None
    found = _FORBIDDEN.search(text)
    if found:
        place = _place(text, found.start())
        raise _RefusedError(place, f"the control character U+{ord(found[0]):04X} is not allowed in YAML")
    return text


def _place(text: str, index: int) -> Position:
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The documents' texts, each with the number of lines before it. A line that starts with three dashes ends a document that
    has any line, and is the first line of one that has none (apimachinery: util/yaml/decoder.go, YAMLReader)."""
    start = line = counted = 0
    for found in _SEPARATOR.finditer(text):
        rest = found[1].strip()
        if rest and not rest.startswith("#"):
            raise _RefusedError(
                _place(text, found.start()), "a line of three dashes separates documents and takes nothing but a comment after it"
            )
        if found.start() > start:
            yield line, text[start : found.start()]
            start = found.end() + 1
            line += text.count("\n", counted, start)
            counted = start
    if start < len(text):
        yield line, text[start:]


def _root(chunk: str, offset: int) -> _Node:
    """The root of the document that is all of `chunk`, null where it holds nothing but comments."""
    text = chunk.removeprefix(_MARK)
    if _MARK in text and (found := _MARK_WITHIN.search(text)):
        line, column = _place(text, found.start())
        raise _RefusedError((offset + line, column), "a byte order mark has its place at the start of a document only; remove it")
    roots = _roots(text, offset)
    root = next(roots, None)
    if root is None:
        return _Node("scalar", None, (max(offset, 1), 1))
    try:
        more = next(roots, None)
    except _RefusedError as refused:
        more = _Node("", None, refused.position)
    if more is not None:
        raise _RefusedError(
            more.position, "the document has ended before this, which Kubernetes does not read; three dashes begin another"
        )
    return root


def _roots(text: str, offset: int) -> Iterator[_Node]:
    """The root of every document in `text`, which lies `offset` lines down the file."""
    try:
        yield from _parsed(text, offset)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse_depth(text, offset, error)
        raise _RefusedError(_places(text, offset)(mark) if mark else (offset + 1, 1), _syntax(error, text, mark)) from None
    except yaml.YAMLError:
        raise _RefusedError((offset + 1, 1), "the text cannot be read as YAML") from None


def _refuse_depth(text: str, offset: int, error: yaml.MarkedYAMLError) -> None:
    """The parser reads ahead, and from libyaml 0.2.6 on ends deep nesting by itself, before it has handed over the values that
    are too deep for us: they are found by reading what stands before the place where it gave up."""
    end = min((mark.index for mark in (error.problem_mark, error.context_mark) if mark), default=0)
    if end >= len(text):
        return
    try:
        for _root in _roots(text[:end], offset):
            pass
    except _RefusedError as refused:
        if isinstance(refused, _TooDeepError) or "maximum nesting" in str(error.problem).lower():
            raise


def _places(text: str, offset: int) -> Callable[[Any], Position]:
    last = text.count("\n")

    def at(mark: Any) -> Position:
        if mark.line > last:  # the parser is past the end
            return last + 1 + offset, 1
        return mark.line + 1 + offset, mark.column + 1

    return at


def _parsed(text: str, offset: int) -> Iterator[_Node]:
    at = _places(text, offset)
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    root: _Node | None = None

    def add(node: _Node) -> None:
        nonlocal root
        if not stack:
            root = node
        elif len(stack) > MAX_DEPTH:
            raise _TooDeepError(node.position, f"values are nested more than {MAX_DEPTH} deep")
        else:
            stack[-1].content.append(node)

    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise _RefusedError(at(event.start_mark), f"the alias *{event.anchor} has no anchor before it")
            target = anchors[event.anchor]
            if target in stack:
                raise _RefusedError(at(event.start_mark), f"the alias *{event.anchor} stands inside the value that it names")
            add(target)
        elif isinstance(event, yaml.ScalarEvent):
            absent = not (event.value or event.style or event.tag or event.anchor)
            if absent and [node.kind for node in stack[-2:]] == ["sequence", "mapping"] and not stack[-1].content:
                # Of [? ], libyaml before 0.2.6 loses the bracket: what comes after this is another text to it.
                raise _RefusedError(stack[-1].position, _BAD_KEY)
            place = at(event.start_mark)
            node = _Node("scalar", _scalar(event, place), place)
            if event.anchor:
                anchors[event.anchor] = node
            add(node)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            kind = "sequence" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
            node = _Node(kind, [], at(event.start_mark))
            if event.anchor:
                anchors[event.anchor] = node
            add(node)
            stack.append(node)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            node = stack.pop()
            if node.kind == "mapping":
                node.content = list(zip(node.content[::2], node.content[1::2], strict=True))
        elif isinstance(event, yaml.DocumentEndEvent) and root:
            yield root
            root = None
            anchors = {}


def _fill_from_json(root: _Node, text: str, offset: int) -> None:
    """A configuration that starts with a brace is JSON to Kubernetes, which YAML's flow style need not be and which has other
    numbers (a patch is YAML to kubeadm, however it starts); a line of three dashes or a byte order mark before it makes it YAML.
    It was read as YAML before, so it is not nested too deep, and JSON has the same shape."""
    try:
        _fill(root, _json_decoder(root.position).decode(text))
    except json.JSONDecodeError as error:
        place, why = error.pos, f"{error.msg[0].lower()}{error.msg[1:]}"
        before = text[:place].rstrip()
        if text[place : place + 1] in ("}", "]") and before.endswith(","):  # as Python says it from 3.13 on
            place, why = len(before) - 1, f"illegal trailing comma before end of {'object' if text[place] == '}' else 'array'}"
        line, column = _place(text, place)
        raise _RefusedError((offset + line, column), f"{_NO_JSON}: {why}") from None


def _json_decoder(position: Position) -> json.JSONDecoder:
    def refuse(name: str) -> None:
        raise _RefusedError(position, f"{_NO_JSON}: it has no {name}")

    def whole(digits: str) -> int | float:
        number = int(digits) if len(digits) <= 20 else None  # Python would take long for thousands of them
        return number if number is not None and -(2**63) <= number < 2**64 else float(digits)

    return json.JSONDecoder(object_pairs_hook=tuple, parse_constant=refuse, parse_int=whole)


def _fill(node: _Node, value: Any) -> None:
    if node.kind == "mapping":
        for (key, item), (name, held) in zip(node.content, value, strict=True):
            key.content = name
            _fill(item, held)
    elif node.kind == "sequence":
        for item, held in zip(node.content, value, strict=True):
            _fill(item, held)
    else:
        node.content = value


def _syntax(error: yaml.MarkedYAMLError, text: str, mark: Any) -> str:
    lines = text.split("\n")
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab cannot indent YAML; use spaces"
    why = " ".join(part for part in (error.context, error.problem) if part)
    return f"the text is not valid YAML: {why}"


def _scalar(event: Any, position: Position) -> Any:
    if event.tag == _BINARY_TAG:
        try:
            return base64.b64decode(event.value, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise _RefusedError(position, "the !!binary value is not base64 of UTF-8 text") from None
    if event.value == "<<" and (event.tag == _MERGE_TAG or (event.tag is None and not event.style)):
        return _MERGE
    if event.tag == "!" or (event.tag is None and event.style):  # quoted, or said to be no word of YAML's
        return event.value
    try:
        return resolve(event.value, event.tag)
    except ValueError as error:
        raise _RefusedError(position, str(error)) from None


def _value(source: str, root: _Node, problems: list[Problem]) -> Value | None:
    if root.kind == "scalar" and root.content is None:
        return None
    positions: dict[Path, Position] = {(): root.position}
    return Value(source, _plain(root, source, positions, {}, problems), positions)


def _document(source: str, root: _Node, problems: list[Problem]) -> Document | None:
    if root.kind == "scalar" and root.content is None:
        problems.append(Problem(source, *root.position, "", _NO_DOCUMENT))
        return None
    if root.kind != "mapping":
        what = "a list" if root.kind == "sequence" else "a single value"
        problems.append(
            Problem(source, *root.position, "", f"a document must be a mapping with apiVersion and kind, this is {what}")
        )
        return None
    if begun := list(_further_documents(root)):
        problems.extend(Problem(source, *place, "", _NO_DASHES) for place in begun)
        return None
    positions: dict[Path, Position] = {(): root.position}
    keys: dict[Path, Position] = {}
    before = len(problems)
    data: dict[str, Any] = _plain(root, source, positions, keys, problems)
    header = []
    for name, example in (("apiVersion", "kubeadm.k8s.io/v1beta4"), ("kind", "ClusterConfiguration")):
        value = data.get(name)
        if not isinstance(value, str) or not value:
            why = (
                f'must be text such as "{example}"'
                if value not in (None, "")
                else f'is missing; a document needs one such as "{example}"'
            )
            problems.append(Problem(source, *positions.get((name,), root.position), name, why))
        header.append(value if isinstance(value, str) else "")
    if len(problems) > before and not all(header):
        return None
    return Document(source, header[0], header[1], data, positions, keys)


def _further_documents(root: _Node) -> Iterator[Position]:
    """Where documents begin that no dashes part from the first one."""
    places: dict[str, list[Position]] = {"apiVersion": [], "kind": []}
    for key, _ in root.content:
        if isinstance(key.content, str) and key.content in places:
            places[key.content].append(key.position)
    for version, kind in list(zip(*places.values(), strict=False))[1:]:
        yield min(version, kind)


def _plain(root: _Node, source: str, positions: dict[Path, Position], keys: dict[Path, Position], problems: list[Problem]) -> Any:
    """The tree as JSON data; fills `positions` and `keys`, and reports duplicate keys and values that JSON cannot hold."""
    count = 0

    def spend(node: _Node, depth: int) -> None:
        nonlocal count
        count += 1
        if count > MAX_VALUES:
            raise _RefusedError(node.position, f"the document holds more than {MAX_VALUES} values, its aliases written out")
        if depth > MAX_DEPTH:
            raise _RefusedError(node.position, f"values are nested more than {MAX_DEPTH} deep")

    def entries(node: _Node, depth: int) -> Iterator[tuple[_Node, _Node]]:
        """A mapping's entries, those merged with `<<` in their place."""
        for key, value in node.content:
            spend(key, depth)
            if key.content is not _MERGE:
                yield key, value
                continue
            for part in value.content if value.kind == "sequence" else [value]:
                if part.kind != "mapping":
                    raise _RefusedError(key.position, "the merge key << takes a mapping or a list of mappings")
                for inner, held in entries(part, depth + 1):
                    yield _Node(inner.kind, inner.content, key.position), held

    def walk(node: _Node, path: Path) -> Any:
        spend(node, len(path))
        positions[path] = node.position
        if node.kind == "scalar":
            try:
                return _json(node)
            except _RefusedError as refused:  # of one value only
                problems.append(Problem(source, *refused.position, render(path), refused.sentence))
                return None
        if node.kind == "sequence":
            return [walk(item, (*path, index)) for index, item in enumerate(node.content)]
        found: dict[str, Any] = {}
        for key, value in entries(node, 0):
            name = _key(key)
            if name in found:
                first = keys[(*path, name)]
                problems.append(
                    Problem(source, *key.position, render((*path, name)), f"is given twice; the first is in line {first[0]}")
                )
                continue
            keys[(*path, name)] = key.position
            found[name] = walk(value, (*path, name))
            if value.position < key.position or (value.kind == "scalar" and value.content is None):
                positions[(*path, name)] = key.position  # an alias or an empty value: the user looks at the key
        return found

    return walk(root, ())


def _key(node: _Node) -> str:
    value = node.content
    if node.kind != "scalar" or value is None or isinstance(value, float) or (type(value) is int and value >= 2**63):
        raise _RefusedError(node.position, _BAD_KEY)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _json(node: _Node) -> Any:
    value = "<<" if node.content is _MERGE else node.content
    if isinstance(value, str) and (found := _FORBIDDEN.search(value)):  # written as "\u001b"
        raise _RefusedError(node.position, f"the control character U+{ord(found[0]):04X} has no place in a configuration")
    if isinstance(value, float) and not math.isfinite(value):
        raise _RefusedError(node.position, "infinity, not-a-number and numbers beyond a float have no place in a configuration")
    return value
