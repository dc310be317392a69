"""With whose credentials to connect where, as a kubeconfig says, and TLS contexts from it."""

from __future__ import annotations

import base64
import errno
import os
import re
import ssl
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from pykubeadm.config.section import DocumentError
from pykubeadm.errors import ApiError
from pykubeadm.kubeconfig.read import usable_kubeconfig
from pykubeadm.pki.tls import client_context, show_certificate, unverified_context
from pykubeadm.transport.http import checked_url
from pykubeadm.transport.proxies import proxy_for
from pykubeadm.util.dataclass import dataclass

_SENDABLE = re.compile(r"[!-~]+")  # in a header: no spaces, nothing but ASCII


@dataclass(frozen=True, slots=True)
class Credentials:
    """The current context of a kubeconfig (client-go: tools/clientcmd/api/v1). PEM bytes are empty where the file names a
    path instead, which then stands in the field that ends with `_path`."""

    server: str
    path: str = ""
    ca: bytes = b""
    ca_path: str = ""  # with neither, the system's store is used
    certificate: bytes = field(default=b"", repr=False)
    certificate_path: str = ""
    key: bytes = field(default=b"", repr=False)
    key_path: str = ""
    insecure: bool = False  # insecure-skip-tls-verify
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the user's entry as it is: token, exec, …
    cluster: Mapping[str, Any] = field(default_factory=dict)  # the cluster's: proxy-url, extensions, …


def parse_kubeconfig(data: bytes, path: str, read: Callable[[str], bytes | None] | None = None) -> Credentials:
    """The current context of the kubeconfig `data`; ApiError names `path`, which paths in it start from. `read` gives the content
    of the files that it names, None for one that is not there: those of the machine where the kubeconfig lies."""
    try:
        found = usable_kubeconfig(data)
    except DocumentError as error:
        raise ApiError(f"{path} {error}") from error

    def content(inline: bytes, file: str) -> bytes:
        if inline or not file or read is None:
            return inline
        there = read(_beside(path, file))
        if there is None:
            raise ApiError(f"{_beside(path, file)}, which {path} names, cannot be read: No such file or directory")
        return there

    return Credentials(
        server=found.url,
        path=path,
        ca=content(found.ca, found.ca_path),
        ca_path=_beside(path, found.ca_path),
        certificate=content(found.certificate, found.certificate_path),
        certificate_path=_beside(path, found.certificate_path),
        key=content(found.key, found.key_path),
        key_path=_beside(path, found.key_path),
        insecure=found.insecure,
        user=found.user,
        cluster=found.cluster,
    )


def _beside(path: str, file: str) -> str:
    """Relative paths in a kubeconfig start from its own directory."""
    return os.path.join(os.path.dirname(path), file) if file else ""


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Trusts the kubeconfig's CA and shows its client certificate; ApiError where a file cannot be used."""
    try:
        context = unverified_context() if credentials.insecure else _trusting(credentials)
        certificate = credentials.certificate or _content(credentials.certificate_path)
        key = credentials.key or _content(credentials.key_path)
        if certificate and key:
            show_certificate(context, certificate, key)
    except OSError as error:
        raise ApiError(f"{error.filename}, which {credentials.path} names, cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ApiError(f"{credentials.path} cannot be used: {error}") from error
    return context


def ca_pins(credentials: Credentials) -> list[str]:
    """The pins of the CA's certificates, for a join command; ApiError where there are none."""
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.tokens.pin import pin_of

    try:
        return [pin_of(certificate) for certificate in load_certificates(credentials.ca or _content(credentials.ca_path))]
    except (OSError, ValueError) as error:
        why = f"names {error.filename}, which cannot be read" if isinstance(error, OSError) else str(error)
        raise ApiError(f"{credentials.path} {why}, and the join command needs the cluster's certificate authority") from error


def _trusting(credentials: Credentials) -> ssl.SSLContext:
    named = bool(credentials.ca or credentials.ca_path)
    try:
        ca = (credentials.ca or _content(credentials.ca_path)) if named else None
        return client_context(ca, str(credentials.cluster.get("tls-server-name") or ""))
    except ValueError as error:
        raise ValueError(f"the certificate authority {error}") from error


def _content(path: str) -> bytes:
    """OSError where there is no such file; a named pipe, which may have nobody who writes, is none."""
    if not path:
        return b""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", path)
        return file.read()


def authorization(credentials: Credentials) -> dict[str, str]:
    """The request header that says who comes, where no client certificate does (client-go: transport/round_trippers.go).
    ApiError where there is a token that cannot be read or sent."""
    user = credentials.user
    token = user.get("token")
    if file := user.get("tokenFile"):  # it has precedence
        try:
            token = _content(_beside(credentials.path, str(file))).decode("ascii", "replace").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "that is not a file's name"
            raise ApiError(f"the token file {file} of {credentials.path} cannot be read: {why}") from error
        if not token:
            raise ApiError(f"the token file {file} of {credentials.path} is empty")
    if token:
        token = str(token).strip()
        if not _SENDABLE.fullmatch(token):
            raise ApiError(f"the token of {credentials.path} cannot be sent: it holds spaces, or other characters than ASCII")
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password') or ''}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    return {}


def proxy_of(credentials: Credentials, environment: Mapping[str, str]) -> str:
    """The kubeconfig's proxy, else the environment's for this server; "" for none."""
    try:
        url = checked_url(credentials.server)
    except ApiError as error:
        raise ApiError(f"{credentials.path}: {error}" if credentials.path else str(error)) from error
    return str(credentials.cluster.get("proxy-url") or "") or proxy_for(url.hostname or "", environment, url.port or 443)
