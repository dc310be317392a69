"""One HTTP exchange by the standard library's client: to which URL, over which TLS and proxy, and why there was no answer."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from pykubeadm.errors import ApiError
from pykubeadm.transport.proxies import without_password
from pykubeadm.transport.route import Dial
from pykubeadm.util.dataclass import dataclass

_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_PATH = re.compile(r"[!-~]*")  # no spaces, nothing but ASCII


@dataclass(frozen=True)
class Response:
    """An answer; `date` is the header in which the server says its time."""

    status: int
    body: bytes
    date: str

    def ahead(self, now: datetime) -> timedelta:
        """By how far the server's clock is ahead of `now`, to a second; none where it does not say its time."""
        try:
            theirs = parsedate_to_datetime(self.date)
        except (TypeError, ValueError):
            return timedelta()
        return (theirs if theirs.tzinfo else theirs.replace(tzinfo=timezone.utc)) - now


class UnansweredError(Exception):
    """No answer. The text is why, for within a sentence: "connection refused"; it has no words of OpenSSL's."""

    def __init__(self, failure: OSError | http.client.HTTPException, timeout: float) -> None:
        super().__init__(_why(failure, timeout))
        self.failure = failure

    @property
    def untrusted(self) -> bool:
        """Whether the server's certificate was not accepted."""
        return isinstance(self.failure, ssl.SSLCertVerificationError)

    @property
    def untimely(self) -> bool:
        """Whether it would be accepted at another time."""
        return isinstance(self.failure, ssl.SSLCertVerificationError) and self.failure.verify_code in (_NOT_YET, _EXPIRED)


def exchange(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float,
    tls: ssl.SSLContext | None = None,
    proxy: str = "",
    dial: Dial | None = None,
) -> Response:
    """One request on a connection of its own; parameters as in `connection_to`. UnansweredError, or ApiError where a URL is none
    that can be used."""
    parts = checked_url(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = connection_to(url, timeout=timeout, tls=tls, proxy=proxy, dial=dial)
    try:
        return received(connection, method, target, body, headers or {})[0]
    except (OSError, http.client.HTTPException) as error:
        raise UnansweredError(error, timeout) from error
    finally:
        connection.close()


def received(
    connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[Response, bool]:
    """The answer, and whether the connection can be used again. Raises what the connection does."""
    connection.request(method, target, body, dict(headers))
    answer = connection.getresponse()
    response = Response(answer.status, answer.read(), answer.getheader("Date") or "")
    return response, not answer.will_close


def connection_to(
    url: str, *, timeout: float, tls: ssl.SSLContext | None = None, proxy: str = "", dial: Dial | None = None
) -> http.client.HTTPConnection:
    """An unopened connection to where `url` leads. `timeout` is in seconds, for connecting and for each wait after that. `proxy`
    is that of an HTTP proxy for https, "" for none; ApiError where it cannot be used, as it cannot with `dial`, which opens the
    connection in place of this process."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if dial is not None:
        if proxy:
            raise ApiError(f"the proxy {without_password(proxy)} for {parts.netloc} cannot be used over SSH")
        return _dialled(dial, host, parts, timeout, tls)
    if proxy and parts.scheme == "https":
        return _tunnel(_checked_proxy(proxy, parts), parts, timeout, tls)
    # Without a port http.client looks for one in the host, and takes the end of an IPv6 address.
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=tls)


class _Dialled(http.client.HTTPConnection):
    """Over a connection that somebody else opens, with TLS where there is a context."""

    def __init__(self, dial: Dial, host: str, port: int, *, timeout: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=timeout)
        self._dial, self._seconds, self._tls = dial, timeout, tls

    def connect(self) -> None:
        plain = self._dial(self.host, self.port, self._seconds)
        plain.settimeout(self._seconds)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain
        except BaseException:
            plain.close()
            raise


def _dialled(dial: Dial, host: str, parts: SplitResult, timeout: float, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if parts.scheme == "http":
        return _Dialled(dial, host, parts.port or 80, timeout=timeout, tls=None)
    return _Dialled(dial, host, parts.port or 443, timeout=timeout, tls=tls or ssl.create_default_context())


def checked_url(url: str) -> SplitResult:
    """The parts of a server's URL; ApiError, with nothing of a password, where it is none."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            and parts.port != 0
            and _is_host(parts.hostname or "")
            and _PATH.fullmatch(parts.path)
        )
    except ValueError:  # of the port, or of brackets
        usable = None
    if not usable:
        raise ApiError(f'"{without_password(url)}" is not the URL of a server, which looks like https://10.0.0.1:6443')
    return parts


_BY_PROXY = "Tunnel connection failed: "  # http.client's words
# OpenSSL: x509_vfy.h, X509_V_ERR_*
_NOT_YET, _EXPIRED = 9, 10
_UNTRUSTED = {
    _NOT_YET: "it is not valid yet",
    _EXPIRED: "it has expired",
    18: "it is signed by itself, and not known here",
    19: "it is signed by another certificate authority",
    20: "it is signed by another certificate authority",
    21: "it is signed by another certificate authority",
    62: "it is not for this name",
    64: "it is not for this address",
}


def _why(failure: OSError | http.client.HTTPException, timeout: float) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        why = _UNTRUSTED.get(failure.verify_code, failure.verify_message)
        return f"its certificate is not accepted: {why}"
    if isinstance(failure, (ssl.SSLEOFError, http.client.RemoteDisconnected, ConnectionResetError)):
        return "it closed the connection"
    if isinstance(failure, ssl.SSLError):
        reason = getattr(failure, "reason", None) or ""
        if "CERTIFICATE" in reason and "ALERT" in reason:
            return "it does not accept the client certificate"
        return "it does not speak TLS as is needed here" + (f" ({reason.lower().replace('_', ' ')})" if reason else "")
    if isinstance(failure, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(failure, http.client.HTTPException):
        return "it does not speak HTTP"
    why = failure.strerror or str(failure) or type(failure).__name__
    if why.startswith(_BY_PROXY):
        return f"the proxy answered {why.removeprefix(_BY_PROXY)}"
    return why[:1].lower() + why[1:]


def _tunnel(proxy: SplitResult, server: SplitResult, timeout: float, tls: ssl.SSLContext | None) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout, context=tls)
    user = unquote(proxy.netloc.rpartition("@")[0])
    credentials = {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode('ascii')}"} if user else {}
    connection.set_tunnel(server.hostname or "", server.port or 443, headers=credentials)
    return connection


def _checked_proxy(url: str, server: SplitResult) -> SplitResult:
    if "://" not in url:
        url = f"http://{url}"
    if not url.startswith("http://"):
        raise ApiError(
            f"the proxy {without_password(url)} for {server.netloc} cannot be used: only HTTP proxies are "
            "supported; name one of those, or put the server into no_proxy"
        )
    if ":" in (server.hostname or "") and sys.version_info < (3, 12):  # its http.client leaves out the brackets
        raise ApiError(f"with this Python no proxy can be asked for the IPv6 address of {server.netloc}: put that into no_proxy")
    return checked_url(url)


def _is_host(name: str) -> bool:
    return bool(_HOST.fullmatch(name)) and all(0 < len(label) < 64 for label in name.rstrip(".").split("."))
