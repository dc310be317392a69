"""`ClusterApi`: the `Api` port on lightkube, whose import (0.2 s) waits until the first request is prepared."""

from __future__ import annotations

import copy
import functools
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, tls_context
from pykubeadm.kube.kinds import plural
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError, Document, PatchKind, UntrustedServerError

if TYPE_CHECKING:
    from lightkube.core.client import Client

T = TypeVar("T")

REQUEST_TIMEOUT = 10.0  # seconds for one request; client-go's default for kubeadm's clients
FIELD_MANAGER = "pykubeadm"


class ClusterApi:
    """A cluster as a kubeconfig names it. Connections are kept, so several threads may share one."""

    def __init__(
        self, credentials: Credentials, *, server: str = "", call_timeout: timedelta = timedelta(minutes=1), dry_run: bool = False
    ) -> None:
        """`server` takes the place of the kubeconfig's: requests to the local API server instead of the endpoint that
        balances the load. Such requests never go through a proxy of the environment. With `dry_run` the server
        computes what each write would give and stores nothing."""
        self._server = server or credentials.server
        self._call_timeout = call_timeout
        self._client = _client(credentials, self._server, proxies=not server, dry_run=dry_run)

    @property
    def server(self) -> str:
        return self._server

    @property
    def call_timeout(self) -> timedelta:
        return self._call_timeout

    @property
    def connections(self) -> int:
        return 4

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Document | None:
        what = f"read {kind} {_place(namespace, name)}"
        try:
            return dict(
                self._call(what, lambda: self._client.get(_resource(api_version, kind), name, namespace=namespace or None))
            )
        except ApiStatusError as error:
            if error.code == 404:
                return None
            raise

    def list(
        self, api_version: str, kind: str, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> list[Document]:
        resource = _resource(api_version, kind)
        where = (namespace or "*") if plural(api_version, kind)[1] else None
        what = f"list {kind} objects"
        found = self._call(what, lambda: list(self._client.list(resource, namespace=where, labels=dict(labels or {}))))
        # A list's items come without their apiVersion and kind.
        return [{"apiVersion": api_version, "kind": kind} | item for item in found]

    def create(self, document: Document) -> Document:
        return self._send("create", document, self._client.create)

    def replace(self, document: Document) -> Document:
        return self._send("update", document, self._client.replace)

    def patch(
        self, api_version: str, kind: str, name: str, body: Document | Sequence[Document], namespace: str = "", *, how: PatchKind
    ) -> Document:
        from lightkube.types import PatchType

        def call() -> Any:
            return self._client.patch(
                _resource(api_version, kind), name, body, namespace=namespace or None, patch_type=PatchType[how.upper()]
            )

        return dict(self._call(f"patch {kind} {_place(namespace, name)}", call))

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        what = f"delete {kind} {_place(namespace, name)}"
        try:
            self._call(what, lambda: self._client.delete(_resource(api_version, kind), name, namespace=namespace or None))
        except ApiStatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    def _send(self, verb: str, document: Document, method: Callable[[Any], Any]) -> Document:
        kind, metadata = document["kind"], document["metadata"]
        resource = _resource(document["apiVersion"], kind)
        what = f"{verb} {kind} {_place(metadata.get('namespace', ''), metadata['name'])}"
        return dict(self._call(what, lambda: method(resource(copy.deepcopy(document)))))

    def _call(self, what: str, call: Callable[[], T]) -> T:
        import httpx2
        from lightkube.core.exceptions import ApiError as LightkubeError

        try:
            return call()
        except LightkubeError as error:
            status = error.status
            code = status.code or error.response.status_code
            raise ApiStatusError(f"could not {what}: {status.message}", code=code, reason=status.reason or "") from error
        except httpx2.HTTPStatusError as error:
            answer = error.response
            text = answer.text.strip().splitlines()
            said = f"{self._server} answered {answer.status_code}: {text[0] if text else answer.reason_phrase}"
            raise ApiStatusError(f"could not {what}: {said}", code=answer.status_code) from error
        except httpx2.TransportError as error:
            if (untrusted := _certificate_error(error)) is not None:
                raise UntrustedServerError(
                    f"could not {what}: the certificate of {self._server} is not accepted: {untrusted.verify_message};"
                    " another program answers there, or files of two clusters are mixed"
                ) from error
            raise ApiUnreachableError(f"could not {what}: no answer from {self._server}: {_reason(error)}") from error


def _place(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _reason(error: Exception) -> str:
    """The message without the errno, which says nothing to a user: "Connection refused"."""
    text = str(error) or type(error).__name__
    return text.split("] ", 1)[1] if text.startswith("[Errno ") else text


@functools.cache
def _resource(api_version: str, kind: str) -> Any:
    """A kind's class of lightkube. Made here and not registered: the typed models would drop fields they do not know."""
    from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info

    name, namespaced = plural(api_version, kind)
    group, _, version = api_version.rpartition("/")
    base = GenericNamespacedResource if namespaced else GenericGlobalResource
    return type(kind, (base,), {"_api_info": create_api_info(group, version, kind, name)})


def _client(credentials: Credentials, server: str, *, proxies: bool, dry_run: bool) -> Client:
    import httpx2
    import msgspec
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.config.models import Cluster, User
    from lightkube.core.client import Client

    proxy = _proxy(server) if proxies else None
    transport = httpx2.HTTPTransport(verify=tls_context(credentials), proxy=proxy, trust_env=False)
    try:
        user = msgspec.convert({name: value for name, value in credentials.user.items() if not name.startswith("client-")}, User)
    except msgspec.ValidationError as error:
        raise ApiError(f"{credentials.path} cannot be used as a kubeconfig: {error}") from error
    # `insecure` spares lightkube a TLS context of its own, which nothing would use: the transport has ours, which verifies.
    # Its own would be strict, and it would write the key to a temporary file.
    config = KubeConfig.from_one(cluster=Cluster(server=server, insecure=True), user=user, fname=credentials.path)
    timeout = httpx2.Timeout(REQUEST_TIMEOUT)
    return Client(
        config=config, timeout=timeout, field_manager=FIELD_MANAGER, trust_env=False, dry_run=dry_run, transport=transport
    )


def _proxy(server: str) -> str | None:
    """The environment's proxy for a server, None where it wants none."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    url = urlsplit(server)
    return None if proxy_bypass(url.netloc) else getproxies().get(url.scheme)
