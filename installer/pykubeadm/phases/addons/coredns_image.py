"""Which image CoreDNS gets, with another version or configuration of the cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.versions import Version, coredns_image, parse_version
from pykubeadm.phases.cluster.state import image_of, tag_of
from pykubeadm.util.dataclass import dataclass

_VERSION = re.compile(r"v?\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Choice:
    """The image, whether it stays although the configuration asks for another, and why, in a sentence ("" where nothing is to be
    said)."""

    image: str
    kept: bool = False
    reason: str = ""


def coredns_choice(deployment: Mapping[str, Any], cluster: ClusterConfiguration) -> Choice:
    """For a cluster with this configuration, whose version is the new one. A pinned tag is put in place as the user asked; an
    image that is newer, of another repository or of an unknown version is the user's and stays, where kubeadm would fail."""
    wanted, live = coredns_image(cluster), image_of(deployment, "coredns")
    if not live or live == wanted or live.partition("@")[0] == wanted:
        return Choice(live or wanted)
    if cluster.dns.image_tag:
        return Choice(wanted, reason=f"dns.imageTag pins CoreDNS to {cluster.dns.image_tag}, so that upgrades never replace it")
    running, new = _version(tag_of(live)), _version(tag_of(wanted))
    if running is None or new is None:
        return Choice(live, kept=True, reason=f"CoreDNS runs {live}, whose version is not known: image and Corefile stay")
    if running > new:
        return Choice(live, kept=True, reason=f"CoreDNS runs {live}, newer than {tag_of(wanted)}: image and Corefile stay")
    if _repository(live) != _repository(wanted):
        return Choice(
            live,
            kept=True,
            reason=f"CoreDNS runs {live}, which is not of {_repository(wanted)}: image and Corefile stay; dns.imageRepository"
            " says where upgrades take it from",
        )
    return Choice(wanted)


def _version(tag: str) -> Version | None:
    """A tag with anything behind its version is somebody's own build."""
    return parse_version(tag) if _VERSION.fullmatch(tag) else None


def _repository(image: str) -> str:
    tag = tag_of(image)
    bare = image.partition("@")[0]
    return bare.removesuffix(f":{tag}") if tag else bare
