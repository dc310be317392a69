"""The command with which a node joins, as `init` and `token create --print-join-command` show it."""

from __future__ import annotations

from collections.abc import Sequence


def join_command(server: str, token: str, pins: Sequence[str], *, control_plane: bool = False, certificate_key: str = "") -> str:
    """The command with which a node joins the cluster behind `server` ("https://host:port")."""
    lines = [f"pykubeadm join {server.removeprefix('https://')} --token {token}"]
    lines += [f"--discovery-token-ca-cert-hash {pin}" for pin in pins]
    if control_plane:
        lines.append("--control-plane" + (f" --certificate-key {certificate_key}" if certificate_key else ""))
    return " \\\n    ".join(lines)
