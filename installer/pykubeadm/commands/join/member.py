"""Is this node in the cluster already? Found by looking, as the journal and any file may be lost or damaged.

It is, where its kubelet holds a certificate that the cluster gave to the node of this name, or where the cluster's Node of this
name is this very machine, in this very boot.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.join.trust import CLIENT_CERTIFICATE, KUBELET_CONF, Trust, own_credentials
from pykubeadm.errors import PhaseError
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.commands.join.run import JoinRun
    from pykubeadm.node.port import Looked

# Where the kubelet takes what it reports as nodeInfo.machineID and bootID (cadvisor: machine/info.go).
_MACHINE_ID = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
READ: Final = (KUBELET_CONF, CLIENT_CERTIFICATE, *_MACHINE_ID, _BOOT_ID)  # for what is found out here


def as_member(trust: Trust, node: Looked, name: str, now: datetime) -> Trust | None:
    """The cluster of `trust` with the kubelet's own credentials, where that gave them to the node `name`; else None."""
    try:
        own = own_credentials(node)
    except PhaseError:
        own = None  # damaged; the certificate that it leads to says as much
    if own is not None and trust.issued(_data(own, "certificate"), _data(own, "key"), name, now):
        return replace(own, cluster=trust.cluster)
    pair = node.read(CLIENT_CERTIFICATE)
    if pair is None or not trust.issued(pair, pair, name, now):
        return None
    data = base64.b64encode(pair).decode("ascii")
    user = {"client-certificate-data": data, "client-key-data": data}
    return Trust(trust.cluster, user, "default-auth", CLIENT_CERTIFICATE, own=True)


def _data(own: Trust, what: str) -> bytes:
    return base64.b64decode(own.user.get(f"client-{what}-data") or "")


def is_this_machine(node: Looked, found: KubeObject) -> bool:
    """Whether the Node `found` is reported by a kubelet of this machine, since it was last booted. Copies of a virtual machine
    may share an ID, but no boot."""
    info = (found.get("status") or {}).get("nodeInfo") or {}
    machines = [content.decode(errors="replace").strip() for path in _MACHINE_ID if (content := node.read(path))]
    boot = (node.read(_BOOT_ID) or b"").decode(errors="replace").strip()
    return bool(boot) and info.get("bootID") == boot and info.get("machineID") in machines


class JoinOwner:
    """The owner of what lies on a node that joins: of what the journal knows, and on a member of all that is there."""

    def __init__(self, run: JoinRun) -> None:
        self._run = run

    def owns(self, path: str) -> bool:
        return self._run.journal.owns(path) or (self._run.is_member and self._run.node.stat(path) is not None)

    def started_kubelet(self) -> bool:
        return self._run.journal.started_kubelet() or self._run.is_member

    def why_not(self) -> str:
        return f"{self._run.journal.why_not()}, nor is this node a member of the cluster as {self._run.kubelet_name}"
