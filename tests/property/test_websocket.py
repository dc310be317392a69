"""Frames of WebSocket: what one side writes is what the other reads."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.transport.websocket import frame, read_frame


@given(
    st.integers(0, 15),
    st.one_of(st.binary(max_size=300), st.integers(65_530, 65_540).map(bytes)),
    st.binary(min_size=4, max_size=4),
)
def test_a_frame_is_read_as_it_was_written(opcode: int, payload: bytes, mask: bytes) -> None:
    written = frame(opcode, payload, mask)
    source = io.BytesIO(written)
    assert read_frame(source) == (True, opcode, payload)
    assert source.read() == b""


@given(st.binary(max_size=400), st.binary(min_size=4, max_size=4), st.data())
def test_a_frame_that_is_cut_is_the_end(payload: bytes, mask: bytes, data: st.DataObject) -> None:
    written = frame(2, payload, mask)
    cut = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(written[:cut]))


def test_a_masked_frame_of_the_specification() -> None:
    """RFC 6455, 5.7: a single-frame masked text message."""
    wanted = bytes([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
    assert frame(1, b"Hello", bytes([0x37, 0xFA, 0x21, 0x3D])) == wanted
