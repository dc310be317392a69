"""What is known of the versions in a cluster."""

from __future__ import annotations

import pytest

from pykubeadm.phases.cluster.state import ClusterState, image_version, look_at
from tests.support.api import FakeApi
from tests.support.upgrade_plans import node, pod


def state(tag: str, *kubelets: str) -> ClusterState:
    """One control plane with an API server of this tag, and Nodes w1, w2 … with these kubelets."""
    api = FakeApi()
    api.put(pod("kube-apiserver", "cp1", tag))
    for number, kubelet in enumerate(kubelets, 1):
        api.put(node(f"w{number}", kubelet))
    return look_at(api)


@pytest.mark.parametrize("tag", ["v1.36.2", "v1.36.2_ours.1"])
def test_an_image_of_a_build_has_its_version(tag: str) -> None:
    assert str(state(tag).versions.newest) == tag.replace("_", "+")


@pytest.mark.parametrize("given", ["kwok-v0.6.0", "fake", ""])
def test_a_node_without_a_kubelet_is_kept_apart(given: str) -> None:
    versions = state("v1.36.2", "v1.35.6", given).versions
    assert {name: str(version) for name, version in versions.kubelets.items()} == {"w1": "v1.35.6"}
    assert versions.unknown == {"w2": given}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("reg:5000/kube-apiserver:v1.36.2-fips", "v1.36.2"),
        ("reg/kube-apiserver:v1.36.2_x", "v1.36.2"),
        ("reg/kube-apiserver:v1.36.2@sha256:00", "v1.36.2"),
        ("reg:5000/kube-apiserver@sha256:00", "None"),
        ("reg/kube-apiserver:ours", "None"),
    ],
)
def test_the_version_that_an_image_was_built_of(image: str, version: str) -> None:
    assert str(image_version(image)) == version
