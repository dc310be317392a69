"""Revision and members of a database, without an etcd."""

from __future__ import annotations

import io

import pytest

from pykubeadm.etcd.database import NoDatabaseError, read_contents
from tests.support.databases import PAGE, database


@pytest.mark.parametrize("value", [b"", b"small", b"x" * 3 * PAGE], ids=["empty", "small", "of several pages"])
def test_the_newest_key_says_which_revision_it_is(value: bytes) -> None:
    found = read_contents(io.BytesIO(database(2**40 + 5, ("cp1", "cp2"), value)))
    assert found.revision == 2**40 + 5
    assert [(member.name, member.peer_urls) for member in found.members] == [
        ("cp1", ("https://10.0.0.1:2380",)),
        ("cp2", ("https://10.0.0.2:2380",)),
    ]


def test_it_may_begin_anywhere_in_a_file() -> None:
    assert read_contents(io.BytesIO(b"x" * 1000 + database(9)), 1000).revision == 9


def test_the_second_description_counts_where_the_first_is_damaged() -> None:
    damaged = bytearray(database(9))
    damaged[16:20] = b"\0\0\0\0"
    assert read_contents(io.BytesIO(bytes(damaged))).revision == 9


@pytest.mark.parametrize(
    "content",
    [b"", b"no database" * 2000, database()[: 3 * PAGE], database().replace(b"members", b"nothing"), database()[:-PAGE]],
    ids=["empty", "text", "cut off", "without members", "without keys"],
)
def test_anything_else_is_none(content: bytes) -> None:
    with pytest.raises(NoDatabaseError, match="not a database of etcd, or is damaged"):
        read_contents(io.BytesIO(content))
