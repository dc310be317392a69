"""A certificate's validity, read without a library for it: cryptography takes longer to load than a request to the API
takes, and short commands need no more of a certificate than this."""

from __future__ import annotations

from datetime import UTC, datetime

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when the certificate `der` is valid (RFC 5280, 4.1); ValueError with the end of a sentence."""
    try:
        _, certificate, _ = _element(der)
        _, fields, _ = _element(certificate)
        tag, _, rest = _element(fields)
        if tag != _VERSION:
            rest = fields  # a certificate of version 1 begins with its serial number
        for _field in ("serialNumber", "signature", "issuer"):
            _, _, rest = _element(rest)
        _, period, _ = _element(rest)
        tag, begin, rest = _element(period)
        end_tag, end, _ = _element(rest)
        return _time(tag, begin.decode("ascii")), _time(end_tag, end.decode("ascii"))
    except (ValueError, IndexError) as error:
        raise ValueError("holds a certificate that cannot be read") from error


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
