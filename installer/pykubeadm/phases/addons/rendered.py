"""What becomes of CoreDNS and kube-proxy, found out before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pykubeadm.addons.coredns import coredns
from pykubeadm.addons.kube_proxy import kube_proxy
from pykubeadm.config.model import Configuration
from pykubeadm.config.versions import coredns_image, parse_version
from pykubeadm.kube.port import Api
from pykubeadm.patches.three_way import put_over
from pykubeadm.phases.addons.coredns_image import Choice, coredns_choice
from pykubeadm.phases.addons.merging import Update, update
from pykubeadm.phases.cluster.state import ClusterState, image_of, tag_of
from pykubeadm.phases.patching import patched_addon
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.side_by_side import side_by_side

_KEPT_WITH_IMAGE = frozenset({"Deployment", "ConfigMap"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """An object as the old version and as the new version has it."""

    old: KubeObject
    new: KubeObject


def coredns_rendered(run: ReplacingRun, state: ClusterState) -> tuple[Rendered, ...]:
    """() where the cluster wants none, or somebody put another name server there."""
    if run.configuration.cluster.dns.disabled or (state.dns is not None and state.dns["metadata"]["name"] != "coredns"):
        return ()
    deployment, choice = state.dns, dns_choice(run, state)
    old, new = coredns(_old(run, state).cluster), coredns(run.configuration.cluster)
    if deployment is None or choice is None:
        return _pairs(old, new)
    if choice.kept:
        kept = [document for document in new if document["kind"] not in _KEPT_WITH_IMAGE]
        return _pairs([document for document in old if document["kind"] not in _KEPT_WITH_IMAGE], kept)
    # Which of our images it had says nothing: a cluster gets the one that its tool knew last.
    return _pairs(_with_image(old, image_of(deployment, "coredns")), _with_image(new, choice.image))


def dns_choice(run: ReplacingRun, state: ClusterState) -> Choice | None:
    """Which image CoreDNS gets; None where there is no Deployment of it yet. What the stored configuration gave it is ours."""
    if state.dns is None:
        return None
    given, wanted = coredns_image(_old(run, state).cluster), coredns_image(run.configuration.cluster)
    if run.keeps_images and given == wanted:
        return Choice(image_of(state.dns, "coredns") or wanted)
    if given != wanted and image_of(state.dns, "coredns") == given:
        return Choice(wanted)
    return coredns_choice(state.dns, run.configuration.cluster)


def kube_proxy_rendered(run: ReplacingRun, state: ClusterState) -> tuple[Rendered, ...]:
    if run.configuration.cluster.proxy.disabled:
        return ()
    return _pairs(*(kube_proxy(each, run.host.proxy_env, _silent) for each in (_old(run, state), run.configuration)))


def is_missing(state: ClusterState, name: str) -> bool:
    """Whether the cluster has nothing of the add-on ("coredns", "kube-proxy"): neither what runs it nor its ConfigMap."""
    return (state.dns if name == "coredns" else state.kube_proxy) is None and name not in state.config_maps


def updates(api: Api, run: ReplacingRun, rendered: Sequence[Rendered]) -> list[Update]:
    """With the user's patches over what is merged: they are the user's latest word."""
    lives = side_by_side(lambda each: _live(api, each.new), rendered, api.connections)
    return [_update(run, each, live) for each, live in zip(rendered, lives, strict=True)]


def conflicts(run: ReplacingRun, state: ClusterState) -> list[str]:
    """A sentence for every place that the user and the run would both change, of what `state` holds."""
    lives: dict[tuple[str, str], KubeObject] = {("ConfigMap", name): each for name, each in state.config_maps.items()}
    if state.dns is not None:
        lives["Deployment", "coredns"] = state.dns
    if state.kube_proxy is not None:
        lives["DaemonSet", "kube-proxy"] = state.kube_proxy
    found: list[str] = []
    for each in (*coredns_rendered(run, state), *kube_proxy_rendered(run, state)):
        live = lives.get((each.new["kind"], each.new["metadata"]["name"]))
        if live is not None:
            found += _update(run, each, live).conflicts
    return found


def _update(run: ReplacingRun, rendered: Rendered, live: KubeObject | None) -> Update:
    """A patch that was given before is in what there is already, and one that adds to a list shall not add twice. So what the
    patches make of the new version's object is put over what is merged."""
    found = update(rendered.old, live, rendered.new)
    return replace(found, wanted=put_over(rendered.new, found.wanted, patched_addon(run.patches, rendered.new)))


def _old(run: ReplacingRun, state: ClusterState) -> Configuration:
    """The stored configuration with the version that the add-ons are of: that of kube-proxy's image. What is stored may name the
    new one already."""
    tag = tag_of(image_of(state.kube_proxy, "kube-proxy")) if state.kube_proxy is not None else ""
    try:
        version = str(parse_version(tag))
    except ValueError:
        version = run.stored.kubernetes_version
    return replace(run.configuration, cluster=replace(run.stored, kubernetes_version=version), kube_proxy=run.stored_kube_proxy)


def _pairs(old: Sequence[KubeObject], new: Sequence[KubeObject]) -> tuple[Rendered, ...]:
    """By kind and name; what the old version did not have, it had as it is now."""
    before = {_key(document): document for document in old}
    return tuple(Rendered(before.get(_key(document), document), document) for document in new)


def _key(document: KubeObject) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _with_image(documents: Sequence[KubeObject], image: str) -> list[KubeObject]:
    def changed(document: KubeObject) -> KubeObject:
        if document["kind"] != "Deployment":
            return document
        template: dict[str, Any] = document["spec"]["template"]
        containers = [
            container | {"image": image} if container["name"] == "coredns" else container
            for container in template["spec"]["containers"]
        ]
        spec = document["spec"] | {"template": template | {"spec": template["spec"] | {"containers": containers}}}
        return document | {"spec": spec}

    return [changed(document) for document in documents]


def _live(api: Api, document: KubeObject) -> KubeObject | None:
    from pykubeadm.kube.apply import retrying

    metadata = document["metadata"]
    namespace = metadata.get("namespace", "")
    return retrying(
        lambda: api.get(document["apiVersion"], document["kind"], metadata["name"], namespace), api.call_timeout, settling=False
    )


def _silent(_level: str, _message: str) -> None:
    """`init` has reported it."""
