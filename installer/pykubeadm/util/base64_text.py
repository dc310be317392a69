"""Base64 as Go decodes it (encoding/base64, StdEncoding): line ends anywhere are left out, nothing else may be between."""

from __future__ import annotations

import base64
import re

_CHARACTER = rb"[A-Za-z0-9+/]"
# Python's own check lets padding pass that nothing needs.
_ENCODED = re.compile(rb"(?:%b{4})*(?:%b{2}==|%b{3}=)?" % (_CHARACTER, _CHARACTER, _CHARACTER))


def decode_base64(text: str | bytes) -> bytes:
    """The bytes that `text` stands for; ValueError where it is no base64."""
    raw = text.encode("ascii", errors="replace") if isinstance(text, str) else text
    raw = raw.translate(None, b"\r\n")
    if not _ENCODED.fullmatch(raw):
        raise ValueError("is not base64")
    return base64.b64decode(raw)
