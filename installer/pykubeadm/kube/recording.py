"""`RecordingApi`: the `Api` port of a dry run. Reads are answered by the cluster where there is one, writes are only shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pykubeadm.kube.port import Api, ApiStatusError, ApiUnreachableError, PatchKind, title
from pykubeadm.util.kube_object import KubeObject, plain_copy
from pykubeadm.util.yaml_output import to_yaml

MASK = "***"
_SERVERS_OWN = ("creationTimestamp", "managedFields", "resourceVersion", "uid")
_NOT_YET_KNOWN = "00000000-0000-0000-0000-000000000000"  # the uid of what was not really created


class RecordingApi:
    """Keeps what would have been written, so that later reads of the same run see it. `report` gets one text a change."""

    def __init__(
        self,
        inner: Api | None,
        report: Callable[[str], None],
        *,
        assumed: Iterable[KubeObject] = (),
        server: str = "",
        may_be_gone: bool = True,
    ) -> None:
        """`inner` must not store what it is sent (ClusterApi with dry_run). `assumed` are objects that a real run would find
        by then, such as the node's own Node object. `may_be_gone`: where `inner` does not answer, the cluster counts as an
        empty one, which a real run would make by then; else reads raise its ApiUnreachableError."""
        self._inner = inner
        self._report = report
        self._server = inner.server if inner else server
        self._may_be_gone = may_be_gone
        self._written: dict[tuple[str, str, str, str], KubeObject | None] = {}
        self._assumed = {_key(document): document for document in assumed}

    @property
    def server(self) -> str:
        return self._server

    @property
    def call_timeout(self) -> timedelta:
        return timedelta()  # nothing changes by trying again

    @property
    def connections(self) -> int:
        return 1  # shown in order

    @property
    def server_certificate(self) -> bytes:
        return self._inner.server_certificate if self._inner else b""

    @property
    def written(self) -> list[KubeObject]:
        """The objects that would have been created or replaced, in the order of their first write."""
        return [plain_copy(document) for document in self._written.values() if document is not None]

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> KubeObject | None:
        key = (api_version, kind, namespace, name)
        if key in self._written:
            return plain_copy(self._written[key])
        return self._real(key) or plain_copy(self._assumed.get(key))

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[KubeObject]:
        found: dict[tuple[str, str, str, str], KubeObject | None] = {}
        if self._inner:
            try:
                found = {
                    _key(item): item for item in self._inner.list(api_version, kind, namespace, labels=labels, fields=fields)
                }
            except ApiUnreachableError:
                if not self._may_be_gone:
                    raise
                self._inner = None
        found |= {
            key: document
            for key, document in self._written.items()
            if key[:2] == (api_version, kind)
            and (not namespace or key[2] == namespace)
            and (document is None or selected(document, labels or {}, fields or {}))
        }
        return [plain_copy(document) for document in found.values() if document is not None]

    def create(self, document: KubeObject) -> KubeObject:
        return self._write("create", document)

    def replace(self, document: KubeObject) -> KubeObject:
        key = _key(document)
        live = None if key in self._written else self._real(key)
        # Only the server knows whether what looks different is ("0.1" for "100m"), and whether it would take it.
        if self._inner and live and _content(self._inner.replace(document)) == _content(live):
            return live
        return self._write("update", document)

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
        document = self.get(api_version, kind, name, namespace)
        if document is None:
            raise ApiStatusError(f"could not patch {kind} {name}: there is none", code=404, reason="NotFound")
        shown = to_yaml(body) if isinstance(body, Mapping) else "\n".join(str(operation) for operation in body)
        self._report(f"patch {title(document)}:\n{shown}")
        return document

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        document = self.get(api_version, kind, name, namespace)
        if document is None:
            return False
        self._report(f"delete {title(document)}")
        self._written[api_version, kind, namespace, name] = None
        return True

    def evict(self, pod: KubeObject) -> None:
        self._report(f"evict {title(pod)}")
        self._written[_key(pod)] = None

    def _real(self, key: tuple[str, str, str, str]) -> KubeObject | None:
        if self._inner is None:
            return None
        api_version, kind, namespace, name = key
        try:
            return self._inner.get(api_version, kind, name, namespace)
        except ApiUnreachableError:
            if not self._may_be_gone:
                raise
            self._inner = None  # gone: do not wait for it again
            return None

    def _write(self, verb: str, document: KubeObject) -> KubeObject:
        self._report(f"{verb} {title(document)}:\n{to_yaml(masked(document))}")
        stored = plain_copy(document)
        stored["metadata"].setdefault("uid", _NOT_YET_KNOWN)
        stored["metadata"].pop("resourceVersion", None)  # what was written has another
        self._written[_key(document)] = stored
        return plain_copy(stored)


def masked(document: KubeObject) -> KubeObject:
    """The document without what must not be shown: a Secret's values and what the server adds for itself."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in _SERVERS_OWN}
    shown: KubeObject = {field: value for field, value in document.items() if field != "status"} | {"metadata": metadata}
    if document.get("kind") == "Secret":
        shown |= {field: dict.fromkeys(shown[field], MASK) for field in ("data", "stringData") if shown.get(field)}
    return shown


def _content(document: KubeObject) -> KubeObject:
    """The document without what changes with every write."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in (*_SERVERS_OWN, "generation")}
    return document | {"metadata": metadata}


def _key(document: Mapping[str, Any]) -> tuple[str, str, str, str]:
    metadata = document["metadata"]
    return document["apiVersion"], document["kind"], metadata.get("namespace", ""), metadata["name"]


def selected(document: KubeObject, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """Whether an object has these labels, and these values at the fields' paths ("spec.nodeName")."""
    if not labels.items() <= (document["metadata"].get("labels") or {}).items():
        return False
    return all(_at(document, path.split(".")) == value for path, value in fields.items())


def _at(document: Any, path: Sequence[str]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
