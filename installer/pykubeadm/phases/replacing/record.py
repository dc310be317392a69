"""What a run has begun to change in this node's control plane, kept on the node until it is finished or put back.

It is there before the first file changes and names the copies of everything that may change. So whoever runs the same command
after a kill or a power cut goes on with what was begun, or puts all of it back, whatever the cluster can be asked by then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, fields, replace
from typing import Any, Final

from pykubeadm.config.versions import parse_version
from pykubeadm.constants import KUBERNETES_DIR, STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File, Node
from pykubeadm.util.dataclass import dataclass

PATH: Final = f"{STATE_DIR}/upgrade.json"
SCHEMA: Final = "pykubeadm.upgrade/v1"
# Of the record's fields in the file; the others are texts, as is what the lists and mappings hold.
_KINDS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("components", "files", "healthy"), list),
    **dict.fromkeys(("replaced", "began"), dict),
    "etcd_members": int,
}
_HELD: Final[Mapping[str, Any]] = {"began": (int, float)}
TMP_DIR: Final = f"{KUBERNETES_DIR}/tmp"  # noqa: S108 - kubeadm's, root's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One upgrade or reconfiguration of one node. Paths are absolute, components in the order in which they are replaced."""

    command: str  # whose it is ("upgrade apply")
    target: str  # the version that it goes to
    cluster: str  # the ClusterConfiguration as it was stored in the cluster, YAML
    components: tuple[str, ...] = ()  # that may have been changed
    manifests: str = ""  # the directory with their former manifests, as NAME.yaml
    files: tuple[str, ...] = ()  # certificates, keys and kubeconfigs that may have been renewed
    copies: str = ""  # below which their former content is, each at its own path
    replaced: Mapping[str, str] = field(default_factory=dict)  # component → UID of the pod that ran before ("": none)
    began: Mapping[str, float] = field(default_factory=dict)  # component → when its manifest was written, seconds since the epoch
    healthy: tuple[str, ...] = ()  # components that were seen to run as they are to
    snapshot: str = ""  # of etcd, taken before etcd was changed
    etcd_members: int = 0  # that there were then
    restoring: str = ""  # why everything is being put back; "" while it goes on


def read_record(node: Node, command: str = "") -> Record | None:
    """What a run before this one began and did not finish; None where there is nothing. PhaseError where it is damaged, or where
    another command than `command`, and its subcommands, is to finish it."""
    content = node.read(PATH)
    if content is None:
        return None
    try:
        data = json.loads(content)
        schema = data["schema"]
        record = _decoded(data) if schema == SCHEMA else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PhaseError(
            f"{PATH}, which says what an interrupted run has changed, cannot be read; former manifests are in {TMP_DIR}: put "
            f"back those that are wanted, remove {PATH}, then run this again"
        ) from error
    if record is None:
        raise PhaseError(f"{PATH} is of another release of pykubeadm ({schema}); finish what it began with that one")
    if command and command not in (record.command, record.command.partition(" ")[0]):
        raise PhaseError(f"`pykubeadm {record.command}` was interrupted on this node ({PATH}): run that again first, to its end")
    return record


def _decoded(data: Mapping[str, Any]) -> Record:
    """ValueError, KeyError, TypeError or AttributeError where it is damaged."""
    for of in fields(Record):
        if of.name in data:
            value = data[of.name]
            if not isinstance(value, _KINDS.get(of.name, str)) or not _holds(value, _HELD.get(of.name, str)):
                raise TypeError(of.name)
    tuples = {name: tuple(data[name]) for name in ("components", "files", "healthy")}
    record = Record(**{name: value for name, value in data.items() if name != "schema"} | tuples)
    parse_version(record.target)
    return record


def _holds(value: object, kind: Any) -> bool:
    """Whether what is in a list or mapping is of this kind."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(isinstance(item, kind) for item in held)


def write_record(node: Node, record: Record) -> Record:
    """On the disk when this returns. A dry run begins nothing, so it keeps none."""
    if node.dry_run:
        return record
    content = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1, sort_keys=True)
    node.write([Directory(STATE_DIR, 0o700), File(PATH, f"{content}\n".encode(), 0o600)])
    return record


def remove_record(node: Node) -> None:
    """All that was begun is finished, or as it was before."""
    node.remove([PATH])


def updated(node: Node, record: Record, **changes: object) -> Record:
    return write_record(node, replace(record, **changes))  # type: ignore[arg-type]
