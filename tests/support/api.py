"""A cluster in memory for unit tests: what the `Api` port needs of an API server, with versions and conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pykubeadm.kube.port import ApiStatusError, PatchKind
from pykubeadm.kube.recording import selected
from pykubeadm.util.kube_object import KubeObject, plain_copy

Key = tuple[str, str, str, str]


@dataclass
class FakeApi:
    """Implements the `Api` port. `failures` are raised by the next calls, one each. `defaults` maps a kind to what the server
    fills in below spec. `writes` has (verb, kind, name) of every write that was stored."""

    server: str = "https://192.0.2.1:6443"
    call_timeout: timedelta = timedelta(seconds=2)
    connections: int = 1
    server_certificate: bytes = b""
    objects: dict[Key, KubeObject] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    calls: int = 0
    _version: int = 0

    def put(self, document: KubeObject) -> None:
        """Have an object there from the start."""
        self._store(plain_copy(document))

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> KubeObject | None:
        self._call()
        assert name, "the path of all objects"
        return plain_copy(self.objects.get((api_version, kind, namespace, name)))

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[KubeObject]:
        self._call()
        return [
            plain_copy(document)
            for key, document in self.objects.items()
            if key[:2] == (api_version, kind)
            and (not namespace or key[2] == namespace)
            and selected(document, labels or {}, fields or {})
        ]

    def create(self, document: KubeObject) -> KubeObject:
        self._call()
        if _key(document) in self.objects:
            raise ApiStatusError("it exists", code=409, reason="AlreadyExists")
        return self._written("create", document)

    def replace(self, document: KubeObject) -> KubeObject:
        self._call()
        live = self.objects[_key(document)]
        version = document["metadata"].get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise ApiStatusError("it was changed", code=409, reason="Conflict")
        if document == live:
            return plain_copy(live)
        return self._written("replace", document)

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
        self._call()
        assert name, "the path of all objects"
        assert how == "merge"
        assert isinstance(body, dict)
        live = self.objects.get((api_version, kind, namespace, name))
        if live is None:
            raise ApiStatusError("there is none", code=404, reason="NotFound")
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise ApiStatusError("it was changed", code=409, reason="Conflict")
        return self._written("patch", _merge_patched(live, body))

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        self._call()
        assert name, "the path of all objects"
        return self.objects.pop((api_version, kind, namespace, name), None) is not None

    def evict(self, pod: KubeObject) -> None:
        self._call()
        if self.objects.pop(_key(pod), None):
            self.writes.append(("evict", "Pod", pod["metadata"]["name"]))

    def _call(self) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)

    def _written(self, verb: str, document: KubeObject) -> KubeObject:
        self.writes.append((verb, document["kind"], document["metadata"]["name"]))
        return self._store(plain_copy(document))

    def _store(self, document: KubeObject) -> KubeObject:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        document["metadata"].setdefault("uid", f"uid-{self._version}")
        if document["kind"] in self.defaults:
            document["spec"] = self.defaults[document["kind"]] | document.get("spec", {})
        self.objects[_key(document)] = document
        return plain_copy(document)


def copy_of(api: FakeApi) -> FakeApi:
    """Another cluster with the same objects."""
    return replace(
        api,
        objects=plain_copy(api.objects),
        failures=list(api.failures),
        defaults=plain_copy(api.defaults),
        writes=list(api.writes),
    )


def _key(document: Mapping[str, Any]) -> Key:
    metadata = document["metadata"]
    return document["apiVersion"], document["kind"], metadata.get("namespace", ""), metadata["name"]


def _merge_patched(live: Any, body: Any) -> Any:
    """RFC 7396."""
    if not isinstance(body, dict):
        return plain_copy(body)
    result = plain_copy(live) if isinstance(live, dict) else {}
    for name, value in body.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_patched(result.get(name), value)
    return result
