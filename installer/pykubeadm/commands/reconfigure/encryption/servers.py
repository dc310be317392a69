"""Which EncryptionConfiguration each API server has: by its pod's flag, and the file of that name on this node.

A file of one name is taken to be the same on all control planes. That is why a changed one needs another name: what an API server
has read can be known, and it can be put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.reconfigure.encryption.configuration import Encryption, read_encryption
from pykubeadm.commands.reconfigure.files import host_path
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.static_pods.present import arguments
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api

_FLAG: Final = "encryption-provider-config"
_LABELS: Final = {"component": "kube-apiserver", "tier": "control-plane"}


@dataclass(frozen=True, slots=True)
class Server:
    """An API server: the node it is on, and what it reads and writes with; `path` is "" where it encrypts nothing."""

    node: str
    path: str
    encryption: Encryption


def encryption_of(run: ReconfigureRun, pod: Mapping[str, Any], node: str = "") -> Server:
    """DocumentError where its file is not on this node, or cannot be used."""
    flag = encryption_flag(pod)
    path = (host_path(pod, flag) or flag) if flag else ""
    return Server(node, path, read_encryption(run.node.read(path), path) if path else Encryption())


def encryption_flag(pod: Mapping[str, Any]) -> str:
    """What the API server's pod says, "" where it encrypts nothing."""
    return arguments(pod).get(_FLAG, "")


def others(run: ReconfigureRun, api: Api) -> Iterator[Mapping[str, Any]]:
    """The pods of the API servers on other nodes."""
    for pod in api.list("v1", "Pod", "kube-system", labels=_LABELS):
        if pod["spec"].get("nodeName") != run.node_name:
            yield pod


def etcd_prefix(pod: Mapping[str, Any]) -> str:
    """Below which the API server keeps all its keys (Kubernetes: --etcd-prefix)."""
    return arguments(pod).get("etcd-prefix") or "/registry"
