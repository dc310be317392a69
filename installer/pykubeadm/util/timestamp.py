"""Times as Kubernetes' API has them (RFC 3339: "2030-01-31T12:00:00Z")."""

from __future__ import annotations

import re
from datetime import datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_timestamp(text: str) -> datetime:
    """The time written in `text`; raises ValueError with a sentence."""
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f'"{text}" is not a time of the form "2030-01-31T12:00:00Z"')
