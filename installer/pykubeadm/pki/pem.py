"""PEM (RFC 7468) as Go's encoding/pem reads it, and so everything in Kubernetes; OpenSSL and Python take more.

A block is found from its END line back to the nearest BEGIN before it, both at the beginning of a line. Lines may end with blanks
and CR LF; lines with a colon after BEGIN are headers (RFC 1421); in the base64 spaces and tabs are left out. What does not fit is
skipped, as is everything between blocks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import field

from pykubeadm.util.base64_text import decode_base64
from pykubeadm.util.dataclass import dataclass

_BEGIN = b"-----BEGIN "
_END = b"\n-----END "
_DASHES = b"-----"
_BLANKS = b" \t"


class EncryptedKeyError(ValueError):
    """A private key that needs a password; what to do is in the sentence."""

    def __init__(self) -> None:
        super().__init__(
            "holds an encrypted private key, which Kubernetes cannot use: `openssl pkey -in FILE -out FILE` decrypts it"
        )


@dataclass(frozen=True)
class Block:
    """`label` is what follows BEGIN, as in "CERTIFICATE"; `content` is usually DER."""

    label: str
    content: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_encrypted_key(self) -> bool:
        return self.label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in self.headers.get("Proc-Type", "")

    def encoded(self) -> bytes:
        """As PEM that everybody reads, without its headers."""
        text = base64.b64encode(self.content)
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        label = self.label.encode()
        return b"\n".join([_BEGIN + label + _DASHES, *lines, _END[1:] + label + _DASHES, b""])


def pem_blocks(data: bytes) -> Iterator[Block]:
    """Every block that Go finds in `data`."""
    start = 0
    while (end := data.find(_END, start)) >= 0:
        after = end + len(_END)  # where the search goes on after what is no block
        body = _after_begin(data, start, end)
        if body is None:
            start = after
            continue
        label, position = body
        headers: dict[str, str] = {}
        while position < len(data) and b":" in (line := _line(data, position)[0]):
            name, _, value = line.partition(b":")
            headers[_text(name.strip())] = _text(value.strip())
            position = _line(data, position)[1]
        if position >= len(data) or position > after:  # the END line was taken for a header: there Go stops for good
            return
        content = _content(data[position : max(end, position)]) if position <= end or not headers else None
        rest = data[after:]
        if content is None or not rest.startswith(label + _DASHES) or _line(rest, len(label) + len(_DASHES))[0]:
            start = after
            continue
        yield Block(_text(label), content, headers)
        start = _line(data, after - 1)[1]


def certificate_blocks(data: bytes) -> tuple[Block, ...]:
    """Those of certificates, which have no headers (client-go: util/cert/pem.go); ValueError with the end of a sentence."""
    blocks = tuple(block for block in pem_blocks(data) if block.label == "CERTIFICATE" and not block.headers)
    if not blocks:
        raise ValueError(f"holds no certificate in PEM form{_hint(data, b'CERTIFICATE')}")
    return blocks


def private_key_blocks(data: bytes) -> tuple[Block, ...]:
    """Those of private keys, at least one that is not encrypted; ValueError with the end of a sentence."""
    blocks = tuple(block for block in pem_blocks(data) if block.label == "PRIVATE KEY" or block.label.endswith(" PRIVATE KEY"))
    if not blocks:
        raise ValueError(f"holds no private key in PEM form{_hint(data, b'PRIVATE KEY')}")
    plain = tuple(block for block in blocks if not block.is_encrypted_key)
    if not plain:
        raise EncryptedKeyError
    return plain


def _after_begin(data: bytes, start: int, end: int) -> tuple[bytes, int] | None:
    """The label of the last BEGIN before `end`, and where the next line begins."""
    begin = data.rfind(_BEGIN, start, end)
    if begin < 0 or (begin > start and data[begin - 1 : begin] != b"\n"):
        return None
    line, position = _line(data, begin + len(_BEGIN))
    return (line.removesuffix(_DASHES), position) if line.endswith(_DASHES) else None


def _line(data: bytes, start: int) -> tuple[bytes, int]:
    """The line without blanks at its end, and where the next one begins."""
    end = data.find(b"\n", start)
    if end < 0:
        return data[start:].rstrip(_BLANKS), len(data)
    return data[start:end].removesuffix(b"\r").rstrip(_BLANKS), end + 1


def _content(body: bytes) -> bytes | None:
    try:
        return decode_base64(body.translate(None, _BLANKS))
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _hint(data: bytes, label: bytes) -> str:
    """Why there is none where something looks like one."""
    begins = any(line.lstrip().startswith(_BEGIN) and label in line for line in data.splitlines())
    return ", only what looks like one: its lines are indented, cut, or damaged" if begins else ""
