"""What every cluster has beside its control plane: CoreDNS, kube-proxy, the pod network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.fleet.found import Found
    from pykubeadm.kube.port import Api
    from pykubeadm.util.kube_object import KubeObject

_SYSTEM: Final = "kube-system"
_DNS: Final = {"k8s-app": "kube-dns"}  # whatever the Deployment is called
_CNI_FOLDER: Final = "/etc/cni/net.d"  # where whatever is a pod network puts its configuration


@dataclass(frozen=True, slots=True)
class AddOn:
    """`desired` pods (of a bridge: machines), of which so many are `ready`; `version` is its image's tag, "" where there is none;
    `ailment` says what is wrong with it, "" for nothing."""

    name: str
    ready: int = 0
    desired: int = 0
    version: str = ""
    ailment: str = ""

    def document(self) -> dict[str, Any]:
        """For -o."""
        return {"name": self.name, "ready": self.ready, "desired": self.desired, "version": self.version}


def look_at_addons(api: Api, found: Found) -> tuple[AddOn, ...]:
    """As the cluster says. An add-on that is not there is left out if the ClusterConfiguration disables it, or nothing else of it
    is there, as after `init --skip-phases=addon/kube-proxy`. Raises ApiError."""
    stored = found.facts.cluster.stored if found.facts.cluster else {}
    daemons = api.list("apps/v1", "DaemonSet")
    names = api.list("apps/v1", "Deployment", _SYSTEM, labels=_DNS)
    proxies = [each for each in daemons if _is(each, _SYSTEM, "kube-proxy")]
    return (
        *_managed(api, "coredns", [_deployment(each) for each in names], stored.get("dns")),
        *_managed(api, "kube-proxy", [_daemon_set(each) for each in proxies], stored.get("proxy")),
        *_network(found, [_daemon_set(each) for each in daemons if _is_network(each)]),
    )


def _managed(api: Api, name: str, there: Sequence[AddOn], settings: Mapping[str, Any] | None) -> Sequence[AddOn]:
    """Of an add-on that is kubeadm's. One without its ConfigMap is not wanted, as for kubeadm's own upgrades."""
    if there or (settings or {}).get("disabled") or api.get("v1", "ConfigMap", name, _SYSTEM) is None:
        return there
    field = "dns" if name == "coredns" else "proxy"
    sentence = (
        f"there is no {name}: `pykubeadm init phase addon {name}` on a control plane installs it; if something else takes its "
        f"place, set {field}.disabled in the ClusterConfiguration"
    )
    return (AddOn(name, ailment=sentence),)


def _network(found: Found, there: Sequence[AddOn]) -> Iterator[AddOn]:
    """What of a network is for other machines than there are, such as those with Windows, is left out."""
    yield from [each for each in there if each.desired] or there
    plugin, nodes = found.described.cluster.network.plugin, found.facts.nodes
    if plugin == "flannel" and not there:
        yield AddOn(plugin, ailment="there is no flannel: no DaemonSet installs a pod network")
    elif plugin == "bridge":
        wanted = [host.name for host in found.hosts if host.state != "absent" and nodes[host.name].joined]
        without = [name for name in wanted if nodes[name].prepared.get("network") != found.digests.get(name, {}).get("network")]
        ailment = f"{', '.join(without)} has none, or other routes" if without else ""
        yield AddOn(plugin, len(wanted) - len(without), len(wanted), ailment=ailment and f"bridge: {ailment}")


def _deployment(document: KubeObject) -> AddOn:
    replicas = document["spec"].get("replicas")
    return _add_on(document, "readyReplicas", 1 if replicas is None else int(replicas))


def _daemon_set(document: KubeObject) -> AddOn:
    found = _add_on(document, "numberReady", int(_status(document).get("desiredNumberScheduled") or 0))
    return found if found.desired else replace(found, ailment=f"{found.name} is to run nowhere")


def _add_on(document: KubeObject, counting: str, desired: int) -> AddOn:
    name, ready = str(document["metadata"]["name"]), int(_status(document).get(counting) or 0)
    containers = document["spec"]["template"]["spec"].get("containers") or [{}]
    tag = str(containers[0].get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[2]
    ailment = f"{name}: {ready} of {desired} pods are ready" if ready < desired else ""
    return AddOn(name, ready, desired, tag, ailment)


def _status(document: KubeObject) -> Mapping[str, Any]:
    return document.get("status") or {}


def _is(document: KubeObject, namespace: str, name: str) -> bool:
    metadata = document["metadata"]
    return (metadata.get("namespace"), metadata["name"]) == (namespace, name)


def _is_network(document: KubeObject) -> bool:
    volumes = document["spec"]["template"]["spec"].get("volumes") or ()
    paths = [str((volume.get("hostPath") or {}).get("path") or "") for volume in volumes]
    return any(path.rstrip("/") == _CNI_FOLDER for path in paths)
