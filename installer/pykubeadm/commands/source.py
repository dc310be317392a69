"""Reads the files that the user names: configuration, templates."""

from __future__ import annotations

import os
import re
import stat

from pykubeadm.config.source import Source
from pykubeadm.errors import UsageError

MAX_INPUT = 64 * 1024 * 1024  # what comes through a pipe must end, too
# `--config /dev/stdin` and `--config <(…)`: descriptors that we were started with; what they lead to is the user's choice.
_INHERITED = re.compile(r"/dev/stdin|(/dev|/proc/(self|\d+))/fd/\d+", re.ASCII)


def read_source(path: str, root: str) -> Source:
    """The configuration file at `path` below `root`; UsageError where it cannot be read."""
    return Source(path, _read(path, root, "configuration"))


def read_template(path: str, root: str) -> bytes:
    """The template at `path` below `root`; UsageError where it cannot be read."""
    return _read(path, root, "template")


def _read(path: str, root: str, what: str) -> bytes:
    """A pipe with a name waits for a writer and devices have no end, so of what is no file only the descriptors that we were
    started with are read."""
    place = below(root, path)
    try:
        mode = os.stat(place).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or _INHERITED.fullmatch(place)):
            raise UsageError(f'the {what} file "{path}" is not a file; give a file, or /dev/stdin to read from a pipe')
        with open(place, "rb") as file:
            return file.read(MAX_INPUT)
    except OSError as error:
        why = "a URL is not read; download it first" if "://" in path else error.strerror
        raise UsageError(f'the {what} file "{path}" cannot be read: {why}') from None
    except ValueError:
        raise UsageError(f"{path!r} is not a file name") from None


def below(root: str, path: str) -> str:
    return os.path.join(root, os.path.abspath(path).lstrip("/"))
