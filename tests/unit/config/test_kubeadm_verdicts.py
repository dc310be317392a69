"""What `kubeadm config validate` v1.36.2 said of several hundred configurations, each run through it once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.config.texts import CLUSTER, INIT, JOIN, KUBE_PROXY, KUBELET, RESET, UPGRADE, old, problems

VERDICTS: dict[str, list[tuple[str, str]]] = json.loads(Path(__file__).with_name("kubeadm_verdicts.json").read_text())
BEFORE = {
    "bytes": "",
    "cluster": CLUSTER,
    "cluster-v1beta3": old(CLUSTER),
    "init": INIT,
    "init-v1beta3": old(INIT),
    "join": JOIN,
    "join-v1beta3": old(JOIN),
    "kube-proxy": f"{CLUSTER}---\n{KUBE_PROXY}",
    "kubelet": f"{CLUSTER}---\n{KUBELET}",
    "reset": RESET,
    "upgrade": UPGRADE,
    "whole": "",
}


def cases(verdict: str) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in VERDICTS[verdict]]


def whole(kind: str, body: str) -> bytes:
    after = f"\n---\n{CLUSTER}" if kind in ("init", "init-v1beta3") else ""
    return f"{BEFORE[kind]}{body}{after}".encode("latin-1" if kind == "bytes" else "utf-8")


@pytest.mark.parametrize(("kind", "body"), [*cases("accepted"), *cases("refused-by-kubeadm-alone")])
def test_accepts_what_kubeadm_accepts(kind: str, body: str) -> None:
    assert problems(whole(kind, body)) == []


@pytest.mark.parametrize(("kind", "body"), [*cases("refused"), *cases("accepted-by-kubeadm-alone")])
def test_refuses_what_kubeadm_refuses_and_more(kind: str, body: str) -> None:
    assert problems(whole(kind, body))
