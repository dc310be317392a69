"""Durations read and print as Go's do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.util.duration import format_duration, parse_duration

LONGEST = timedelta(microseconds=2**63 // 1000)
PARTS = st.tuples(st.decimals(0, 1000, places=3), st.sampled_from(["h", "m", "s", "ms", "us", "µs"]))


@given(st.timedeltas(-LONGEST, LONGEST))
def test_what_is_printed_reads_back_as_the_same(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from(["", "-", "+"]))
def test_printing_is_canonical(parts: list[tuple[object, str]], sign: str) -> None:
    text = sign + "".join(f"{number}{unit}" for number, unit in parts)
    once = format_duration(parse_duration(text))
    assert format_duration(parse_duration(once)) == once


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        sentence = f"duration {parse_duration(text)}"
    except ValueError as error:
        sentence = str(error)
    assert "duration" in sentence


@pytest.mark.parametrize(
    ("text", "printed"),
    [("1.5h", "1h30m0s"), ("90s", "1m30s"), ("0", "0s"), ("1500us", "1.5ms"), ("-2m", "-2m0s"), (".5s", "500ms"), ("1µs", "1µs")],
)
def test_examples_from_go(text: str, printed: str) -> None:
    assert format_duration(parse_duration(text)) == printed


@pytest.mark.parametrize("text", ["", "1", "1d", "h", "1h 2m", "1,5h", "١h", "2562048h", "--1h", "1e3s"])
def test_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
