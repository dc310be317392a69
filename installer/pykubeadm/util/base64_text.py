"""Base64 as Go decodes it (encoding/base64, StdEncoding): line ends anywhere are left out, nothing else may be between."""

from __future__ import annotations

import base64
import binascii


def decode_base64(text: str | bytes) -> bytes:
    """The bytes that `text` stands for; ValueError where it is no base64."""
    raw = text.encode("ascii", errors="replace") if isinstance(text, str) else text
    try:
        return base64.b64decode(raw.translate(None, b"\r\n"), validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
