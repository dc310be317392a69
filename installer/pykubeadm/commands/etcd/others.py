"""The other machines that etcd is known to be on, and what still runs there. Only ports are looked at: a cluster that lost its
data can be asked nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pykubeadm.constants import ETCD_CLIENT_PORT
from pykubeadm.errors import NodeError
from pykubeadm.phases.etcd.manifest import members_on_disk
from pykubeadm.util.side_by_side import side_by_side

if TYPE_CHECKING:
    from pykubeadm.commands.etcd.run import EtcdRun
    from pykubeadm.transport.route import Dial

_ANSWERS_WITHIN: Final = 3.0  # seconds
_THREADS: Final = 8


def other_hosts(run: EtcdRun) -> dict[str, str]:
    """The names of the members that are known, by their addresses, without this node's: of its manifest, of its data, of the
    snapshot."""
    manifest = run.manifest
    known = {_host(url): name for name, url in manifest.initial_cluster.items()}
    members = [*(run.archive.contents.members if run.archive else ())]
    with suppress(NodeError):  # without grep(1)
        members += members_on_disk(run.node, manifest)
    for member in members:
        known |= {_host(url): member.name or _host(url) for url in member.peer_urls}
    own = {_host(url) for url in (*manifest.peer_urls, *manifest.client_urls)}
    return {host: name for host, name in known.items() if host and host not in own and name != manifest.name}


def running_on(run: EtcdRun, hosts: Iterable[str]) -> dict[str, list[str]]:
    """What listens on each of the hosts, by the hosts where something does."""
    port = run.configuration.this_node.local_api_endpoint.bind_port
    asked = [(host, what, number) for host in hosts for what, number in (("the API server", port), ("etcd", ETCD_CLIENT_PORT))]
    found: dict[str, list[str]] = {}
    dial = run.node.route.dial
    for (host, what, _number), answers in zip(asked, side_by_side(partial(_listens, dial), asked, _THREADS), strict=True):
        if answers:
            found.setdefault(host, []).append(what)
    return found


def _listens(dial: Dial | None, asked: tuple[str, str, int]) -> bool:
    host, _what, port = asked
    try:
        with dial(host, port, _ANSWERS_WITHIN) if dial else socket.create_connection((host, port), timeout=_ANSWERS_WITHIN):
            return True
    except OSError:
        return False


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
