"""The `Api` port: a cluster's API for plain documents (dicts as in a manifest). `ClusterApi` sends, `RecordingApi` keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, Protocol

from pykubeadm.errors import ApiError
from pykubeadm.util.kube_object import KubeObject

PatchKind = Literal["merge", "strategic", "json"]


class ApiStatusError(ApiError):
    """The API server answered with an error: `code` is HTTP's, `reason` Kubernetes' (metav1.Status), such as "Conflict"."""

    def __init__(self, sentence: str, *, code: int, reason: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.reason = reason


class ApiUnreachableError(ApiError):
    """No answer: connection refused, timed out, or the server's certificate was not accepted."""


class UntrustedServerError(ApiUnreachableError):
    """The server's certificate was not accepted, and will not be the next time either."""


class Api(Protocol):
    """A cluster. Every method may raise ApiStatusError or ApiUnreachableError with a sentence; none of them tries again."""

    @property
    def server(self) -> str:
        """The URL that requests go to."""

    @property
    def call_timeout(self) -> timedelta:
        """How long to try again in all (timeouts.kubernetesAPICall) before giving up."""

    @property
    def connections(self) -> int:
        """How many requests may be under way at a time."""

    @property
    def server_certificate(self) -> bytes:
        """What the server showed last, DER; empty where it was not asked yet."""

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> KubeObject | None:
        """The object, None where there is none."""

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[KubeObject]:
        """All objects of a kind, of a namespace where one is given, with the given labels and values of fields; which fields may
        be asked for depends on the kind ("spec.nodeName" of pods)."""

    def create(self, document: KubeObject) -> KubeObject:
        """The object as the server stored it."""

    def replace(self, document: KubeObject) -> KubeObject:
        """Replace the object; with metadata.resourceVersion only where it did not change meanwhile (else code 409)."""

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        body: KubeObject | Sequence[KubeObject],
        namespace: str = "",
        *,
        how: PatchKind,
    ) -> KubeObject:
        """Patch the object; `body` is a list of operations where `how` is "json"."""

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        """True where there was something to delete."""

    def evict(self, pod: KubeObject) -> None:
        """Have a pod deleted if its PodDisruptionBudgets allow it (else code 429), and if it still is the one with this uid
        (else code 409). A pod that is gone is not an error."""


def title(document: Mapping[str, Any]) -> str:
    """The object's name for messages: "ConfigMap kube-system/kubeadm-config"."""
    metadata = document.get("metadata", {})
    namespace = metadata.get("namespace", "")
    name = metadata.get("name", "")
    return f"{document.get('kind', 'object')} {namespace}/{name}" if namespace else f"{document.get('kind', 'object')} {name}"
