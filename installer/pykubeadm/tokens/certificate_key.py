"""Certificate keys: 32 random bytes as hex, with which the shared certificates are encrypted. Light to import."""

from __future__ import annotations

import secrets
from typing import Final

SIZE: Final = 32  # bytes: AES-256


def generate_certificate_key() -> str:
    """A new key, 64 hexadecimal digits."""
    return secrets.token_hex(SIZE)


def parse_certificate_key(text: str) -> bytes:
    """The key's bytes; raises ValueError with a sentence that does not repeat the key."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != SIZE or len(text) != 2 * SIZE:
        raise ValueError(f"a certificate key is {2 * SIZE} hexadecimal digits")
    return key
