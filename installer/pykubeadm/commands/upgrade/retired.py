"""Flags and feature gates that components no longer know, by the minor that removed them: one that is left in extraArgs keeps its
component from starting."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, Any]:
    """`retired.json`: {"flags": {component: {flag: [minor, remedy]}}, "gates": {minor: [gate, …]}}."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("retired.json").read_text(encoding="utf-8"))
    return table


def retired_flags(component: str, names: Iterable[str], minor: int) -> dict[str, str]:
    """Those of the flags (without dashes) that the component does not know in 1.`minor`, with what to do instead."""
    known: Mapping[str, tuple[int, str]] = _table()["flags"].get(component, {})
    return {name: known[name][1] for name in names if name in known and known[name][0] <= minor}


def retired_gates(names: Iterable[str], minor: int) -> list[str]:
    """Those of Kubernetes' feature gates that are gone in 1.`minor`."""
    gone = {gate for removed_in, gates in _table()["gates"].items() if int(removed_in) <= minor for gate in gates}
    return [name for name in names if name in gone]
