"""What pykubeadm did on this node: /var/lib/pykubeadm/journal.json, written before each change it speaks of.

It says to a second run which files are our own (so that preflight does not mistake them for somebody else's cluster),
a user where the last run stopped, and `reset` what there is to remove. Losing it loses nothing of the cluster.

Schema `pykubeadm.journal/v1`: `files` maps each path that was ever written to the sha256 of its last content,
`units` lists systemd units that were started, `runs` holds the last runs (command, start, end, phase reached, outcome).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pykubeadm.constants import STATE_DIR
from pykubeadm.node.port import Directory, File, Node

PATH = f"{STATE_DIR}/journal.json"
SCHEMA = "pykubeadm.journal/v1"
_RUNS_KEPT = 20


class Journal:
    """The journal of one node, read at once and written through the node on every record. Dry runs record nothing."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._read()

    def _read(self) -> None:
        self._state = _load(self._node.read(PATH))
        self._on_disk = self._node.stat(PATH) is not None
        if self._is_of_another_cluster():
            self._state["files"], self._state["units"] = {}, []

    def owns(self, path: str) -> bool:
        """Whether an earlier (or this) run of ours wrote `path`."""
        return path in self._state["files"]

    def owned(self) -> tuple[str, ...]:
        return tuple(sorted(self._state["files"]))

    def started_kubelet(self) -> bool:
        return "kubelet" in self._state["units"]

    def last_run(self) -> dict[str, Any] | None:
        """The newest run: command, started, phase, outcome ("running" where it was cut off); None on a fresh node."""
        runs: list[dict[str, Any]] = self._state["runs"]
        return runs[-1] if runs else None

    def begin(self, command: str, started: str) -> None:
        """A run begins, alone on the node by now: what another one wrote before it ended is read first."""
        self._read()
        runs: list[dict[str, Any]] = self._state["runs"]
        runs.append({"command": command, "started": started, "phase": "", "outcome": "running"})
        del runs[:-_RUNS_KEPT]

    def phase(self, path: str) -> None:
        """A phase begins; kept in memory until the next write, so that runs which change nothing stay cheap."""
        last = self.last_run()
        if last is not None:
            last["phase"] = path

    def will_write(self, files: Sequence[File | Directory]) -> None:
        """Record what is about to be written; durable before the first of the files changes."""
        digests = {file.path: hashlib.sha256(file.content).hexdigest() for file in files if isinstance(file, File)}
        if any(self._state["files"].get(path) != digest for path, digest in digests.items()):
            self._state["files"].update(digests)
            self._save()

    def will_start(self, unit: str) -> None:
        """Record a unit that is about to be started."""
        name = unit.removesuffix(".service")
        if name not in self._state["units"]:
            self._state["units"].append(name)
            self._save()

    def forget(self, paths: Sequence[str]) -> None:
        if any(self._state["files"].pop(path, None) for path in paths):
            self._save()

    def forget_unit(self, unit: str) -> None:
        """A unit that is stopped and disabled is no longer ours."""
        name = unit.removesuffix(".service")
        if name in self._state["units"]:
            self._state["units"].remove(name)
            self._save()

    def finish(self, outcome: str, finished: str) -> None:
        """The run is over; one that failed before it changed anything on a fresh node leaves no journal either."""
        last = self.last_run()
        if last is not None:
            last.update(outcome=outcome, finished=finished)
        if self._on_disk or self._state["files"] or self._state["units"]:
            self._save()

    def _is_of_another_cluster(self) -> bool:
        """Certificate authorities are never written twice, so one that changed was made after somebody else's reset."""
        for path, digest in self._state["files"].items():
            if path.endswith("ca.crt"):
                content = self._node.read(path)
                if content is not None and hashlib.sha256(content).hexdigest() != digest:
                    return True
        return False

    def _save(self) -> None:
        if self._node.dry_run:
            return
        content = json.dumps(self._state, indent=1, sort_keys=True).encode() + b"\n"
        self._node.write([Directory(STATE_DIR, mode=0o700), File(PATH, content, mode=0o600)])


def _load(content: bytes | None) -> dict[str, Any]:
    fresh: dict[str, Any] = {"schema": SCHEMA, "files": {}, "units": [], "runs": []}
    if content is None:
        return fresh
    try:
        state = json.loads(content)
    except ValueError:
        return fresh  # a damaged journal costs only its knowledge
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        return fresh
    state = fresh | state
    as_written = (
        isinstance(state["files"], dict)
        and all(isinstance(digest, str) for digest in state["files"].values())
        and isinstance(state["units"], list)
        and isinstance(state["runs"], list)
        and all(isinstance(run, dict) for run in state["runs"])
    )
    return state if as_written else fresh
