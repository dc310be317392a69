"""What the cluster keeps of a rotation: a ConfigMap with its stage, and on each Node how far it is. Where there
are several control planes a Secret of the ConfigMap's name has the keys for them (`sharing`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from pykubeadm.commands.certs.rotation.stages import NAMES, Stage
from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import ensure_all, retrying
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.tokens.documents import role, role_binding
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

NAME: Final = "pykubeadm-ca-rotation"
NAMESPACE: Final = "kube-system"
ANNOTATION: Final = "pykubeadm.kube/ca-rotation"
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_NODES: Final = "system:nodes"
_KEPT: Final = (  # what has its name, in the order in which it is taken away
    (_RBAC, "RoleBinding"),
    (_RBAC, "Role"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
)
_CONFLICT: Final = 409


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
        return _annotation(node) == self._report

    def has_part(self, node: Mapping[str, Any]) -> bool:
        """Whether the Node has come to any stage of this rotation."""
        return _annotation(node).startswith(f"{self.id}.")

    @property
    def _report(self) -> str:
        return f"{self.id}.{self.stage}"


def _annotation(node: Mapping[str, Any]) -> str:
    return str((node["metadata"].get("annotations") or {}).get(ANNOTATION) or "")


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


def store_rotation(api: Api, rotation: Rotation) -> Rotation:
    """Begin it: the object, and that nodes may read it. PhaseError where another control plane was faster."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get"]}
    ensure_all(api, [role(NAME, NAMESPACE, rule), role_binding(NAME, NAMESPACE, "Group", _NODES)])

    def once() -> None:
        if api.get("v1", "ConfigMap", NAME, NAMESPACE) is None:
            api.create(_document(rotation))

    retrying(once, api.call_timeout)
    stored = read_rotation(api)
    if stored is None or stored.id != rotation.id:
        raise PhaseError("another control plane has just started a rotation: continue it there")
    return stored


def move(api: Api, rotation: Rotation, **changes: Any) -> Rotation:
    """Change it; the rotation as it is then. PhaseError where it has changed to something else since it was read."""
    moved = dataclasses.replace(rotation, **changes)
    body = {"metadata": {"resourceVersion": rotation.version}, "data": _data(moved)}

    def once() -> bool:
        try:
            api.patch("v1", "ConfigMap", NAME, body, NAMESPACE, how="merge")
        except ApiStatusError as error:
            if error.code != _CONFLICT:
                raise
        return True

    retrying(once, api.call_timeout)
    stored = read_rotation(api)
    if stored is None or stored != moved:
        raise PhaseError("the rotation was moved on from another control plane just now: run this again")
    return stored


def report(api: Api, node: str, rotation: Rotation) -> None:
    """Say for this node that it has come to the rotation's stage."""
    body = {"metadata": {"annotations": {ANNOTATION: f"{rotation.id}.{rotation.stage}"}}}
    retrying(lambda: api.patch("v1", "Node", node, body, how="merge"), api.call_timeout)


def end_rotation(api: Api, nodes: Iterable[KubeObject]) -> None:
    """Take away all that the cluster keeps of it. What the nodes say goes last: without the object it means nothing, and while
    that is there, a node that does not say so has to come to the stage, for which no keys are left."""
    for api_version, kind in _KEPT:
        _delete(api, api_version, kind)
    forget_reports(api, nodes)


def forget_reports(api: Api, nodes: Iterable[KubeObject]) -> None:
    """What nodes say of a rotation that is over."""
    for node in nodes:
        if _annotation(node):
            _forget(api, node["metadata"]["name"])


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
