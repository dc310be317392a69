"""A certificate's validity and whom it names, read without a library for it: cryptography takes longer to load than a request to
the API takes, and short commands need no more of a certificate than this."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3 (X.520)
_UNREADABLE = "holds a certificate that cannot be read"
_UTF8, _PRINTABLE = 0x0C, 0x13  # strings, as everybody issues them today (RFC 5280, 4.1.2.4)


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when the certificate `der` is valid (RFC 5280, 4.1); ValueError with the end of a sentence."""
    try:
        tag, begin, rest = _element(_fields(der)[0])
        end_tag, end, _ = _element(rest)
        return _time(tag, begin.decode("ascii")), _time(end_tag, end.decode("ascii"))
    except (ValueError, IndexError) as error:
        raise ValueError(_UNREADABLE) from error


def common_names(der: bytes) -> list[str]:
    """Of the subject of the certificate `der`, in order; ValueError with the end of a sentence."""
    try:
        return list(_common_names(_fields(der)[1]))
    except (ValueError, IndexError) as error:
        raise ValueError(_UNREADABLE) from error


def _common_names(subject: bytes) -> Iterator[str]:
    for relative in _elements(subject):
        for attribute in _elements(relative):
            _, kind, rest = _element(attribute)
            tag, value, _ = _element(rest)
            if kind == _COMMON_NAME and tag in (_UTF8, _PRINTABLE):
                yield value.decode()


def _fields(der: bytes) -> tuple[bytes, bytes]:
    """The content of a certificate's validity, and of its subject (RFC 5280, 4.1)."""
    _, certificate, _ = _element(der)
    _, fields, _ = _element(certificate)
    tag, _, rest = _element(fields)
    if tag != _VERSION:
        rest = fields  # a certificate of version 1 begins with its serial number
    for _field in ("serialNumber", "signature", "issuer"):
        _, _, rest = _element(rest)
    _, period, rest = _element(rest)
    return period, _element(rest)[1]


def _elements(data: bytes) -> Iterator[bytes]:
    """The content of each element, one after the other."""
    while data:
        _, content, data = _element(data)
        yield content


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element, and what follows it (X.690, 8.1)."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, text: str) -> datetime:
    """RFC 5280, 4.1.2.5: years of two digits are those from 1950 to 2049."""
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
