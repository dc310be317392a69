"""What a pod says and what is said to it: logs, commands in its containers, connections to its ports.

Commands and ports are streams over WebSocket (KEP-4006): each message begins with the number of its channel
(kubernetes: staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go, kubelet: cri/streaming/portforward).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, authorization, proxy_of, tls_context
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.transport.http import UnansweredError, exchange
from pykubeadm.transport.websocket import RefusedUpgradeError, WebSocket, open_websocket
from pykubeadm.util.dataclass import dataclass

_TIMEOUT = 20.0  # seconds
_COMMANDS = "v5.channel.k8s.io"  # the first that can say that the input is at its end
_PORTS = "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _STATUS, _END = 0, 1, 2, 3, 255
_DATA = 0  # of the first and only port; its errors are 1


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command in a container ended."""

    status: int
    stdout: str
    stderr: str


class PodStreams:
    """Of the cluster that the credentials are for. Every method may raise ApiStatusError or ApiUnreachableError."""

    def __init__(self, credentials: Credentials) -> None:
        if credentials.user.get("exec"):
            from pykubeadm.kube.exec_plugin import with_plugin

            credentials = with_plugin(credentials)
        self._server = credentials.server.rstrip("/")
        self._tls = tls_context(credentials)
        self._headers = authorization(credentials)
        self._proxy = proxy_of(credentials, os.environ)

    def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False, lines: int = 100) -> str:
        """The last lines that a container wrote; those of its former run with `previous`."""
        query: dict[str, str] = {"tailLines": str(lines)}
        if container:
            query["container"] = container
        if previous:
            query["previous"] = "true"
        what = f"read the log of Pod {namespace}/{pod}"
        try:
            answer = exchange(
                self._url(namespace, pod, "log", query),
                headers=self._headers,
                timeout=_TIMEOUT,
                tls=self._tls,
                proxy=self._proxy,
            )
        except UnansweredError as error:
            raise self._unreachable(what, error) from error
        if answer.status != 200:
            raise _refused(what, answer.status, answer.body)
        return answer.body.decode(errors="replace")

    def run(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bytes | None = None,
        timeout: float = _TIMEOUT,
    ) -> Ended:
        """A command in a container (the pod's first without `container`), to its end. `timeout` is in seconds, for each wait."""
        what = f"run {argv[0]} in Pod {namespace}/{pod}"
        query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true")]
        query += [("stdin", "true")] if stdin is not None else []
        query += [("container", container)] if container else []
        socket = self._open(what, self._url(namespace, pod, "exec", query), _COMMANDS, timeout)
        said = {_STDOUT: b"", _STDERR: b"", _STATUS: b""}
        try:
            if stdin is not None:
                socket.send(bytes([_STDIN]) + stdin)
                socket.send(bytes([_END, _STDIN]))
            while (message := socket.receive()) is not None:
                if message and message[0] in said:
                    said[message[0]] += message[1:]
        except UnansweredError as error:
            raise self._unreachable(what, error) from error
        finally:
            socket.close()
        status = _exit_status(what, said[_STATUS])
        return Ended(status, said[_STDOUT].decode(errors="replace"), said[_STDERR].decode(errors="replace"))

    def through_port(self, namespace: str, pod: str, port: int, request: bytes) -> bytes:
        """What the program at a port of the pod answers to `request`, until it closes the connection."""
        what = f"forward port {port} of Pod {namespace}/{pod}"
        socket = self._open(what, self._url(namespace, pod, "portforward", {"ports": str(port)}), _PORTS, _TIMEOUT)
        answer, failure = b"", b""
        begun: set[int] = set()
        try:
            socket.send(bytes([_DATA]) + request)
            while (message := socket.receive()) is not None:
                channel, content = message[0], message[1:]
                if channel not in begun:  # each channel begins with the number of the port
                    begun.add(channel)
                    if len(content) >= 2 and struct.unpack("<H", content[:2])[0] == port:
                        content = content[2:]
                if channel == _DATA:
                    answer += content
                else:
                    failure += content
                if failure:
                    break
        except UnansweredError as error:
            raise self._unreachable(what, error) from error
        finally:
            socket.close()
        if failure:
            raise ApiError(f"could not {what}: {failure.decode(errors='replace').strip()}")
        return answer

    def _open(self, what: str, url: str, protocol: str, timeout: float) -> WebSocket:
        try:
            return open_websocket(
                url, protocols=[protocol], headers=self._headers, timeout=timeout, tls=self._tls, proxy=self._proxy
            )
        except RefusedUpgradeError as error:
            raise _refused(what, error.response.status, error.response.body) from error
        except UnansweredError as error:
            raise self._unreachable(what, error) from error

    def _url(self, namespace: str, pod: str, subresource: str, query: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
        return f"{self._server}/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/{subresource}?{urlencode(query)}"

    def _unreachable(self, what: str, error: UnansweredError) -> ApiUnreachableError:
        return ApiUnreachableError(f"could not {what}: no answer from {self._server}: {error}")


def _refused(what: str, status: int, body: bytes) -> ApiStatusError:
    try:
        document = json.loads(body)
        why, reason = str(document["message"]), str(document.get("reason") or "")
    except (ValueError, KeyError, TypeError):
        why, reason = body.decode(errors="replace").strip() or f"the API server answered {status}", ""
    return ApiStatusError(f"could not {what}: {why}", code=status, reason=reason)


def _exit_status(what: str, said: bytes) -> int:
    """By the metav1.Status that ends a command's streams; ApiError where it was not run, or did not end."""
    try:
        document = json.loads(said)
    except ValueError:
        raise ApiError(f"could not {what}: the connection ended before the command") from None
    if document.get("status") == "Success":
        return 0
    causes = (document.get("details") or {}).get("causes") or ()
    for cause in causes:
        if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdigit():
            return int(cause["message"])
    raise ApiError(f"could not {what}: {document.get('message') or 'it ended without a status'}")
