"""Quantities, canonical objects and YAML text: what holds of any value."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.util.api_types import canonical, misfits
from pykubeadm.util.quantity import canonical_quantity
from pykubeadm.util.yaml_output import to_yaml, yaml_inline

_FACTORS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
NUMBERS = st.decimals(min_value=0, max_value=9999, places=3, allow_nan=False).map(lambda number: f"{number:f}")
QUANTITIES = st.builds(
    lambda number, suffix: number + suffix, NUMBERS, st.sampled_from([*_FACTORS, "Ki", "Mi", "Gi", "e3", "E-2"])
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def magnitude(text: str) -> Fraction:
    for suffix, factor in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30)):
        if text.endswith(suffix):
            return Fraction(text.removesuffix(suffix)) * factor
    if "e" in text or "E" in text:
        return Fraction(text)
    suffix = text.lstrip("0123456789.")
    return Fraction(text.removesuffix(suffix)) * Fraction(10) ** _FACTORS[suffix]


@given(QUANTITIES)
def test_a_canonical_quantity_is_the_same_amount_to_a_nano(text: str) -> None:
    result = canonical_quantity(text)
    assert canonical_quantity(result) == result
    assert 0 <= magnitude(result) - magnitude(text) < Fraction(1, 10**9)


@given(VALUES)
def test_inline_yaml_reads_back(value: Any) -> None:
    text = yaml_inline(value)
    assert "\n" not in text
    assert yaml.load(f"key: {text}", yaml.SafeLoader) == {"key": value}


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_written_yaml_reads_back(document: dict[str, Any]) -> None:
    assert yaml.load(to_yaml(document), yaml.SafeLoader) == document


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "maxPods": st.integers(0, 500),
            "failSwapOn": st.booleans(),
            "clusterDNS": st.lists(st.just("1.1.1.1"), max_size=2),
            "syncFrequency": st.sampled_from(["60s", "1h", "0s", "1.5m"]),
            "featureGates": st.dictionaries(st.just("X"), st.booleans()),
            "ofANewerRelease": st.just({"a": []}),
        },
    )
)
def test_a_canonical_object_stays_as_it_is(document: dict[str, Any]) -> None:
    once = canonical("KubeletConfiguration", document)
    assert canonical("KubeletConfiguration", once) == once
    assert {misfit.path for misfit in misfits("KubeletConfiguration", once)} <= {("ofANewerRelease",)}
