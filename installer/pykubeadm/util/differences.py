"""Unified diffs of texts and documents."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pykubeadm.util.yaml_output import to_yaml


def unified(before: str, after: str, old_name: str, new_name: str, context: int) -> str:
    """As diff(1) -u writes it, with so many lines around each difference; "" where there is none."""
    old, new = before.splitlines(), after.splitlines()
    lines = list(difflib.unified_diff(old, new, old_name, new_name, n=context, lineterm=""))
    return "".join(f"{line}\n" for line in lines)


def changed_lines(before: Mapping[str, Any], after: Mapping[str, Any], at_most: int) -> str:
    """What differs between two documents: the lines that go and come, the first of them where they are many."""
    text = unified(to_yaml(before), to_yaml(after), "", "", 0)
    lines = [line for line in text.splitlines() if not line.startswith(("---", "+++", "@@"))]
    more = [f"… and {len(lines) - at_most} more lines"] if len(lines) > at_most else []
    return "\n".join([*lines[:at_most], *more])
