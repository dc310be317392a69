"""Why Ansible could not read an inventory, found in what ansible-playbook printed: it tries each kind of inventory in turn, and
only what it says of the kind that the file is of helps its user."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence

from pykubeadm.config.load import load_values
from pykubeadm.config.source import Source
from pykubeadm.errors import NodeError, Problem

_FAILED = "Completely failed to parse inventory source"
_ENTRY = re.compile(r"^(?= *(?:\[[A-Z ]+\]: |ERROR! ))", re.MULTILINE)
_WIDTH = 79  # columns of ansible-core before 2.19, which breaks lines at blanks, after hyphens, and in words that are longer
_PIECE = re.compile(r"[\s-]")
_SINCE_2_19 = re.compile(
    r"Failed to parse inventory with '(?P<plugin>\w+)' plugin: (?P<why>.*?)\n\n.*^Origin: "
    r"(?:<[^\n]* source '(?P<source>[^\n]+)'>|(?P<path>[^\n]+?)(?::(?P<line>\d+)(?::\d+)?)?)$",
    re.DOTALL | re.MULTILINE,
)
_BEFORE = re.compile(r"\* Failed to parse (?P<path>.+?) with (?P<plugin>\w+) plugin: (?:(?P=path):(?P<line>\d+): )?(?P<why>.*)")
_SCRIPT, _YAML, _INI = "script", "yaml", "ini"
_ENDED = re.compile(r"exit code (-?\d+)|had an execution error")
_NOT_STARTED = re.compile(r"\[Errno \d+\] ([^:]+)")
_GOT = re.compile(r"(Expected .*), got: (.*)")
_SECTION = re.compile(r"\[[^\]]+\]")
_RANGE = re.compile(r"\[\w+:\w+(:\d+)?\]")
_SEE_WHY = "run it with --list to see why"


class UnreadInventoryError(NodeError):
    """ansible-playbook could not read inventories, for these problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def inventory_problems(printed: str) -> list[Problem]:
    """One for each file that ansible-playbook could not read; none where it did not fail for that."""
    if _FAILED not in printed:
        return []
    found: dict[str, list[Problem]] = {}
    for entry in _ENTRY.split(printed):
        said = _SINCE_2_19.search(entry) or _BEFORE.search(_unbroken(entry))
        if said is None:
            continue
        of = said.groupdict()
        path = of.get("source") or of["path"]
        if path not in found and of["plugin"] == _kind(path):
            found[path] = list(_problems(path, " ".join(of["why"].split()), int(of["line"] or 0)))
    return [problem for problems in found.values() for problem in problems]


def unread_in_time(paths: Sequence[str], running: Sequence[Sequence[str]], seconds: float) -> list[Problem]:
    """Of inventories that ansible-playbook has not read after so many seconds; `running` are the commands that it waits for."""
    words = [word for command in running for word in command]
    scripts = [word for word in words if any(word == path or word.startswith(f"{path.rstrip('/')}/") for path in paths)]
    if scripts:
        return [Problem(scripts[0], 0, 0, "", f"the script did not end within {seconds:.0f} s; {_SEE_WHY}")]
    why = f": it waits for `{shlex.join(running[0])}`" if running else ""
    return [Problem(path, 0, 0, "", f"Ansible did not read the inventory within {seconds:.0f} s{why}") for path in paths]


def _unbroken(entry: str) -> str:
    joined = before = ""
    for line in entry.splitlines():
        within = len(_PIECE.split(before)[-1] + _PIECE.split(line)[0]) > _WIDTH
        joined += line if before.endswith("-") or within else f" {line}"
        before = line
    return " ".join(joined.split())


def _kind(path: str) -> str:
    if os.access(path, os.X_OK):
        return _SCRIPT
    return _YAML if path.endswith((".yml", ".yaml", ".json")) else _INI


def _problems(path: str, why: str, line: int) -> Iterator[Problem]:
    kind = _kind(path)
    if kind == _SCRIPT:
        yield Problem(path, 0, 0, "", _of_script(why))
        return
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        yield Problem(path, 0, 0, "", f"cannot be read: {error.strerror}")
        return
    problems = load_values(Source(path, content))[1] if kind == _YAML else []
    if problems:
        yield from problems
        return
    why = why.removeprefix("Failed to parse inventory: ").removeprefix("YAML parsing failed: ").rstrip(".")
    if kind == _INI:
        why, line = _of_ini(why, line, content.decode(errors="replace").splitlines())
    yield Problem(path, line, int(line > 0), "", f"Ansible cannot read the inventory: {why}")


def _of_script(why: str) -> str:
    if not_started := _NOT_STARTED.search(why):
        return f"the script cannot be started: {not_started[1]}"
    ended = _ENDED.search(why)
    status = f" with status {ended[1]}" if ended and ended[1] else ""
    sentence = f"the script failed{status}" if ended else "what the script prints is not an inventory in JSON"
    return f"{sentence}; {_SEE_WHY}"


def _of_ini(why: str, line: int, lines: list[str]) -> tuple[str, int]:
    """Why, in words other than Python's and without what may be half of a password, and the line, which Ansible may not say."""
    if "values to unpack" in why:
        wrong = (number for number, text in enumerate(lines, 1) if "[" in text.split("#")[0] and not _closed(text.strip()))
        return "a bracket begins a section, as in [workers], or a range of hosts, as in node[1:3], and is closed", next(wrong, 0)
    got = _GOT.fullmatch(why)
    section = _SECTION.search(why)
    there = got[2] if got else section[0] if section else ""
    places = [number for number, text in enumerate(lines, 1) if there and there in text]
    why = f"{got[1]}: put a value that has spaces into quotes" if got else why
    return why, line or (places[0] if len(places) == 1 else 0)


def _closed(text: str) -> bool:
    """Whether a line is a section's, or its host has no bracket but those of a range."""
    return bool(_SECTION.match(text)) or "[" not in _RANGE.sub("", text.split(maxsplit=1)[0])
