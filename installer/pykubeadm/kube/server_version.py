"""The version of an API server."""

from __future__ import annotations

import json

from pykubeadm.config.versions import Version, parse_version
from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, authorization, proxy_of, tls_context
from pykubeadm.transport.http import UnansweredError, exchange
from pykubeadm.transport.route import DIRECT, Route

_TIMEOUT = 10.0  # seconds


def server_version(credentials: Credentials, *, route: Route = DIRECT) -> Version:
    """Of the API server that answers at the kubeconfig's endpoint on a connection of its own: behind a load balancer it may be
    another one each time. ApiError where it does not say."""
    server = credentials.server.rstrip("/")
    proxy = proxy_of(credentials, route.environment)
    headers, tls = authorization(credentials), tls_context(credentials)
    try:
        answer = exchange(f"{server}/version", headers=headers, timeout=_TIMEOUT, tls=tls, proxy=proxy, dial=route.dial)
        return parse_version(json.loads(answer.body)["gitVersion"])
    except UnansweredError as error:
        raise ApiError(f"{server} does not say its version: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(f"{server} does not say its version: it answered {answer.status}") from error
