"""What pykubeadm did on this node: /var/lib/pykubeadm/journal.json, written before each change it speaks of.

It says to a second run which files are our own (so that preflight does not mistake them for somebody else's cluster, and no
phase replaces what others brought), a user where the last run stopped, and `reset` what there is to remove. Whose node this is
where it does not know is found out by looking (`preflight.ownership`, `join.member`); it forgets only what is removed.

Schema `pykubeadm.journal/v1`: `files` maps each path that was ever written to the sha256 of its last content, `directories`
lists those that had to be made for them, `units` lists systemd units that were started, `remade` lists files that were made again
and that programs which run may have read before, `runs` holds the last runs (command, start, end, phase reached, outcome).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import NotRootError
from pykubeadm.node.port import Directory, File, Node

PATH = f"{STATE_DIR}/journal.json"
SCHEMA = "pykubeadm.journal/v1"
_RUNS_KEPT = 20
_ENDED = ("changed", "unchanged")
_BEFORE_CHANGES = ("", "prepare", "preflight")  # phases of init and join that make nothing of a cluster


class Journal:
    """The journal of one node, read at once and written through the node on every record. Dry runs record nothing, nor do those
    of an ordinary user, who may neither read nor write it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._discarded = False
        self._read()

    def _read(self) -> None:
        try:
            content = self._node.read(PATH)
        except NotRootError:
            content = None
        state = _parse(content) if content is not None else None
        self._state = _fresh() if state is None else state
        self._unreadable = content if state is None else None
        self._on_disk = content is not None

    @property
    def kept_as(self) -> str:
        """Where a journal that cannot be read is kept once another one is written; "" where it can be read, or there is none."""
        return f"{PATH}.{hashlib.sha256(self._unreadable).hexdigest()[:8]}" if self._unreadable is not None else ""

    def owns(self, path: str) -> bool:
        """Whether an earlier (or this) run of ours wrote `path`."""
        return path in self._state["files"]

    def is_as_written(self, path: str, content: bytes) -> bool:
        """Whether `content` is what a run of ours last wrote to `path`."""
        return bool(self._state["files"].get(path) == hashlib.sha256(content).hexdigest())

    def why_not(self) -> str:
        """Why a file is not known to be ours, as the end of a sentence."""
        if self._unreadable is not None:
            return f"{PATH}, which says what earlier runs made, cannot be read"
        return "no earlier run of this tool is known to have made it"

    def owned(self) -> tuple[str, ...]:
        return tuple(sorted(self._state["files"]))

    def directories(self) -> tuple[str, ...]:
        """The directories that a run of ours made, for files that it wrote."""
        return tuple(sorted(self._state["directories"]))

    def discard(self) -> None:
        """Write no more: the node is to be left without a journal."""
        self._discarded = True

    def started_kubelet(self) -> bool:
        return "kubelet" in self._state["units"]

    def became_by(self) -> str:
        """The newest whole command that made this node a part of a cluster and came to its end: "init", "join", else ""."""
        runs: list[dict[str, Any]] = self._state["runs"]
        ended = [run.get("command") for run in runs if run.get("outcome") in _ENDED]
        return next((str(command) for command in reversed(ended) if command in ("init", "join")), "")

    def begun_by(self) -> str:
        """The newest whole command that made this node a part of a cluster, or began to and was cut off or failed beyond its
        preflight: "init", "join", else ""."""
        runs: list[dict[str, Any]] = self._state["runs"]
        begun = [run for run in runs if run.get("outcome") in _ENDED or run.get("phase") not in _BEFORE_CHANGES]
        return next((str(run["command"]) for run in reversed(begun) if run.get("command") in ("init", "join")), "")

    def last_run(self) -> dict[str, Any] | None:
        """The newest run: command, started, phase, outcome ("running" where it was cut off); None on a fresh node."""
        runs: list[dict[str, Any]] = self._state["runs"]
        return runs[-1] if runs else None

    def last_begun(self) -> dict[str, Any] | None:
        """The newest run that was not refused: one that failed in its preflight changed nothing of what others left."""
        runs: list[dict[str, Any]] = self._state["runs"]
        return next((run for run in reversed(runs) if (run.get("outcome"), run.get("phase")) != ("failed", "preflight")), None)

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
        """Record what is about to be written; durable before the first of the files changes. What replaces a file of others, as
        the user asked for, does not make it ours."""
        ours = [file for file in files if isinstance(file, File) and not (file.replaces and not self.owns(file.path))]
        digests = {file.path: hashlib.sha256(file.content).hexdigest() for file in ours}
        missing = sorted(set(self._missing_directories(files)) - set(self._state["directories"]))
        if missing or any(self._state["files"].get(path) != digest for path, digest in digests.items()):
            self._state["files"].update(digests)
            self._state["directories"].extend(missing)
            self._save()

    def _missing_directories(self, files: Sequence[File | Directory]) -> Iterator[str]:
        wanted = {file.path if isinstance(file, Directory) else posixpath.dirname(file.path) for file in files}
        there = self._node.ahead(stat=sorted({above for path in wanted for above in _up_from(path)}))
        for directory in sorted(wanted):
            path = directory
            while path != "/" and there.stat(path) is None:
                yield path
                path = posixpath.dirname(path)

    def will_start(self, unit: str) -> None:
        """Record a unit that is about to be started."""
        name = unit.removesuffix(".service")
        if name not in self._state["units"]:
            self._state["units"].append(name)
            self._save()

    def will_remake(self, path: str) -> None:
        """Record that a file is about to be made again which programs that run may have read."""
        if path not in self._state["remade"]:
            self._state["remade"].append(path)
            self._save()

    def remade(self) -> tuple[str, ...]:
        """What was made again since those programs were last started, by this run or by one that was killed."""
        return tuple(self._state["remade"])

    def started_with_remade(self) -> None:
        """The programs that read such files were started with those that are there now."""
        if self._state["remade"]:
            self._state["remade"] = []
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

    def _save(self) -> None:
        if self._node.dry_run or self._discarded:
            return
        content = json.dumps(self._state, indent=1, sort_keys=True).encode() + b"\n"
        kept = [File(self.kept_as, self._unreadable, mode=0o600)] if self._unreadable is not None else []
        with suppress(NotRootError):
            self._node.write([Directory(STATE_DIR, mode=0o700), *kept, File(PATH, content, mode=0o600)])


def _up_from(path: str) -> Iterator[str]:
    """The path and the directories above it, but for the root."""
    while path != "/":
        yield path
        path = posixpath.dirname(path)


def _fresh() -> dict[str, Any]:
    return {"schema": SCHEMA, "files": {}, "directories": [], "units": [], "remade": [], "runs": []}


def _parse(content: bytes) -> dict[str, Any] | None:
    """None where it is no journal of this schema: cut off, damaged, or a newer version's."""
    try:
        state = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        return None
    state = _fresh() | state
    as_written = (
        isinstance(state["files"], dict)
        and all(isinstance(digest, str) for digest in state["files"].values())
        and all(isinstance(state[name], list) for name in ("directories", "units", "remade", "runs"))
        and all(isinstance(text, str) for name in ("directories", "units", "remade") for text in state[name])
        and all(isinstance(run, dict) for run in state["runs"])
    )
    return state if as_written else None
