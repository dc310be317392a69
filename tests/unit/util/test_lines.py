"""Cut texts have whole lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.util.lines import first_lines, last_lines

texts = st.text("ab\n", max_size=20)
sizes = st.integers(0, 22)


@given(texts, sizes)
def test_what_is_left_is_whole_lines_and_as_many_as_fit(text: str, most: int) -> None:
    first, last = first_lines(text, most), last_lines(text, most)
    assert len(first) <= most
    assert len(last) <= most
    assert text.startswith(first)
    assert text.endswith(last)
    assert first in ("", text) or "\n" in (first[-1], text[len(first)])
    assert last in ("", text) or text[-len(last) - 1] == "\n"
    if len(text) <= most:
        assert first == last == text
