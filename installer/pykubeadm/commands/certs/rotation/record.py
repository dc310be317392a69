"""What the cluster keeps of a rotation: a ConfigMap with its stage, and on each Node how far it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from pykubeadm.commands.certs.rotation.stages import NAMES, Stage
from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import ensure, ensure_all, retrying
from pykubeadm.kube.port import Api
from pykubeadm.tokens.documents import role, role_binding
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

NAME: Final = "pykubeadm-ca-rotation"
NAMESPACE: Final = "kube-system"
ANNOTATION: Final = "pykubeadm.kube/ca-rotation"
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_NODES: Final = "system:nodes"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation. `certificates` has the former and the new certificate of each of `names`, PEM, for "sa" the public keys.
    `workers` is the stage that all control planes have come to, which workers may take. `trusted_since` is when all nodes trusted
    both, in ISO 8601."""

    id: str
    names: tuple[str, ...]
    stage: Stage
    certificates: Mapping[str, tuple[bytes, bytes]] = field(repr=False)
    workers: str = ""
    trusted_since: str = ""
    version: str = field(default="", compare=False)  # of the object

    def signer(self, name: str) -> bytes:
        """Who signs in this stage."""
        former, new = self.certificates[name]
        return new if self.stage.signs_new else former

    def other(self, name: str) -> bytes:
        former, new = self.certificates[name]
        return former if self.stage.signs_new else new

    def bundle(self, name: str) -> bytes:
        """Who is trusted in this stage, the one that signs first."""
        return self.signer(name) + (self.other(name) if self.stage.trusts_both else b"")

    def is_reported(self, node: Mapping[str, Any]) -> bool:
        """Whether the Node says that it has come to this stage."""
        return (node["metadata"].get("annotations") or {}).get(ANNOTATION) == self._report

    @property
    def _report(self) -> str:
        return f"{self.id}.{self.stage}"


def read_rotation(api: Api) -> Rotation | None:
    """The one that is under way; PhaseError where what the cluster keeps of it cannot be read."""
    found = retrying(lambda: api.get("v1", "ConfigMap", NAME, NAMESPACE), api.call_timeout, settling=False)
    if found is None:
        return None
    data = found.get("data") or {}
    try:
        names = tuple(name for name in NAMES if name in data["names"].split(","))
        return Rotation(
            id=data["id"],
            names=names,
            stage=Stage(data["stage"]),
            certificates={name: (data[f"{name}.old"].encode(), data[f"{name}.new"].encode()) for name in names},
            workers=data.get("workers", ""),
            trusted_since=data.get("trustedSince", ""),
            version=str(found["metadata"].get("resourceVersion") or ""),
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise PhaseError(
            f"the ConfigMap {NAMESPACE}/{NAME}, which says how far a rotation has come, cannot be read; put it back as it was:"
            " without it nobody knows which CA is trusted where"
        ) from error


def store_rotation(api: Api, rotation: Rotation) -> None:
    """Begin it: the object, and that nodes may read it."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get"]}
    ensure_all(api, [role(NAME, NAMESPACE, rule), role_binding(NAME, NAMESPACE, "Group", _NODES)])
    ensure(api, _document(rotation))


def move(api: Api, rotation: Rotation, **changes: Any) -> Rotation:
    """Change it, where nobody else has since it was read; the rotation as it is then."""
    moved = dataclasses.replace(rotation, **changes)
    body = {"metadata": {"resourceVersion": rotation.version}, "data": _data(moved)}
    stored = retrying(lambda: api.patch("v1", "ConfigMap", NAME, body, NAMESPACE, how="merge"), api.call_timeout)
    return dataclasses.replace(moved, version=str(stored["metadata"].get("resourceVersion") or ""))


def report(api: Api, node: str, rotation: Rotation) -> None:
    """Say for this node that it has come to the rotation's stage."""
    body = {"metadata": {"annotations": {ANNOTATION: f"{rotation.id}.{rotation.stage}"}}}
    retrying(lambda: api.patch("v1", "Node", node, body, how="merge"), api.call_timeout)


def end_rotation(api: Api, nodes: Iterable[KubeObject]) -> None:
    """Take away all that the cluster keeps of it, the object last."""
    for node in nodes:
        if ANNOTATION in (node["metadata"].get("annotations") or {}):
            _forget(api, node["metadata"]["name"])
    for api_version, kind in ((_RBAC, "RoleBinding"), (_RBAC, "Role"), ("v1", "ConfigMap")):
        _delete(api, api_version, kind)


def _forget(api: Api, node: str) -> None:
    body = {"metadata": {"annotations": {ANNOTATION: None}}}
    retrying(lambda: api.patch("v1", "Node", node, body, how="merge"), api.call_timeout)


def _delete(api: Api, api_version: str, kind: str) -> None:
    retrying(lambda: api.delete(api_version, kind, NAME, NAMESPACE), api.call_timeout)


def _document(rotation: Rotation) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": _data(rotation),
    }


def _data(rotation: Rotation) -> dict[str, str]:
    data = {
        "id": rotation.id,
        "names": ",".join(rotation.names),
        "stage": str(rotation.stage),
        "workers": rotation.workers,
        "trustedSince": rotation.trusted_since,
    }
    for name, (former, new) in rotation.certificates.items():
        data |= {f"{name}.old": former.decode(), f"{name}.new": new.decode()}
    return data
