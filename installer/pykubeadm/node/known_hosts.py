"""Which host keys are known, and sentences about those that are not (OpenSSH: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

_USER = "~/.ssh/known_hosts"
_SYSTEM = "/etc/ssh/ssh_known_hosts"
_NOWHERE = "/dev/null"
_HASHED = "|1|"  # how a name begins that is not to be read (HashKnownHosts)


class KnownHosts:
    """Of one host, by the files that `options` of ~/.ssh/config name, or OpenSSH's own."""

    def __init__(self, host: str, port: int, options: Mapping[str, Any]) -> None:
        self._host, self._port = host, port
        given = shlex.split(str(options.get("userknownhostsfile", _USER))) or [_NOWHERE]
        self._files = [_NOWHERE if path.lower() == "none" else os.path.expanduser(path) for path in given]
        self.accepts_new = str(options.get("stricthostkeychecking", "")).lower() == "accept-new"

    def load_into(self, client: paramiko.SSHClient) -> None:
        """Have the client know this host's keys; files that are not there hold none."""
        from paramiko.hostkeys import HostKeyEntry

        keys = client.get_host_keys()
        for line in (line for path in (*self._files, _SYSTEM) for line in _lines(path)):
            # Lines with markers (@cert-authority, @revoked) are none of keys that are trusted.
            entry = None
            if line.strip() and not line.startswith(("#", "@")):
                with suppress(Exception):  # paramiko has many for half a line, which holds no key, as for ssh(1)
                    entry = HostKeyEntry.from_line(line.strip())
            for name in entry.hostnames or () if entry else ():
                if entry and entry.key and (name == self._name or name.startswith(_HASHED)):
                    keys.add(name, entry.key.get_name(), entry.key)

    def is_revoked(self, key: paramiko.PKey) -> bool:
        return any(
            line.startswith("@revoked") and key.get_base64() in line.split()
            for path in (*self._files, _SYSTEM)
            for line in _lines(path)
        )

    def add(self, key: paramiko.PKey) -> None:
        """Know this key from now on; where it cannot be kept, only this time, as with ssh(1)."""
        path = self._files[0]
        line = f"{self._name} {key.get_name()} {key.get_base64()}\n"
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            unended = any(not last.endswith("\n") for last in _lines(path)[-1:])
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8") as file:
                file.write(f"\n{line}" if unended else line)

    @property
    def _name(self) -> str:
        return self._host if self._port == 22 else f"[{self._host}]:{self._port}"

    def unknown(self, node: str, key: paramiko.PKey) -> str:
        if self._files[0] == _NOWHERE:
            return (
                f"{node}: the host key of {self._name} is not known: {_shown(key)}; UserKnownHostsFile is {_NOWHERE}, which "
                "keeps none: name a file there, or have whatever key comes accepted (StrictHostKeyChecking accept-new)"
            )
        return (
            f"{node}: the host key of {self._name} is not known: {_shown(key)}; if `ssh-keygen -lf` of its key on the machine "
            f"shows the same, `ssh-keyscan -p {self._port} {self._host} >>{self._files[0]}` adds it"
        )

    def changed(self, node: str, key: paramiko.PKey, known: paramiko.PKey) -> str:
        return (
            f"{node}: the host key of {self._name} is {_shown(key)}, but {_shown(known)} is known: somebody may stand between; "
            f"if the machine was installed again, `ssh-keygen -R '{self._name}' -f {self._files[0]}` forgets the former key"
        )

    def revoked(self, node: str, key: paramiko.PKey) -> str:
        return f"{node}: the host key of {self._name}, {_shown(key)}, is revoked: give the machine another one"


def _lines(path: str) -> list[str]:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.readlines()
    return []


def _shown(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode("ascii").rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"
