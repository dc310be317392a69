"""Values are found as an expression of all of them would find them, and cost little however many and large they are."""

from __future__ import annotations

import re
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.util.known_values import KnownValues

# Of two letters, so that values begin with each other and overlap.
_VALUES = st.lists(st.text("ab", min_size=8, max_size=14), max_size=6)


@given(_VALUES, st.lists(st.text("ab", max_size=12), max_size=6), st.text("ab ", max_size=60))
def test_the_longest_that_begins_first_is_replaced(values: list[str], between: list[str], more: str) -> None:
    text = more + "".join(word + value for word, value in zip(between, values, strict=False)) + more
    ordered = sorted(map(re.escape, values), key=len, reverse=True)
    expected = re.sub(f"(?:{'|'.join(ordered)})+", "#", text) if values else text
    assert KnownValues(values).replaced(text, "#") == expected


def test_a_value_longer_than_a_page_is_replaced_as_one() -> None:
    value = "".join(map(str, range(5000)))
    assert KnownValues([value]).replaced(f"before {value} after {value[:20]}", "#") == f"before # after {value[:20]}"


def test_much_that_is_known_takes_little_more_room_than_itself() -> None:
    values = [f"{number:08}" + "x" * 400_000 for number in range(5)] + [f"line {number} of a file" for number in range(20_000)]
    size = sum(map(len, values))
    tracemalloc.start()
    try:
        known = KnownValues(iter(values))
        assert known.replaced("a line 7 of a file, and no more", "#") == "a #, and no more"
        assert tracemalloc.get_traced_memory()[1] < 5 * size
    finally:
        tracemalloc.stop()
