from __future__ import annotations

import pytest

from pykubeadm.config.model import DNS, ClusterConfiguration, Etcd, ExternalEtcd, LocalEtcd, Proxy
from pykubeadm.config.versions import etcd_is_3_5, images, is_supported, parse_version, release_of


def test_order_of_versions() -> None:
    texts = [
        "v1.35.9",
        "v1.36.0-alpha.2",
        "v1.36.0-alpha.10",
        "v1.36.0-beta.0",
        "v1.36.0-rc.1",
        "v1.36.0",
        "v1.36.2",
        "v1.36.10",
        "v2.0.0",
    ]
    versions = [parse_version(text) for text in texts]
    assert sorted(versions, reverse=True) == versions[::-1]
    assert parse_version("1.36.0+a") == parse_version("v1.36.0+b")
    assert [str(version) for version in versions] == texts


@pytest.mark.parametrize("text", ["", "1.36", "v1.36.2.1", "v1.036.2", "v1.36.2-", "v1.36.2 ", "stable-1", "v1.36.x", "v１.36.2"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        parse_version(text)


def test_supported_minors() -> None:
    assert [minor for minor in range(30, 45) if is_supported(parse_version(f"v1.{minor}.0"))] == [34, 35, 36, 37]
    assert release_of("v1.20.0") == release_of("v1.34.0")
    assert release_of("v1.90.0") == release_of("v1.37.0")


@pytest.mark.parametrize(
    ("tag", "old"),
    [("3.5.21-0", True), ("v3.5.0", True), ("3.4.1", True), ("3.6.8-0", False), ("3.10.0", False), ("latest", False)],
)
def test_etcd_series(tag: str, old: bool) -> None:
    assert etcd_is_3_5(tag) is old


def test_images_of_the_default_repository() -> None:
    assert images(ClusterConfiguration(kubernetes_version="v1.36.2")) == (
        "registry.k8s.io/kube-apiserver:v1.36.2",
        "registry.k8s.io/kube-controller-manager:v1.36.2",
        "registry.k8s.io/kube-scheduler:v1.36.2",
        "registry.k8s.io/kube-proxy:v1.36.2",
        "registry.k8s.io/coredns/coredns:v1.14.2",
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/etcd:3.6.8-0",
    )


def test_images_of_another_repository() -> None:
    cluster = ClusterConfiguration(
        kubernetes_version="v1.36.0-rc.0+x",
        image_repository="r.example.com",
        etcd=Etcd(local=LocalEtcd(image_repository="e.example.com", image_tag="3.5.21-0")),
        dns=DNS(image_repository="d.example.com/dns", image_tag="v9"),
        proxy=Proxy(disabled=True),
    )
    assert images(cluster) == (
        "r.example.com/kube-apiserver:v1.36.0-rc.0_x",
        "r.example.com/kube-controller-manager:v1.36.0-rc.0_x",
        "r.example.com/kube-scheduler:v1.36.0-rc.0_x",
        "d.example.com/dns/coredns:v9",
        "r.example.com/pause:3.10.2",
        "e.example.com/etcd:3.5.21-0",
    )


def test_no_images_for_what_is_not_deployed() -> None:
    cluster = ClusterConfiguration(
        kubernetes_version="v1.36.2",
        dns=DNS(disabled=True),
        etcd=Etcd(external=ExternalEtcd(endpoints=("https://10.0.0.1:2379",))),
    )
    assert not any("coredns" in image or "etcd" in image for image in images(cluster))
