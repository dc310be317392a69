"""Where health endpoints are."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.kube.health import control_plane_endpoints, etcd_endpoint


def pod(name: str, *flags: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, "command": [name, *flags]}]}}


def test_endpoints_come_from_the_static_pods() -> None:
    pods = {
        "kube-apiserver": pod("kube-apiserver", "--advertise-address=10.0.0.9", "--secure-port=8443"),
        "kube-controller-manager": pod("kube-controller-manager", "--bind-address=0.0.0.0"),
        "kube-scheduler": pod("kube-scheduler", "--secure-port=20259"),
    }
    assert [endpoint.url for endpoint in control_plane_endpoints(pods, "192.0.2.1")] == [
        "https://10.0.0.9:8443/livez",
        "https://0.0.0.0:10257/healthz",
        "https://127.0.0.1:20259/livez",
    ]


def test_the_last_of_repeated_flags_counts_and_ipv6_is_bracketed() -> None:
    pods = {"kube-apiserver": pod("kube-apiserver", "--secure-port=1", "--secure-port=2")}
    assert [endpoint.url for endpoint in control_plane_endpoints(pods, "2001:db8::1")] == ["https://[2001:db8::1]:2/livez"]


@pytest.mark.parametrize("port", [2381, "probe-port"])
def test_an_etcd_is_asked_where_its_readiness_probe_says_by_number_or_by_name(port: object) -> None:
    get = {"host": "127.0.0.1", "path": "/readyz", "port": port, "scheme": "HTTP"}
    ports = [{"name": "client", "containerPort": 2379}, {"name": "probe-port", "containerPort": 2381}]
    endpoint = etcd_endpoint({"spec": {"containers": [{"name": "etcd", "ports": ports, "readinessProbe": {"httpGet": get}}]}})
    assert endpoint is not None
    assert endpoint.url == "http://127.0.0.1:2381/readyz"


def test_an_etcd_whose_probe_names_no_port_of_it_is_not_asked() -> None:
    probed = {"httpGet": {"path": "/readyz", "port": "nowhere"}}
    assert etcd_endpoint({"spec": {"containers": [{"name": "etcd", "readinessProbe": probed}]}}) is None
