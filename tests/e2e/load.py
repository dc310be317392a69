"""Load on a cluster while something is done to it: writes through its API that are counted, requests to a web server in it."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from lab import cluster
from lab.cluster import kubectl_json
from lab.imagestore import TEST_IMAGE
from lab.node import Node

NAMESPACE = "load"
PORT = 30080  # of the web server, on every node
_TIMEOUT = 5.0  # seconds for an answer
_PAUSE = 1.0  # seconds before the one retry, as Kubernetes' own clients have it


@dataclass
class Count:
    """Requests of one kind: how many there were, when and why some failed, and how many of those a second try answered."""

    requests: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)  # (seconds since the beginning, why)
    answered_again: int = 0
    acknowledged: list[str] = field(default_factory=list)  # names of objects that the API said are stored
    longest_gap: float = 0.0  # seconds between two answers

    def __str__(self) -> str:
        failed = f"{len(self.failures)} of {self.requests} failed, of those {self.answered_again} were answered by one retry"
        return f"{failed}; longest gap {self.longest_gap:.2f} s"


class _Client:
    """One connection that is kept and made again after a failure, as clients of the API have."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._context = host, port, context
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None) -> int:
        """The status; OSError or HTTPException where there is no answer."""
        if self._connection is None:
            self._connection = (
                http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT, context=self._context)
                if self._context
                else http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
            )
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        if answer.status >= 500 or answer.getheader("Connection") == "close":  # a server that ends says 503 first
            self._connection.close()
            self._connection = None
        return answer.status


def _client_context(kubeconfig: str, folder: Path) -> ssl.SSLContext:
    document = yaml.safe_load(kubeconfig)
    user, server = document["users"][0]["user"], document["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
    pair = folder / "pair.pem"
    pair.touch(0o600)
    pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
    context.load_cert_chain(pair)
    return context


@contextmanager
def api_writes(control_plane: Node, host: str, *, per_second: float = 20.0, prefix: str = "") -> Iterator[Count]:
    """Create ConfigMaps, whose names begin with `prefix`, through the API server at `host`; each is tried once more where it
    failed."""
    control_plane.run("kubectl", f"--kubeconfig={cluster.ADMIN_KUBECONFIG}", "create", "namespace", NAMESPACE, check=False)
    with tempfile.TemporaryDirectory() as folder:
        context = _client_context(control_plane.read(cluster.ADMIN_KUBECONFIG), Path(folder))
        client, count, path = _Client(host, 6443, context), Count(), f"/api/v1/namespaces/{NAMESPACE}/configmaps"

        def once(name: str) -> str:
            name = f"{prefix}{name}"
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": name}}
            status = client.ask("POST", path, document)
            if status in (201, 409):  # 409: the try before was stored, though its answer was lost
                count.acknowledged.append(name)
                return ""
            return f"status {status}"

        with _asking(once, count, per_second):
            yield count


def lost(control_plane: Node, count: Count) -> set[str]:
    """The acknowledged writes that the cluster does not know."""
    listed = kubectl_json(control_plane, "--namespace", NAMESPACE, "get", "configmaps")["items"]
    return set(count.acknowledged) - {item["metadata"]["name"] for item in listed}


@contextmanager
def api_servers(hosts: Sequence[str], *, pause: float = 0.3) -> Iterator[list[frozenset[str]]]:
    """Look at the API servers on `hosts` in turn: the groups of them that were away at one look, each group once."""
    context = ssl._create_unverified_context()  # noqa: S323 - whether it answers, not who it is
    seen: list[frozenset[str]] = []
    done = threading.Event()

    def is_away(host: str) -> bool:
        try:
            return _Client(host, 6443, context).ask("GET", "/readyz") != 200
        except TimeoutError:  # busy, as all nodes are on one machine
            return False
        except (OSError, http.client.HTTPException):
            return True

    def run() -> None:
        while not done.wait(pause):
            away = frozenset(filter(is_away, hosts))
            if away and away not in seen:
                seen.append(away)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join(timeout=60)


@contextmanager
def web_requests(hosts: Sequence[str], *, per_second: float = 10.0) -> Iterator[Count]:
    """Ask the web server through the port of its Service on each of the nodes in turn, once all of them know that port."""
    count = Count()

    def reason(host: str) -> str:
        status = _Client(host, PORT).ask("GET", "/")
        return "" if status == 200 else f"status {status}"

    def once(name: str) -> str:
        return reason(hosts[int(name.rpartition("-")[2]) % len(hosts)])

    def missing(host: str) -> str | None:
        try:
            return reason(host) or None
        except (OSError, http.client.HTTPException) as error:
            return str(error)

    for host in hosts:
        cluster.eventually(partial(missing, host), f"an answer of the web server through {host}", 60)
    with _asking(once, count, per_second):
        yield count


@contextmanager
def _asking(once: Any, count: Count, per_second: float) -> Iterator[None]:
    """Call `once` with ever new names in a thread; it returns why it failed, "" where it did not."""
    done = threading.Event()
    began = answered = time.monotonic()

    def tried(name: str) -> str:
        try:
            return str(once(name))
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"

    def run() -> None:
        nonlocal answered
        while not done.is_set():
            due = began + count.requests / per_second
            if (early := due - time.monotonic()) > 0:
                time.sleep(early)
            name = f"w-{count.requests}"
            count.requests += 1
            if reason := tried(name):
                count.failures.append((time.monotonic() - began, reason))
                time.sleep(_PAUSE)
                if again := tried(name):
                    count.failures[-1] = (count.failures[-1][0], f"{reason}; again: {again}")
                    continue
                count.answered_again += 1
            now = time.monotonic()
            count.longest_gap, answered = max(count.longest_gap, now - answered), now

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=60)


def web_server(control_plane: Node, *, replicas: int = 2) -> None:
    """A Deployment of a web server on different nodes, where there are several, behind a Service with a port on each node; one of
    its pods must always be there."""
    labels = {"app": "web"}
    spread = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    container = {
        "name": "web",
        "image": TEST_IMAGE,
        "command": ["sh", "-c", "mkdir -p /www && echo ok >/www/index.html && exec httpd -f -p 8080 -h /www"],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},  # requests that are on their way arrive
    }
    affinity = {
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": spread}]}
    }
    pod = {"terminationGracePeriodSeconds": 5, "affinity": affinity, "containers": [container]}
    metadata = {"name": "web", "namespace": NAMESPACE}
    documents: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080, "nodePort": PORT}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    ]
    cluster.kubectl(control_plane, "apply", "--filename=-", stdin=yaml.safe_dump_all(documents))
    cluster.wait_rolled_out(control_plane, "deployment/web", namespace=NAMESPACE)
