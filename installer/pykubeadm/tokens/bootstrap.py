"""Bootstrap tokens: "id.secret" (k8s.io/cluster-bootstrap/token/api). Light to import: `token generate` starts with it."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pykubeadm.constants import BOOTSTRAP_TOKEN_PATTERN

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 6
_SECRET_LENGTH = 16


class Token(NamedTuple):
    """The id is public, the secret is not: `str()` and `repr()` show the id only."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.id}.{'*' * _SECRET_LENGTH}"

    def __repr__(self) -> str:
        return f"Token({self})"

    @property
    def text(self) -> str:
        """The whole token, to hand to a user or a config file."""
        return f"{self.id}.{self.secret}"

    @property
    def secret_name(self) -> str:
        """Its Secret in kube-system."""
        return f"bootstrap-token-{self.id}"

    @property
    def user_name(self) -> str:
        """Whom the API server sees."""
        return f"system:bootstrap:{self.id}"


def generate_token() -> Token:
    """A new token."""
    return Token(_random_text(_ID_LENGTH), _random_text(_SECRET_LENGTH))


def parse_token(text: str) -> Token:
    """The token in `text`; raises ValueError with a sentence that does not repeat the secret."""
    match = re.fullmatch(BOOTSTRAP_TOKEN_PATTERN, text)
    if match is None:
        raise ValueError('a bootstrap token has the form "[a-z0-9]{6}.[a-z0-9]{16}"')
    return Token(match[1], match[2])


def parse_token_id(text: str) -> str:
    """The id in `text`, which is an id or a whole token; raises ValueError with a sentence that does not repeat the secret."""
    if len(text) == _ID_LENGTH and set(text) <= set(_ALPHABET):
        return text
    try:
        return parse_token(text).id
    except ValueError:
        raise ValueError(
            'a bootstrap token has the form "[a-z0-9]{6}.[a-z0-9]{16}", its id the first six characters of that'
        ) from None


def _random_text(length: int) -> str:
    """From the system's random numbers, as the module `secrets` has them, which takes longer to load than a token to make.
    Bytes above the last multiple of the alphabet's size are left out, so that all characters are equally likely."""
    limit = 256 - 256 % len(_ALPHABET)
    found = ""
    while len(found) < length:
        found += "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(2 * length) if byte < limit)
    return found[:length]
