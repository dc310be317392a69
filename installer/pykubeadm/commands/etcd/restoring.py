"""What a restore has done so far, kept on the node until it is through: the same command, run after a kill, continues it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

DIRECTORY: Final = f"{STATE_DIR}/etcd-restore"
SNAPSHOT: Final = f"{DIRECTORY}/snapshot.db"  # what etcdutl is given
_PATH: Final = f"{DIRECTORY}/restore.json"


@dataclass(frozen=True, slots=True)
class Restoring:
    """`sha256` is that of the snapshot; `place` is where `etcd recover` keeps the archive that it took of the last member, ""
    for a restore; `has_data` says that the snapshot's data are in place, and `aside` where the former ones are then, "" where
    there were none."""

    sha256: str
    place: str = ""
    aside: str = ""
    has_data: bool = False


def read(node: Node) -> Restoring | None:
    """None where nothing was begun that is not through."""
    content = node.read(_PATH)
    if content is None:
        return None
    try:
        found = Restoring(**json.loads(content))
        texts = (found.sha256, found.place, found.aside)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(texts)  # noqa: TRY301 - one sentence for all that may be wrong
    except (ValueError, TypeError, RecursionError) as error:
        raise PhaseError(
            f"{_PATH}, which says what an interrupted restore has done, is damaged: remove it, run this again"
        ) from error
    return found


def write(node: Node, record: Restoring) -> None:
    node.write([Directory(DIRECTORY, 0o700), File(_PATH, json.dumps(asdict(record)).encode(), 0o600, replaces=True)])


def with_data(node: Node, aside: str) -> None:
    """The snapshot's data are in place, the former ones at `aside`, "" where there were none."""
    found = read(node)
    if found is not None:
        write(node, replace(found, aside=aside, has_data=True))


def finish(node: Node) -> None:
    """The record goes first: what it speaks of is not needed any more."""
    node.remove([_PATH])
    node.remove([DIRECTORY])
