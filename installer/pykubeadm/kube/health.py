"""Health endpoints of kubelet and control plane: where they are, and one look at one of them."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pykubeadm.constants import API_SERVER_PORT, CONTROLLER_MANAGER_PORT, SCHEDULER_PORT
from pykubeadm.transport.http import connection_to

PROBE_TIMEOUT = 5.0  # seconds for one look
_SHOWN = 200  # characters of an unhealthy answer that are worth showing


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`component`'s health endpoint."""

    component: str
    url: str


@dataclass(frozen=True, slots=True)
class _Component:
    name: str
    address_flag: str
    port: int
    path: str


# kubeadm: util/apiclient/wait.go. The API server is asked at the address it advertises, the others where they listen.
_COMPONENTS = (
    _Component("kube-apiserver", "advertise-address", API_SERVER_PORT, "/livez"),
    _Component("kube-controller-manager", "bind-address", CONTROLLER_MANAGER_PORT, "/healthz"),
    _Component("kube-scheduler", "bind-address", SCHEDULER_PORT, "/livez"),
)


def control_plane_endpoints(pods: Mapping[str, Mapping[str, Any]], advertise_address: str) -> tuple[Endpoint, ...]:
    """Where the components of the static pods (name → Pod document) say that they listen; those without a pod are left out."""
    found = []
    for component in _COMPONENTS:
        if component.name not in pods:
            continue
        flags = _flags(pods[component.name], component.name)
        default = advertise_address if component.name == "kube-apiserver" else "127.0.0.1"
        address = flags.get(component.address_flag) or default
        host = f"[{address}]" if ":" in address else address
        found.append(Endpoint(component.name, f"https://{host}:{flags.get('secure-port') or component.port}{component.path}"))
    return tuple(found)


def _flags(pod: Mapping[str, Any], command: str) -> dict[str, str]:
    for container in pod["spec"]["containers"]:
        words: Sequence[str] = container.get("command") or ()
        if words and words[0] == command:
            pairs = (word.lstrip("-").partition("=") for word in [*words[1:], *(container.get("args") or ())])
            return {name: value for name, _, value in pairs}
    return {}


def probe(url: str, context: ssl.SSLContext | None = None) -> str | None:
    """None where `url` answers 200, else the reason why it is not healthy."""
    connection = connection_to(url, timeout=PROBE_TIMEOUT, tls=context)
    try:
        connection.request("GET", urlsplit(url).path)
        answer = connection.getresponse()
        body = answer.read(65536).decode(errors="replace")
    except ConnectionRefusedError:
        return "connection refused"
    except TimeoutError:
        return f"no answer within {PROBE_TIMEOUT:.0f} s"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted: {error.verify_message}"
    except (OSError, http.client.HTTPException) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    finally:
        connection.close()
    return None if answer.status == 200 else _unhealthy(answer.status, body)


def _unhealthy(status: int, body: str) -> str:
    """The failed checks that a health endpoint lists as "[-]etcd failed: reason withheld", else how the answer begins."""
    failed = [line[3:].split(" failed")[0] for line in body.splitlines() if line.startswith("[-]")]
    if failed:
        return f"status {status}, not healthy yet: {', '.join(failed)}"
    try:
        said = str(json.loads(body)["message"])  # a metav1.Status
    except (ValueError, KeyError, TypeError):
        said = body.strip()
    first = said.splitlines()[0][:_SHOWN] if said else ""
    return f"status {status}: {first}" if first else f"status {status}"
