"""A healthy node with one of its files changed or damaged at a time: what the next run says, and the one after it is put back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.node import Node
from tests.e2e.runs import events

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

# What becomes of the file "$1".
KINDS = {
    "newline": 'echo >>"$1"',
    "gone": 'rm "$1"',
    "empty": ': >"$1"',
    "cut": 'truncate --size=$(($(stat -Lc %s "$1") / 2)) "$1"',
    "NULs": 'size=$(stat -Lc %s "$1"); head -c "$size" /dev/zero >"$1"',
    "not YAML": "printf '{half: [a\\n' >\"$1\"",
    "a list": "printf -- '- 5\\n' >\"$1\"",
    "directory": 'rm "$1"; mkdir "$1"',
}
_PLACES = "/etc/kubernetes /var/lib/kubelet /var/lib/pykubeadm"
_LEFT_OUT = r"-path /var/lib/kubelet/pods -prune -o -path '*/device-plugins/*' -prune -o -name lock -prune -o"
_LINK, _LINKED = "/var/lib/kubelet/pki/kubelet-client-current.pem", "/var/lib/kubelet/pki/kubelet-client-"
_HEALTHY = "/root/healthy"
_DESTRUCTIVE = ("reset", "delete", "bug in pykubeadm", "Traceback", "[SSL", "level=error")
_TIMEOUT = 180


@dataclass(frozen=True)
class Row:
    """One case: `ended` is "healthy" or "refused", `said` the sentence, `wrong` what should not be."""

    path: str
    kind: str
    ended: str
    said: str
    wrong: str

    def __str__(self) -> str:
        return f"{'!' if self.wrong else ' '} {self.path:<60} {self.kind:<9} {self.ended:<8} {self.wrong or self.said}"


def keep(node: Node) -> list[str]:
    """Copy the files of a healthy node away; their paths."""
    node.shell(
        f"rm -rf {_HEALTHY}; mkdir {_HEALTHY}; find {_PLACES} {_LEFT_OUT} \\( -type f -o -type l \\) -print0 | "
        f"xargs -0 cp --archive --parents --target-directory={_HEALTHY}"
    )
    return sorted(node.shell(f"cd {_HEALTHY} && find . -type f -o -type l").replace("./", "/").split())


def kinds_of(number: int) -> tuple[str, ...]:
    """The kinds for the file of that number: another one for each; all with PYKUBEADM_E2E_ALL=1."""
    if os.environ.get("PYKUBEADM_E2E_ALL"):
        return tuple(KINDS)
    return (list(KINDS)[number % len(KINDS)],)


def rows(node: Node, words: Sequence[str], healthy: Sequence[str], terminal: TerminalWriter) -> list[Row]:
    """Damage every file in turn, and run `pykubeadm words…` with the damage and without it; a line for each on the terminal.
    `healthy` is a command that says whether the node is."""
    found = []
    terminal.line()
    for row in _rows(node, words, healthy):
        found.append(row)
        terminal.line(str(row), flush=True)
    return found


def _rows(node: Node, words: Sequence[str], healthy: Sequence[str]) -> Iterator[Row]:
    for number, path in enumerate(keep(node)):
        for kind in kinds_of(number):
            node.run("sh", "-c", KINDS[kind], "sh", path)
            ended, said, wrong = _run(node, words, path, healthy)
            node.run("sh", "-ec", _PUT_BACK, "sh", path, env={"HEALTHY": _HEALTHY})
            again = node.run("pykubeadm", *words, "--output=json", check=False, timeout=_TIMEOUT)
            finished = [event for event in events(again.stdout) if event["type"] == "run-finished"]
            if not wrong and (again.returncode or finished[-1]["outcome"] != "unchanged"):
                failed = [event["error"] for event in events(again.stdout) if event["type"] == "failure"]
                changes = [change for event in events(again.stdout) for change in event.get("changes") or ()]
                wrong = f"put back: {failed or changes}"
                node.run("pykubeadm", *words, check=False, timeout=_TIMEOUT)
            yield Row(path, kind, ended, said, wrong)


# At once, and not at all where it is as it was: the kubelet ends a pod whose manifest is gone for a moment. Of a link also
# what it leads to.
_PUT_BACK = r"""
for file in "$1" $(readlink "$HEALTHY$1"); do
    test -L "$HEALTHY$file" -o -L "$file" || ! cmp --silent "$HEALTHY$file" "$file" || continue
    test -L "$file" -o ! -d "$file" || rmdir "$file"
    cp --archive "$HEALTHY$file" "$(dirname "$file")/.back"
    mv --no-target-directory "$(dirname "$file")/.back" "$file"
done
"""


def _run(node: Node, words: Sequence[str], path: str, healthy: Sequence[str]) -> tuple[str, str, str]:
    done = node.run("pykubeadm", *words, "--output=json", check=False, timeout=_TIMEOUT)
    happened = events(done.stdout)
    types = [event["type"] for event in happened]
    said = " ".join(event["error"] for event in happened if event["type"] == "failure")
    warned = [event["message"] for event in happened if event["type"] == "note" and event["level"] == "warning"]
    destructive = [word for word in _DESTRUCTIVE if word in done.stdout + done.stderr]
    if destructive:
        return "refused", said, f"it says {destructive}: {said}{done.stderr}"
    if done.returncode == 0:
        look = node.run(*healthy, check=False)
        changes = [change for event in happened for change in event.get("changes") or ()]
        return (
            "healthy",
            "; ".join([*changes, *warned]),
            "" if look.returncode == 0 else f"not healthy: {look.stdout}{look.stderr}",
        )
    if not any(name in said for name in (path, _LINK if path.startswith(_LINKED) else path)):
        return "refused", said, f"does not name the file: {said}"
    if "run-started" in types and not {"phase-failed", "run-finished"} <= set(types):
        return "refused", said, f"its events end with {types[-3:]}"
    return "refused", said, ""
