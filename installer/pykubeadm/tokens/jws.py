"""The signature of cluster-info: a JWS with detached content (RFC 7515, appendix F), HS256 with the token's secret.

kubeadm recomputes it and compares the whole text, so the protected header must be the same to the byte as go-jose's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from pykubeadm.tokens.bootstrap import Token

JWS_PREFIX: Final = "jws-kubeconfig-"  # and the token's id: the key of its signature in cluster-info


def sign_detached(content: str, token: Token) -> str:
    """`header..signature` over `content`."""
    header = _base64url(b'{"alg":"HS256","kid":"%s"}' % token.id.encode())
    payload = _base64url(content.encode())
    signature = hmac.new(token.secret.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}..{_base64url(signature)}"


def is_signed_with(signature: str, content: str, token: Token) -> bool:
    """Whether `signature` is that of `content`; compared in constant time."""
    return hmac.compare_digest(signature.encode(), sign_detached(content, token).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
