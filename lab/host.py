"""This machine, as the lab needs it: commands (as root where they must be), the places things are kept, what kind of host it is.

The lab runs as root or as a user with sudo. Caches belong to the user (`CACHE`); what root owns is below `STATE`.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FILES = Path(__file__).resolve().parent / "files"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pykubeadm"
STATE = Path("/var/lib/pykubeadm-lab")
LABEL = "pykubeadm.lab"  # on every container, network and image the lab makes

# Debian's and Go's name of this machine's architecture.
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class LabError(Exception):
    """The lab cannot do something; the text is one sentence for the person at the terminal."""


class CommandError(LabError):
    """A command ended with a status ≠ 0, or not in time (`status` 124)."""

    def __init__(self, argv: Sequence[str], status: int, stdout: str, stderr: str) -> None:
        self.argv, self.status, self.stdout, self.stderr = tuple(argv), status, stdout, stderr
        tail = "\n".join((stderr or stdout).strip().splitlines()[-15:])
        words = " ".join(word if len(word) < 80 else f"{word.strip().splitlines()[0][:60]}…" for word in argv)
        super().__init__(f"`{words}` ended with status {status}" + (f":\n{tail}" if tail else ""))


def _as_root(argv: Sequence[str | Path]) -> list[str]:
    words = [str(word) for word in argv]
    if os.geteuid() == 0:
        return words
    return ["sudo", "--" if os.isatty(0) else "-n", *words]  # without a terminal sudo must not ask for a password


def run(
    argv: Sequence[str | Path],
    *,
    root: bool = False,
    check: bool = True,
    stdin: str | None = None,
    timeout: float = 60.0,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with sudo where `root` is wanted and we are not. Raises CommandError when `check`."""
    words = _as_root(argv) if root else [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
        )
    except FileNotFoundError as missing:
        raise LabError(f"{words[0]} is not installed: run `make setup`") from missing
    except subprocess.TimeoutExpired as late:
        raise CommandError(words, 124, "", f"not done within {timeout:.0f} s") from late
    if check and done.returncode != 0:
        raise CommandError(words, done.returncode, done.stdout, done.stderr)
    return done


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One process of this user at a time; the others wait."""
    path = CACHE / "lab" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _docker_needs_root() -> bool:
    """Whether only root may talk to the engine (the user is not in its group)."""
    return os.geteuid() != 0 and run(["docker", "version"], check=False, timeout=15).returncode != 0


def docker_argv(*args: str | Path) -> list[str]:
    """`docker ARGS…` as it must be called here."""
    argv: list[str | Path] = ["docker", *args]
    return _as_root(argv) if _docker_needs_root() else [str(word) for word in argv]


def docker_process(
    *args: str | Path, check: bool = True, stdin: str | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """`docker ARGS…`, with all that it ended with."""
    return run(docker_argv(*args), check=check, stdin=stdin, timeout=timeout)


def docker(*args: str | Path, check: bool = True, stdin: str | None = None, timeout: float = 120.0) -> str:
    """`docker ARGS…`, its standard output without the last newline."""
    return docker_process(*args, check=check, stdin=stdin, timeout=timeout).stdout.rstrip("\n")


def has_capability(number: int) -> bool:
    """Whether this process may hand the capability on (bounding set)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True


CAP_SYS_RESOURCE = 24


def cgroup_version() -> int:
    """2 where the host has only the unified hierarchy, as kubelet sees it."""
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1


def require_commands(*names: str) -> None:
    """LabError naming every command that is missing."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing:
        raise LabError(f"not installed: {', '.join(missing)}; run `make setup`")


def require_disk(place: Path, gigabytes: int) -> None:
    """LabError where less is free: on a full disk etcd and containerd end in ways that look like faults of their own."""
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < gigabytes:
        raise LabError(f"only {free:.1f} GB are free at {place}, and nodes need {gigabytes}: make room")
