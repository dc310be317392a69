"""What goes between a node's helper and who asks it: frames of JSON, in which bytes and the port's values have their places."""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from collections.abc import Mapping
from typing import IO, Any

from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Unit, UnitState

_LENGTH = struct.Struct(">I")
_VALUES: Mapping[str, Any] = {
    each.__name__: each for each in (Command, Completed, Directory, HealthEndpoint, File, FileStat, Unit, UnitState)
}


def send(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write a message; the caller sees to it that nobody else does so meanwhile."""
    body = json.dumps(_plain(message), separators=(",", ":")).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next message, None at the end of the stream; ValueError where what comes is none."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    body = stream.read(length)
    if len(body) < length:
        return None
    message = json.loads(body, object_hook=_value)
    if not isinstance(message, dict):
        raise ValueError("no message")  # noqa: TRY004 - what was sent is wrong, not a type in the program
    return message


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"!": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"!": type(value).__name__, "fields": fields}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _value(document: dict[str, Any]) -> Any:
    kind = document.get("!")
    if kind is None:
        return document
    if kind == "bytes":
        return base64.b64decode(document["base64"])
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in document["fields"].items()}
    return _VALUES[kind](**fields)
