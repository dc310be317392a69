"""Room on the disks that a node needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.node.port import Command

_PLACES: Final = (
    "/",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/etcd",
    "/var/log",
    "/etc/kubernetes",
)
_FULL, _NEARLY = 97, 90  # per cent; the kubelet begins to evict pods at 90 (evictionHard)
_ROOM: Final = 100 * 1024  # KiB; with less even 1 % may be too little to go on with


class _Use(NamedTuple):
    mount: str
    percent: int
    free: int


def _disk(here: Here) -> Iterable[Remark]:
    yield from _too_full(
        here, "-Pk", "full", "du -xh --max-depth=2 {mount} | sort -h; `crictl rmi --prune` removes unused images"
    )


def _inodes(here: Here) -> Iterable[Remark]:
    yield from _too_full(here, "-Pi", "out of inodes", "look for directories with very many files below {mount}")


def _too_full(here: Here, option: str, what: str, run: str) -> Iterator[Remark]:
    for use in _uses(here, option):
        if use.percent >= _FULL or (option == "-Pk" and use.free < _ROOM):
            yield problem(f"{use.mount} is {what}: {use.percent} % are used", run.format(mount=use.mount))
        elif use.percent >= _NEARLY:
            yield warning(f"{use.mount} is nearly {what}: {use.percent} % are used", run.format(mount=use.mount))


def _uses(here: Here, option: str) -> Iterator[_Use]:
    """df(1) in POSIX's form; a file system counts once, and those that do not count inodes not at all."""
    places = [place for place in _PLACES if here.node.stat(place) is not None]
    seen: set[str] = set()
    done = here.node.run(Command.look_up(("df", option, *places), "ask for room on the disks"))
    for line in done.stdout.splitlines()[1:]:
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[4].removesuffix("%").isdecimal() and words[5] not in seen:
            seen.add(words[5])
            yield _Use(words[5], int(words[4].removesuffix("%")), int(words[3]) if words[3].isdecimal() else 0)


CHECKS: Final = (
    Check("node/disk", "on a full disk etcd stops, pods are evicted and images are removed", _disk),
    Check("node/inodes", "without inodes no file can be made, however much room there is", _inodes),
)
