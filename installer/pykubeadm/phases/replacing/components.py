"""The static pods of this node: as they are to be, as they are, and the certificates that go with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.errors import PhaseError
from pykubeadm.phases.certs.leaves import LEAVES, Leaf
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.static_pods import pods
from pykubeadm.phases.static_pods.manifests import manifest_path, read_static_pod
from pykubeadm.phases.static_pods.pods import finished
from pykubeadm.util.api_types import canonical
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.manifests.etcd import InitialMember

ETCD, API_SERVER = "etcd", "kube-apiserver"
# Each is up before those that need it: an API server is never older than what speaks to it.
BASE: Final = (ETCD, API_SERVER)  # the API server is away while its etcd is
ORDER: Final = (*BASE, "kube-controller-manager", "kube-scheduler")
# kubeadm: phases/upgrade/staticpods.go and phases/certs/renewal. etcd's client certificate goes with the API server.
_LEAVES: Final = {
    ETCD: ("etcd-server", "etcd-peer", "etcd-healthcheck-client"),
    "kube-apiserver": ("apiserver", "apiserver-kubelet-client", "front-proxy-client", "apiserver-etcd-client"),
    "kube-controller-manager": ("controller-manager.conf",),
    "kube-scheduler": ("scheduler.conf",),
}
_ADMINISTRATORS: Final = ("admin.conf", "super-admin.conf")
_INITIAL_CLUSTER: Final = "--initial-cluster="


@dataclass(frozen=True, slots=True)
class Component:
    """One static pod. `former` is what its manifest holds now, `wanted` what it is to hold; `differs` says whether the kubelet
    would see another pod: what only the writing of the file makes different does not count."""

    name: str
    former: KubeObject
    wanted: KubeObject
    differs: bool

    @property
    def step(self) -> str:
        """What changes, for people: "v1.35.6 → v1.36.2", or that only other things do."""
        before, after = image_tag(self.former), image_tag(self.wanted)
        return f"{before} → {after}" if before != after else f"{after}, with other settings"


def components(run: ReplacingRun) -> tuple[Component, ...]:
    """Those of this node's control plane that may be replaced, in ORDER. PhaseError where a manifest is missing or damaged."""
    found = []
    for name in ORDER:
        if name == ETCD and not _may_change_etcd(run):
            continue
        former = read_static_pod(run.node, name)
        if former is None:
            raise PhaseError(
                f"{manifest_path(name)} does not exist, so {name} cannot be replaced; put it back (copies of earlier runs: "
                "/etc/kubernetes/tmp), or make it with `pykubeadm init phase`"
            )
        wanted = _wanted(run, name, former)
        found.append(Component(name, former, wanted, differs=decoded(former) != decoded(wanted)))
    return tuple(found)


def _may_change_etcd(run: ReplacingRun) -> bool:
    return run.has_local_etcd and run.etcd_upgrade


def _wanted(run: ReplacingRun, name: str, former: KubeObject) -> KubeObject:
    if name == ETCD:
        pod = _etcd(run, former)
    elif name == "kube-apiserver":
        pod = pods.apiserver(run)
    elif name == "kube-controller-manager":
        pod = pods.controller_manager(run)
    else:
        pod = pods.scheduler(run)
    return finished(run, name, pod)[0]


def _etcd(run: ReplacingRun, former: KubeObject) -> KubeObject:
    """With the members that it was started with: they mean nothing to a member that has its data, and one that lost them shall
    come back to its cluster rather than begin another. etcd never gets older: it may not read its data then."""
    from pykubeadm.config.model import LocalEtcd
    from pykubeadm.config.versions import etcd_image, etcd_tag, release_of
    from pykubeadm.manifests.etcd import etcd_pod

    node, cluster = run.configuration.this_node, run.configuration.cluster
    local = cluster.etcd.local or LocalEtcd()
    tag, running = etcd_tag(cluster), image_tag(former)
    keeps = bool(running) and run.keeps_images and etcd_image(cluster) == etcd_image(run.stored)
    if keeps:
        cluster = replace(cluster, etcd=replace(cluster.etcd, local=replace(local, image_tag=running)))
    elif _is_older(tag, running):
        run.note("warning", f"etcd stays at {running}, which is newer than {tag}: it might not read its data with that", ETCD)
        cluster = replace(cluster, etcd=replace(cluster.etcd, local=replace(local, image_tag=running)))
    elif local.image_tag and local.image_tag != (usual := release_of(run.target).etcd):
        run.note("warning", f"etcd gets {tag} and not {usual}: etcd.local.imageTag of the cluster's configuration says so", ETCD)
    pod: KubeObject = etcd_pod(cluster, node.local_api_endpoint, run.node_name, node.timeouts, _initial_members(former))
    if keeps:
        pod["spec"]["containers"][0]["image"] = image_of(former)
    return pod


def _initial_members(pod: Mapping[str, Any]) -> list[InitialMember]:
    """Those of its cluster where it joined one; [] where it began it."""
    from pykubeadm.manifests.etcd import InitialMember

    words = _command(pod)
    if "--initial-cluster-state=existing" not in words:
        return []
    text = next((word.removeprefix(_INITIAL_CLUSTER) for word in words if word.startswith(_INITIAL_CLUSTER)), "")
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return [InitialMember(name, url) for name, _, url in pairs]


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in ORDER if name in names)


def image_of(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"]["containers"][0].get("image") or "")


def image_tag(pod: Mapping[str, Any]) -> str:
    """The tag of its image ("v1.36.2"), "" where it has none; a digest does not count."""
    return image_of(pod).partition("@")[0].rpartition("/")[2].partition(":")[2]


def whose_certificates(run: ReplacingRun, names: Sequence[str]) -> tuple[str, ...]:
    """The components whose certificates are renewed when those of these names are replaced: etcd's go with the API server, also
    where etcd stays, which reads them again by itself (kubeadm: phases/upgrade/staticpods.go, upgradeComponent)."""
    return in_order((*names, ETCD) if API_SERVER in names and _may_change_etcd(run) else names)


def leaves_of(run: ReplacingRun, names: Sequence[str]) -> tuple[Leaf, ...]:
    """What is renewed with these components, and for the administrators with any of them; () where nothing is to be renewed. What
    is missing or signed elsewhere is left out."""
    from pykubeadm.phases.certs.renew import why_not

    if not run.certificate_renewal or not names:
        return ()
    wanted = [leaf for name in names for leaf in _LEAVES.get(name, ())] + list(_ADMINISTRATORS)
    by_name = {leaf.name: leaf for leaf in LEAVES}
    found = (by_name[name] for name in wanted)
    return tuple(leaf for leaf in found if leaf.is_wanted(run.configuration) and why_not(run, leaf) is None)


def leaves_with(name: str, leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """Those of `leaves` that are renewed when the component of this name is replaced."""
    return tuple(leaf for leaf in leaves if leaf.name in _LEAVES[name])


def files_with(run: ReplacingRun, name: str) -> tuple[str, ...]:
    """The paths of what is renewed when the component of this name is replaced."""
    from pykubeadm.phases.certs.renew import files_of

    return tuple(path for leaf in leaves_with(name, LEAVES) for path in files_of(run, leaf))


def administrators(leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    return tuple(leaf for leaf in leaves if leaf.name in _ADMINISTRATORS)


def _command(pod: Mapping[str, Any]) -> list[str]:
    return [str(word) for container in pod["spec"]["containers"] for word in container.get("command") or ()]


def decoded(pod: Mapping[str, Any]) -> Any:
    """As the kubelet reads it; as it is where that does not fit."""
    plain = {name: value for name, value in pod.items() if name != "status"}
    try:
        return canonical("Pod", plain)
    except (ValueError, TypeError, AttributeError):
        return plain


def _is_older(tag: str, running: str) -> bool:
    """Of two tags of etcd ("3.6.8-0"); False where one is no version."""
    from pykubeadm.config.versions import etcd_version

    one, other = etcd_version(tag), etcd_version(running)
    return one is not None and other is not None and one < other
