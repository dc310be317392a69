"""Under which names images are in a node's store, so that every tool finds those it deploys."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.assets import CONTROL_PLANE, Assets
from lab.imagestore import all_images, images, kubeadm_images
from lab.oci import Image

OLD_TAGS = ("etcd:3.6.6-0", "coredns/coredns:v1.13.1", "pause:3.10.1")


def _program(path: Path, *says: str) -> None:
    path.write_text("#!/bin/sh\n" + "".join(f"echo {line}\n" for line in says))
    path.chmod(0o755)


def _assets(folder: Path, version: str, *, etcd: str, tags: tuple[str, ...] = ()) -> Assets:
    folder.mkdir()
    for name in (*CONTROL_PLANE, "coredns", "pause"):
        _program(folder / name)
    _program(folder / "etcd", f"etcd Version: {etcd}")
    if tags:
        _program(folder / "kubeadm", *(f"registry.k8s.io/{tag}" for tag in tags))
    return Assets(version, folder)


def _names(found: list[Image]) -> dict[str, tuple[str, ...]]:
    return {each.name.removeprefix("registry.k8s.io/"): each.aliases for each in found}


def test_kubeadm_finds_the_tags_of_its_own_release(tmp_path: Path) -> None:
    found = _names(images(_assets(tmp_path / "old", "v1.35.6", etcd="3.6.13", tags=OLD_TAGS)))
    assert found["etcd:3.6.8-0"] == ("registry.k8s.io/etcd:3.6.6-0",)
    assert found["coredns/coredns:v1.14.2"] == ("registry.k8s.io/coredns/coredns:v1.13.1",)
    assert found["pause:3.10.2"] == ("registry.k8s.io/pause:3.10.1",)


def test_without_kubeadm_there_are_only_ours(tmp_path: Path) -> None:
    assets = _assets(tmp_path / "old", "v1.35.6", etcd="3.6.13")
    assert kubeadm_images(assets) == ()
    assert not any(_names(images(assets)).values())


def test_an_etcd_of_another_series_has_its_tag_and_a_launcher_under_the_default_ones(tmp_path: Path) -> None:
    found = {each.name: each for each in images(_assets(tmp_path / "old", "v1.35.6", etcd="3.5.30", tags=OLD_TAGS))}
    assert found["registry.k8s.io/etcd:3.5.30-0"].scripts == {}
    launched = found["registry.k8s.io/etcd:3.6.8-0"]
    assert "experimental" in launched.scripts["/usr/local/bin/etcd"]
    assert launched.aliases == ("registry.k8s.io/etcd:3.6.6-0",)


@pytest.mark.parametrize("newest_first", [True, False])
def test_images_of_two_versions_share_what_has_the_same_name(tmp_path: Path, newest_first: bool) -> None:
    old = _assets(tmp_path / "old", "v1.35.6", etcd="3.6.13", tags=OLD_TAGS)
    new = _assets(tmp_path / "new", "v1.36.2", etcd="3.6.13")
    found = all_images([new, old] if newest_first else [old, new])
    by_name = {each.name: each for each in found}
    assert len(by_name) == len(found)
    assert by_name["registry.k8s.io/etcd:3.6.8-0"].aliases == ("registry.k8s.io/etcd:3.6.6-0",)
    assert by_name["registry.k8s.io/etcd:3.6.8-0"].files["/usr/local/bin/etcd"] == f"/assets{tmp_path}/new/etcd"
    assert {"registry.k8s.io/kube-apiserver:v1.35.6", "registry.k8s.io/kube-apiserver:v1.36.2"} <= by_name.keys()
