"""`support`: collects, takes out secrets, packs."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime

from pykubeadm.commands.support.item import Item
from pykubeadm.commands.support.of_cluster import items_of_cluster
from pykubeadm.commands.support.of_node import items_of_node
from pykubeadm.commands.support.secrets import secrets_of_node, try_secrets_of_cluster
from pykubeadm.errors import PykubeadmError
from pykubeadm.kube.port import Api
from pykubeadm.node.port import Node
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import ODD_SHAPE
from pykubeadm.util.lines import last_lines
from pykubeadm.util.redact import Redactor

_MOST = 32 * 1024 * 1024  # bytes of all texts
_MOST_OF_ONE = 4 * 1024 * 1024  # characters


@dataclass(frozen=True, slots=True)
class Packed:
    """What an archive holds: (path, bytes); `missing` are sentences on what could not be had."""

    held: tuple[tuple[str, int], ...]
    missing: tuple[str, ...]
    archive: bytes


def pack(
    node: Node | None, api: Api | None, reports: Callable[[], Iterator[Item]], *, name: str, socket: str, at: datetime
) -> Packed:
    """An archive of what is to be known of `node` and the cluster behind `api`, each where there is one; `reports` are further
    parts. All is below the directory `name` in it. Never raises what a node or cluster can be the reason of: that is noted."""
    missing: list[str] = []
    known = list(secrets_of_node(node)) if node else []
    if api is not None:
        of_cluster, why = try_secrets_of_cluster(api)
        known += of_cluster
        missing += [f"the cluster: {why}"] if why else []
        api = None if why else api  # of what may be secret in it nothing is known
    redact = Redactor(known, secrets.token_bytes(16))
    texts: dict[str, bytes] = {}
    left = _MOST
    for item in _items(node, api, reports, socket):
        try:
            text = redact(last_lines(item.text(), _MOST_OF_ONE))
        except PykubeadmError as error:
            missing.append(f"{item.path}: {error}")
            continue
        except ODD_SHAPE as error:
            missing.append(f"{item.path}: {type(error).__name__}: {error}")
            continue
        content = text.encode()
        if len(content) > left:
            missing.append(f"{item.path}: the archive is full")
        elif content.strip():
            texts[item.path] = content
            left -= len(content)
    texts["missing.txt"] = redact("".join(f"{line}\n" for line in missing)).encode()
    held = tuple((path, len(content)) for path, content in texts.items())
    return Packed(held, tuple(redact(line) for line in missing), _tar(name, texts, at))


def _items(node: Node | None, api: Api | None, reports: Callable[[], Iterator[Item]], socket: str) -> Iterator[Item]:
    yield from reports()
    if node is not None:
        yield from items_of_node(node, socket)
    if api is not None:
        yield from items_of_cluster(api)


def _tar(name: str, texts: dict[str, bytes], at: datetime) -> bytes:
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=int(at.timestamp())) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path, content in texts.items():
            entry = tarfile.TarInfo(os.path.join(name, path.lstrip("/")))
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(at.timestamp())
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()
