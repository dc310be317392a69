"""`ClusterApi`: the `Api` port over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, authorization, proxy_of, tls_context
from pykubeadm.kube.kinds import plural
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError, PatchKind, UntrustedServerError, title
from pykubeadm.transport.connections import Connections
from pykubeadm.transport.http import Response, UnansweredError
from pykubeadm.transport.route import DIRECT, Route
from pykubeadm.util.kube_object import KubeObject

REQUEST_TIMEOUT = 10.0  # seconds for one request; client-go's default for kubeadm's clients
FIELD_MANAGER = "pykubeadm"
_CONNECTIONS = 4
# Kubernetes: apimachinery/pkg/types/patch.go
_PATCHES: Mapping[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}


class ClusterApi:
    """A cluster as a kubeconfig names it. Connections are kept, so several threads may share one."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        server: str = "",
        call_timeout: timedelta = timedelta(minutes=1),
        dry_run: bool = False,
        route: Route = DIRECT,
    ) -> None:
        """`server` takes the place of the kubeconfig's: requests to the local API server instead of the endpoint that
        balances the load. Such requests never go through a proxy of the environment. With `dry_run` the server
        computes what each write would give and stores nothing. `route` is how the node that asks reaches servers."""
        self._server = (server or credentials.server).rstrip("/")
        self._call_timeout = call_timeout
        if credentials.user.get("exec"):
            from pykubeadm.kube.exec_plugin import with_plugin

            credentials = with_plugin(credentials)
        self._deleting = {"dryRun": "All"} if dry_run else {}
        self._writing = {"fieldManager": FIELD_MANAGER, **self._deleting}
        self._headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER, **authorization(credentials)}
        proxy = "" if server else proxy_of(credentials, route.environment)
        tls = tls_context(credentials)
        self._connections = Connections(self._server, tls, timeout=REQUEST_TIMEOUT, proxy=proxy, dial=route.dial)

    @property
    def server(self) -> str:
        return self._server

    @property
    def call_timeout(self) -> timedelta:
        return self._call_timeout

    @property
    def connections(self) -> int:
        return _CONNECTIONS

    @property
    def server_certificate(self) -> bytes:
        return self._connections.peer_certificate()

    def close(self) -> None:
        """Give the connections back."""
        self._connections.close()

    def raw(self, path: str) -> Response:
        """The answer, whatever its status, at a path that is no object's, such as /readyz, asked for as everything else is: with
        the kubeconfig's credentials, through its proxy. ApiUnreachableError where there is none."""
        try:
            return self._connections.request("GET", f"{urlsplit(self._server).path}{path}", None, self._headers)
        except UnansweredError as error:
            raise self._unreachable(f"read {path}", error) from error

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> KubeObject | None:
        try:
            return self._call(f"read {_title(kind, name, namespace)}", "GET", _object_path(api_version, kind, name, namespace))
        except ApiStatusError as error:
            if error.code == 404:
                return None
            raise

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[KubeObject]:
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {
            selector: ",".join(f"{name}={value}" for name, value in wanted.items())
            for selector, wanted in selectors.items()
            if wanted
        }
        found = self._call(f"list {kind} objects", "GET", _path(api_version, kind, namespace), query)
        # A list's items come without their apiVersion and kind.
        return [{"apiVersion": api_version, "kind": kind} | item for item in found.get("items") or ()]

    def create(self, document: KubeObject) -> KubeObject:
        path = _path(document["apiVersion"], document["kind"], document["metadata"].get("namespace", ""))
        return self._call(f"create {title(document)}", "POST", path, self._writing, document)

    def replace(self, document: KubeObject) -> KubeObject:
        metadata = document["metadata"]
        path = _object_path(document["apiVersion"], document["kind"], metadata["name"], metadata.get("namespace", ""))
        return self._call(f"update {title(document)}", "PUT", path, self._writing, document)

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
        what = f"patch {_title(kind, name, namespace)}"
        path = _object_path(api_version, kind, name, namespace)
        return self._call(what, "PATCH", path, self._writing, body, content_type=_PATCHES[how])

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        path = _object_path(api_version, kind, name, namespace)
        try:
            self._call(f"delete {_title(kind, name, namespace)}", "DELETE", path, self._deleting)
        except ApiStatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    def evict(self, pod: KubeObject) -> None:
        metadata = {name: pod["metadata"][name] for name in ("name", "namespace")}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": metadata,
            "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
        }
        path = f"{_object_path('v1', 'Pod', metadata['name'], metadata['namespace'])}/eviction"
        try:
            self._call(f"evict {title(pod)}", "POST", path, self._writing, body)
        except ApiStatusError as error:
            if error.code != 404:
                raise

    def _call(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: KubeObject | Sequence[KubeObject] | None = None,
        *,
        content_type: str = "application/json",
    ) -> KubeObject:
        target = f"{urlsplit(self._server).path}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else {**self._headers, "Content-Type": content_type}
        try:
            answer = self._connections.request(method, target, content, headers)
        except UnansweredError as error:
            raise self._unreachable(what, error) from error
        return self._document(what, answer.status, answer.body)

    def _document(self, what: str, status: int, data: bytes) -> KubeObject:
        """What the API server answered, where that is what was asked for."""
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            text = data.decode(errors="replace").strip().splitlines()
            said = f"{self._server} answered {status}" + (f": {text[0]}" if text else "")
            raise ApiStatusError(f"could not {what}: {said}", code=status)
        if status >= 300:  # metav1.Status
            why = document.get("message") or f"{self._server} answered {status}"
            # Which PodDisruptionBudget does not allow an eviction is only among the causes.
            for cause in (document.get("details") or {}).get("causes") or ():
                why += f" {cause['message']}" if cause.get("message") and cause["message"] not in why else ""
            raise ApiStatusError(f"could not {what}: {why}", code=status, reason=document.get("reason") or "")
        return document

    def _unreachable(self, what: str, error: UnansweredError) -> ApiUnreachableError:
        if error.untrusted:
            why = "another program answers there, or files of two clusters are mixed"
            if error.untimely:
                why = "is this machine's clock right (timedatectl)? were the certificates renewed (pykubeadm certs renew all)?"
            return UntrustedServerError(f"could not {what}: {self._server} cannot be trusted, {error}; {why}")
        return ApiUnreachableError(f"could not {what}: no answer from {self._server}: {error}")


def _title(kind: str, name: str, namespace: str) -> str:
    return title({"kind": kind, "metadata": {"name": name, "namespace": namespace}})


def _object_path(api_version: str, kind: str, name: str, namespace: str) -> str:
    """Of an object. A name may end with a subresource: "csr-x/approval". ApiError without a name: the path would be that of all
    objects of the kind, and a DELETE there deletes them all."""
    if not name:
        raise ApiError(f"the {kind} to ask for has no name; nothing was asked of the API server")
    return f"{_path(api_version, kind, namespace)}/{quote(name, safe=':/')}"


def _path(api_version: str, kind: str, namespace: str) -> str:
    """Of all objects of a kind (Kubernetes: "API Concepts", resource URIs)."""
    collection, namespaced = plural(api_version, kind)
    base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    place = f"/namespaces/{quote(namespace)}" if namespaced and namespace else ""
    return f"{base}{place}/{collection}"
