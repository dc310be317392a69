"""Lab nodes that are reached over SSH, as a user who becomes root by sudo."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from lab.node import Node
from pykubeadm.node.ssh_login import SshSettings

USER = "admin"
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Desk:
    """Where the user's files are: the key that lets in, the host keys that are known."""

    folder: Path

    def admit(self, node: Node, *, password: bool = True) -> SshSettings:
        """Have the user on the node, who may use sudo, with a password or without; how the node is reached then."""
        key = self.folder / "login"
        if not key.exists():
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "desk", "-f", str(key)]
            subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
        rule = f"{USER} ALL=(ALL:ALL) {'' if password else 'NOPASSWD:'}ALL"
        node.shell(
            f"id {USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {USER}\n"
            f"echo '{USER}:{PASSWORD}' | chpasswd\n"
            f"install -d -m 700 -o {USER} /home/{USER}/.ssh\n"
            f"echo '{key.with_suffix('.pub').read_text().strip()}' >/home/{USER}/.ssh/authorized_keys\n"
            f"chown {USER} /home/{USER}/.ssh/authorized_keys\n"
            f"echo '{rule}' >/etc/sudoers.d/{USER}; chmod 440 /etc/sudoers.d/{USER}\n"
        )
        self.know(node, node.address, 22)
        config = self.folder / "config"
        config.write_text(f"Host *\n  UserKnownHostsFile {self.folder}/known_hosts\n")
        return SshSettings(
            host=node.address,
            name=node.name,
            user=USER,
            identity_files=(str(key),),
            config_file=str(config),
            sudo_password=PASSWORD if password else None,
        )

    def know(self, node: Node, host: str, port: int) -> None:
        """Have the node's host key known at an address."""
        key = " ".join(node.shell("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        with (self.folder / "known_hosts").open("a") as file:
            file.write(f"{host if port == 22 else f'[{host}]:{port}'} {key}\n")

    def through(self, node: Node, settings: SshSettings, port: int) -> SshSettings:
        """The same, by a relay at a port of loopback."""
        self.know(node, "127.0.0.1", port)
        return replace(settings, host="127.0.0.1", port=port)
