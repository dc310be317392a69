"""A real sshd on loopback, for the user that runs the tests; skips a test with the reason where there can be none."""

from __future__ import annotations

import atexit
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/login.pub
StrictModes no
UsePAM no
PasswordAuthentication no
"""


@dataclass(frozen=True)
class Sshd:
    """`folder` has its files: `login`, a private key that lets in, and `known_hosts`."""

    folder: Path
    port: int

    def settings(self, **others: Any) -> Any:
        """For `pykubeadm.node.ssh.connect`, without sudo."""
        from pykubeadm.node.ssh_login import SshSettings

        wanted = SshSettings(
            host="127.0.0.1",
            name="n1",
            port=self.port,
            identity_files=(str(self.folder / "login"),),
            config_file=str(self.folder / "config"),
            sudo=False,
            python=oldest_python(),
        )
        return replace(wanted, **others)

    def connected(self, **others: Any) -> AbstractContextManager[Any]:
        from pykubeadm.node.ssh import connect

        return connect(self.settings(**others))


@cache
def oldest_python() -> str:
    """The path of a Python 3.9, the oldest that nodes may have; of another one where there is none here."""
    uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}")
    found = uv and subprocess.run(
        [uv, "python", "find", "--no-python-downloads", "3.9"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() if found and found.returncode == 0 else "python3"


@cache
def running_sshd() -> Sshd:
    """One for all tests of this process, ended with it."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no sshd here: `make setup` installs openssh-server")
    folder = Path(tempfile.mkdtemp(prefix="pykubeadm-sshd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = _free_port()
    for name in ("host", "login"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name)]
        subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "config").write_text(f"Host *\n  UserKnownHostsFile {folder}/known_hosts\n")
    (folder / "sshd_config").write_text(_CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where it has its unprivileged half
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stderr=log)
    log.close()
    atexit.register(_end, process)
    _wait(process, port, folder)
    return Sshd(folder, port)


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.skip(f"sshd does not start for {getpass.getuser()} here: {(folder / 'log').read_text().strip()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
