"""Members out of the pages of etcd's database."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.etcd.client import Member
from pykubeadm.etcd.on_disk import MEMBER_PATTERN, members_in

PAGES = (
    '\x00\x02members8e9e05c52164694d{"id":10276657743932975437,"peerURLs":["https://10.0.0.1:2380"],"name":"cp1",'
    '"clientURLs":["https://10.0.0.1:2379"]}\x00\x00{"id":7,"peerURLs":["https://10.0.0.2:2380"],"isLearner":true}\x00'
    '{"id":7,"peerURLs":["https://10.0.0.2:2380"],"name":"cp2","clientURLs":["https://10.0.0.2:2379"]}cluster\x00{"id":"x"}'
)


def test_each_member_is_found_once_as_it_is_said_last() -> None:
    assert members_in(re.findall(MEMBER_PATTERN, PAGES)) == (
        Member(10276657743932975437, "cp1", ("https://10.0.0.1:2380",), ("https://10.0.0.1:2379",)),
        Member(7, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",)),
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_torn_pages_are_no_end(before: str, after: str) -> None:
    torn = PAGES.replace('"name"', before, 1) + after
    assert Member(7, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",)) in members_in(
        re.findall(MEMBER_PATTERN, torn)
    )


@given(st.lists(st.text()))
def test_anything_else_says_nothing(matches: list[str]) -> None:
    assert members_in(match for match in matches if not match.startswith("{")) == ()
