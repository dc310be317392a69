"""Runs `ansible-playbook` of our own environment as a subprocess and reads its events while it goes on."""

from __future__ import annotations

import glob
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import yaml

from pykubeadm.ansible.inventory_errors import UnreadInventoryError, inventory_problems, unread_in_time
from pykubeadm.ansible.results import PlaybookEvent, Summary, TaskEnded, failure_sentence, parse
from pykubeadm.ansible.workspace import Workspace
from pykubeadm.errors import NodeError
from pykubeadm.resources import collection_dir

READING_WITHIN = 600.0  # seconds for inventories to be read: what asks a large cloud takes minutes
_LOOK = "look"  # in roles/*/tasks/main.yml
_GRACE = 5.0  # seconds that an interrupted ansible-playbook, and what it began, get to end

_running: set[subprocess.Popen[bytes]] = set()  # those that some thread follows


def end_playbooks() -> None:
    """End the playbooks that other threads follow: when a run is over nobody wants their outcome."""
    for process in tuple(_running):
        _end(process)


def tags_of(playbook: str) -> list[str]:
    """The tags by which roles of a playbook of the collection are chosen, in the roles' order."""
    play = _play(str(collection_dir() / "playbooks" / f"{playbook}.yml"))
    return list(dict.fromkeys(tag for role in play["roles"] for tag in role["tags"]))


def _play(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        [play] = yaml.safe_load(file)
    return dict(play)


def _arguments(space: Workspace, playbook: str, tags: Sequence[str]) -> list[str]:
    """The playbook, with no role that is not chosen: Ansible takes its time to read it, and to check its variables on each node.
    Neither do roles look at a node: the play begins with that."""
    path = space.playbook(playbook)
    play = _play(path)
    roles = play.get("roles", [])
    chosen = [role for role in roles if not tags or {*tags} & {*role["tags"]}]
    if chosen != roles:
        path = space.write(f"{playbook}.yml", [play | {"roles": chosen}])
    return [path, *([f"--tags={','.join(tags)}"] if tags else []), *([f"--skip-tags={_LOOK}"] if roles else [])]


def run_playbook(
    space: Workspace,
    playbook: str,
    report: Callable[[PlaybookEvent], None],
    *,
    limit: str = "",
    tags: Sequence[str] = (),
    check: bool = False,
    diff: bool = False,
    forks: int = 20,
    verbosity: int = 0,
    strategy: str = "linear",
    late: Callable[[], Mapping[str, Any]] | None = None,
    reading_within: float = READING_WITHIN,
) -> Summary:
    """Run a playbook of the collection by its name; every event goes to `report`. With the strategy "free" no node waits for
    another one. Ansible takes seconds to start: it does so while `late` finds out the variables of that kind (`Late`). Raises
    NodeError with a sentence for each failed node, or with what ansible-playbook said when it could not begin;
    UnreadInventoryError also where the user's inventories are not read within so many seconds (`reading_within`)."""
    command = [_program(), *_arguments(space, playbook, tags), f"--forks={forks}"]
    for inventory in space.inventories:
        command += ["--inventory", inventory]
    command += [f"--limit={limit}"] if limit else []
    command += ["--check"] if check else []
    command += ["--diff"] if diff else []
    command += [f"-{'v' * verbosity}"] if verbosity else []
    with _output(space) as output:
        process, reading = _start(command, space, output, strategy, held=late is not None)
        _running.add(process)
        try:
            with os.fdopen(reading, encoding="utf-8") as lines:
                if late:
                    space.begin(late())
                _require_read(space, process, lines, reading_within)
                summary, failures = _follow(lines, report)
            status = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            _running.discard(process)
        if failures:
            raise NodeError("\n".join(failures))
        printed = _printed(output)
        said = _said(printed)
        if "no hosts to target" in said or (summary is not None and not summary.hosts):
            raise NodeError(f'no node of the inventory matches "{limit or "all"}"; ansible-inventory --graph shows what there is')
        if problems := inventory_problems(printed):
            raise UnreadInventoryError(problems)
        if status != 0 or summary is None:
            raise NodeError(f"ansible-playbook ended with status {status} before it was through: {said}")
    return summary


def _output(space: Workspace) -> IO[bytes]:
    """A file for what ansible-playbook prints."""
    try:
        return tempfile.TemporaryFile(dir=space.directory)
    except OSError as error:
        raise NodeError(f"cannot write to {space.directory}: {error.strerror}; make room there") from error


def _start(
    command: Sequence[str], space: Workspace, output: IO[bytes], strategy: str, *, held: bool
) -> tuple[subprocess.Popen[bytes], int]:
    """The process, `held` before its first task, and the descriptor on which its events come; where we are killed, it ends by
    itself (plugins/callback)."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            command,
            env={
                **space.environment,
                "ANSIBLE_STRATEGY": strategy,
                "PYKUBEADM_EVENTS_FD": str(writing),
                "PYKUBEADM_WORKSPACE": space.directory,
                **({"PYKUBEADM_HELD_UNTIL": space.late} if held else {}),
            },
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=space.directory,
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise NodeError(f"cannot start {command[0]}: {error.strerror}; install pykubeadm again with its dependencies") from error
    finally:
        os.close(writing)
    return process, reading


def _follow(lines: Iterable[str], report: Callable[[PlaybookEvent], None]) -> tuple[Summary | None, list[str]]:
    """Hand on the events until there are no more; the sums, if they came, and a sentence for each failed task."""
    summary: Summary | None = None
    failures: list[str] = []
    for line in lines:
        if not line.endswith("\n"):  # it was killed while it wrote
            break
        event = parse(line)
        if event is None:
            continue
        report(event)
        if isinstance(event, Summary):
            summary = event
        elif isinstance(event, TaskEnded) and event.failed:
            failures.append(failure_sentence(event))
    return summary, failures


def _program() -> str:
    """Beside our own interpreter, so that a virtual environment needs no PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    return beside if os.access(beside, os.X_OK) else "ansible-playbook"


def _require_read(space: Workspace, process: subprocess.Popen[bytes], lines: IO[str], seconds: float) -> None:
    """Wait for the first event, which says that inventories are read, or the end; UnreadInventoryError where neither comes in
    time."""
    watched = select.poll()
    watched.register(lines, select.POLLIN)
    if space.given and not watched.poll(seconds * 1000):
        raise UnreadInventoryError(unread_in_time(space.given, list(_children(process.pid)), seconds))


def _children(process: int) -> Iterator[list[str]]:
    """The commands of the processes that this one waits for; none where there is no /proc."""
    with suppress(OSError):  # they may end meanwhile
        for path in glob.glob(f"/proc/{process}/task/*/children"):
            with open(path, encoding="ascii") as children:
                numbers = children.read().split()
            for number in numbers:
                with open(f"/proc/{number}/cmdline", encoding="utf-8", errors="replace") as command:
                    yield command.read().rstrip("\0").split("\0")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C and errors of ours must leave behind neither ansible-playbook nor what it began, such as the script of an inventory.
    SIGINT lets it clean up on the nodes."""
    deadline = time.monotonic() + _GRACE
    there = _send(process, signal.SIGINT)
    while there and time.monotonic() < deadline:
        time.sleep(0.02)
        process.poll()  # else it stays in its group when it has ended
        there = _send(process, 0)
    if there:
        _send(process, signal.SIGKILL)
    process.wait()


def _send(process: subprocess.Popen[bytes], what: int) -> bool:
    """Send a signal to its process group; whether it reaches anybody."""
    try:
        os.killpg(process.pid, what)
    except (ProcessLookupError, PermissionError):  # the latter where only another user's are left, by sudo
        return False
    return True


def _printed(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")


def _said(printed: str) -> str:
    """The errors that ansible-playbook printed, else its last lines."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "[ERROR]"))]
    return " / ".join((errors or lines)[-3:]) or "it said nothing"
