"""When the control plane does not come up, `pykubeadm init` says why. Each cause is provoked for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lab import assets, cluster
from lab.node import Node
from tests.e2e.conftest import NewNode

Documents = list[dict[str, Any]]  # Init, Cluster, Kubelet, KubeProxy


def _image_missing(documents: Documents, _: Node) -> None:
    documents[1]["etcd"] = {"local": {"imageTag": "3.5.99-0"}}


def _bad_flag(documents: Documents, _: Node) -> None:
    documents[1]["apiServer"] = {"extraArgs": [{"name": "no-such-flag", "value": "1"}]}


def _wrong_cgroup_driver(documents: Documents, _: Node) -> None:
    documents[2]["cgroupDriver"] = "cgroupfs"


def _port_taken(_: Documents, node: Node) -> None:
    node.run("systemd-run", "--quiet", "--unit=squatter", "python3", "-m", "http.server", "6443")
    cluster.eventually(lambda: None if node.shell("ss -Hltn sport = :6443") else "nothing listens yet", "a taken port", 10)


def _kubelet_refuses_to_start(documents: Documents, _: Node) -> None:
    documents[0].setdefault("nodeRegistration", {})["kubeletExtraArgs"] = [{"name": "no-such-kubelet-flag", "value": "1"}]


@pytest.mark.parametrize(
    ("provoke", "words"),
    [
        (_image_missing, ("etcd", "registry.k8s.io/etcd:3.5.99-0")),
        (_bad_flag, ("kube-apiserver", "no-such-flag")),
        (_wrong_cgroup_driver, ("likely cause", "different cgroup drivers")),
        (_port_taken, ("6443", "in use")),
        (_kubelet_refuses_to_start, ("kubelet", "no-such-kubelet-flag")),
    ],
    ids=lambda value: value.__name__.strip("_").replace("_", " ") if callable(value) else "",
)
def test_the_wait_says_why(
    new_node: NewNode, kubernetes: assets.Assets, provoke: Callable[[Documents, Node], None], words: tuple[str, ...]
) -> None:
    node = new_node("cause")
    documents = cluster.documents(kubernetes.version, node.address, etcd_tag=kubernetes.etcd_tag)
    documents[0].pop("nodeRegistration", None)  # single checks to ignore, which `all` below must not stand beside
    documents[0]["timeouts"] = {"controlPlaneComponentHealthCheck": "60s", "kubeletHealthCheck": "60s"}
    provoke(documents, node)
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    done = node.run(
        "pykubeadm",
        "init",
        "--config",
        cluster.CONFIG,
        "--ignore-preflight-errors=all",
        "--output=json",
        check=False,
        timeout=300,
    )
    assert done.returncode == 4, done.stderr
    [failure] = [event for event in map(json.loads, done.stdout.splitlines()) if event["type"] == "phase-failed"]
    assert failure["phase"] in ("kubelet-start", "wait-control-plane")
    assert [word for word in words if word.lower() not in failure["error"].lower()] == [], failure["error"]
    assert "Traceback" not in done.stderr


def test_preflight_names_a_taken_port_before_anything_changes(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node = new_node("port")
    node.write(cluster.CONFIG, cluster.config(kubernetes, node))
    _port_taken([], node)
    done = node.run("pykubeadm", "init", "--config", cluster.CONFIG, check=False, timeout=60)
    assert done.returncode == 3
    assert "6443" in done.stderr
    assert not node.exists("/etc/kubernetes/pki")
