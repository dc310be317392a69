"""etcd's members as its database has them, for when it does not run. Pure: text in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from pykubeadm.etcd.client import Member

# etcd keeps a member as JSON in its database (etcd: server/storage/schema/membership.go), which is a file of pages that lie open.
# An extended regular expression for grep(1). What was deleted may still be found: a member too many, never one too few.
MEMBER_PATTERN: Final = r'\{"id":[0-9]+,"peerURLs":\[[^]]*\][^}]*\}'


def members_in(matches: Iterable[str]) -> tuple[Member, ...]:
    """The members that matches of MEMBER_PATTERN describe, each once; the last of several descriptions."""
    members: dict[int, Member] = {}
    for match in matches:
        try:
            found = json.loads(match)
        except ValueError:  # a page that was written over in part
            continue
        if not isinstance(found, dict) or not isinstance(found.get("id"), int):
            continue
        members[int(found["id"])] = Member(
            id=int(found["id"]),
            name=str(found.get("name", "")),
            peer_urls=_urls(found.get("peerURLs")),
            client_urls=_urls(found.get("clientURLs")),
            learner=found.get("isLearner") is True,
        )
    return tuple(members.values())


def _urls(value: object) -> tuple[str, ...]:
    return tuple(str(url) for url in value) if isinstance(value, list) else ()
