"""What tests do on a machine of the lab, a container or a virtual one: run commands as root, read and write files."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod


class Machine(ABC):
    """A machine that was started. `name` is its host name; `address` its IPv4 address, as it sees itself, `address6` its IPv6
    address, "" where it has none."""

    __slots__ = ()
    name: str
    address: str
    address6: str

    @abstractmethod
    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 60.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, as root. CommandError when `check` and its status is not 0, or when it takes longer than `timeout` s;
        then it is ended on the machine, too."""

    def shell(self, script: str, *, check: bool = True, timeout: float = 60.0) -> str:
        """Run a bash script; its standard output without the last newline."""
        return self.run("bash", "-c", script, check=check, timeout=timeout).stdout.rstrip("\n")

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file, with its parents."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "write", path, mode, stdin=content)

    def read(self, path: str) -> str:
        """A file's text."""
        return self.run("cat", path).stdout

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return self.run("test", "-e", path, check=False).returncode == 0
