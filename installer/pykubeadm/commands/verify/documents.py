"""The objects that rows make, as documents without namespace and labels; `Trial.create` adds those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.util.kube_object import KubeObject

PORT = 8080
# Of containers whose requests shall all be answered: those that are on their way arrive before the server ends.
IN_PEACE: Mapping[str, Any] = {"lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}


def container(image: str, command: Sequence[str] = (), *, name: str = "main", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **more}
    return found | ({"command": list(command)} if command else {})


def shell(image: str, script: str, *, name: str = "main", **more: Any) -> dict[str, Any]:
    """A container that runs a script of sh."""
    return container(image, ("sh", "-c", script), name=name, **more)


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> KubeObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(*containers, **spec)}


def pod_spec(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Ends at once, and has no token, which would be one more volume to wait for."""
    return {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": list(containers), **spec}


def web_server(image: str, text: str = "$(hostname)", **more: Any) -> dict[str, Any]:
    """A container that answers with a text, the pod's name if nothing is said; ready when it does."""
    return shell(
        image,
        f'mkdir -p /tmp/www && echo "{text}" >/tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www',
        readinessProbe={"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        **more,
    )


def fetching(host: str, port: int = 80, seconds: int = 3) -> str:
    """A line of sh that prints what a web server answers; its status is that of the connection."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {seconds} {host} {port}"


def workload(
    api_version: str, kind: str, name: str, template: Mapping[str, Any], labels: Mapping[str, str], **spec: Any
) -> KubeObject:
    """A Deployment, StatefulSet or DaemonSet with pods of the spec `template`."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": dict(template)},
            **spec,
        },
    }


def service(name: str, labels: Mapping[str, str], **spec: Any) -> KubeObject:
    """Port 80 leads to the web servers with these labels."""
    ports = [{"port": 80, "targetPort": PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": dict(labels), "ports": ports, **spec},
    }
