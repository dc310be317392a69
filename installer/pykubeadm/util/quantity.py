"""Kubernetes quantities ("500m", "1.5Gi", "1e3") in the form in which the API prints them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

_QUANTITY = re.compile(
    r"([+-]?)(\d+\.?\d*|\.\d+)(?:(?P<binary>[KMGTPE]i)|(?P<exponent>[eE][+-]?\d+)|(?P<decimal>[numkMGTPE]?))", re.ASCII
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LARGEST = 2**63 - 1


def canonical_quantity(text: str) -> str:
    """`text` with the largest suffix that leaves a whole number ("1000m" → "1"); raises ValueError with a sentence."""
    match = _QUANTITY.fullmatch(text.strip())
    if not match:
        raise ValueError(f'"{text}" is not a quantity such as "500m", "2" or "1Gi"')
    value = Fraction(match[2])
    if match["binary"]:
        value *= 2 ** _BINARY[match["binary"]]
    elif match["exponent"]:
        value *= Fraction(10) ** int(match["exponent"][1:])
    else:
        value *= Fraction(10) ** _DECIMAL[match["decimal"]]
    value = min(Fraction(ceil(value * 10**9), 10**9), Fraction(_LARGEST))  # a nano is the smallest step; rounded away from zero
    sign = "-" if match[1] == "-" and value else ""
    if match["binary"] and value >= 1024 and value.denominator == 1:
        return sign + _with_suffix(int(value), 1024, {exponent // 10: suffix for suffix, exponent in _BINARY.items()})
    nanos = int(value * 10**9)
    steps = {exponent // 3 + 3: suffix for suffix, exponent in _DECIMAL.items()}
    if match["exponent"]:
        steps = {step: f"e{step * 3 - 9}" if step != 3 else "" for step in steps}
    return sign + (_with_suffix(nanos, 1000, steps) if nanos else "0")


def _with_suffix(value: int, base: int, suffixes: dict[int, str]) -> str:
    step = 0
    while value % base == 0 and step + 1 in suffixes:
        value //= base
        step += 1
    return f"{value}{suffixes[step]}"
