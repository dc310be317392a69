"""What runs in the cluster, asked for once: whoever is about to change it judges by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final

from pykubeadm.config.versions import Version, parse_version
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.port import Api
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.side_by_side import side_by_side

NAMESPACE: Final = "kube-system"
COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_TIER: Final = {"tier": "control-plane"}
# ConfigMaps of kube-system that hold what belongs to the cluster, and how their objects are called.
_CONFIG_MAPS: Final = ("kube-proxy", "kubelet-config", "coredns")


@dataclass(frozen=True, slots=True)
class ClusterVersions:
    """What runs in a cluster: versions of API servers and of kubelets by Node. `unknown` are what those Nodes give for it whose
    kubelet's version is none: Nodes that something else than a kubelet made."""

    api_servers: Mapping[str, Version]
    kubelets: Mapping[str, Version]
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> Version:
        """The cluster's version as kubeadm sees it. There must be an API server."""
        return max(self.api_servers.values())

    @property
    def oldest(self) -> Version:
        return min(self.api_servers.values())


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`pods` are those of the control planes (tier=control-plane), `config_maps` those of kube-system by name, where there
    are; `dns` is the Deployment of the name server, `kube_proxy` its DaemonSet, None where there is none."""

    nodes: tuple[KubeObject, ...] = ()
    pods: tuple[KubeObject, ...] = ()
    dns: KubeObject | None = None
    kube_proxy: KubeObject | None = None
    config_maps: Mapping[str, KubeObject] = field(default_factory=dict)
    disruption_budgets: tuple[KubeObject, ...] = ()

    @property
    def versions(self) -> ClusterVersions:
        """PhaseError where no API server's pod, or one without a version, is found."""
        api_servers = {node: _version(tag, f"the API server of {node}") for node, tag in self.tags("kube-apiserver").items()}
        if not api_servers:
            raise PhaseError(
                "no pod of an API server (labels component=kube-apiserver, tier=control-plane) is found in kube-system, so that"
                " the cluster's version is not known: is the kubelet of this node running?"
            )
        kubelets: dict[str, Version] = {}
        unknown: dict[str, str] = {}
        for node in self.nodes:
            try:
                kubelets[name(node)] = parse_version(kubelet_version(node))
            except ValueError:
                unknown[name(node)] = kubelet_version(node)
        return ClusterVersions(api_servers, kubelets, unknown)

    def tags(self, component: str) -> dict[str, str]:
        """Node → the tag of the image that the component's static pod runs."""
        return {node: tag_of(image) for node, image in self.images(component).items()}

    def images(self, component: str) -> dict[str, str]:
        """Node → the image that the component's static pod runs."""
        return {
            str(pod["spec"].get("nodeName") or name(pod)): image_of(pod, component)
            for pod in self.pods
            if (pod["metadata"].get("labels") or {}).get("component") == component
        }

    def control_planes(self) -> Iterator[KubeObject]:
        """The Nodes of the control plane."""
        return (node for node in self.nodes if LABEL_CONTROL_PLANE in (node["metadata"].get("labels") or {}))


def look_at(api: Api) -> ClusterState:
    """PhaseError where there are several name servers; ApiError where the API server gives no answer."""
    reads: dict[str, Callable[[], Any]] = {
        "nodes": lambda: api.list("v1", "Node"),
        "pods": lambda: api.list("v1", "Pod", NAMESPACE, labels=_TIER),
        "dns": lambda: api.list("apps/v1", "Deployment", NAMESPACE, labels={"k8s-app": "kube-dns"}),
        "kube_proxy": lambda: api.get("apps/v1", "DaemonSet", "kube-proxy", NAMESPACE),
        "disruption_budgets": lambda: api.list("policy/v1", "PodDisruptionBudget"),
        **{name: _config_map(api, name) for name in _CONFIG_MAPS},
    }
    answers = side_by_side(lambda read: retrying(read, api.call_timeout, settling=False), list(reads.values()), api.connections)
    found = dict(zip(reads, answers, strict=True))
    return ClusterState(
        nodes=tuple(sorted(found["nodes"], key=name)),
        pods=tuple(sorted(found["pods"], key=name)),
        dns=_only_one(found["dns"]),
        kube_proxy=found["kube_proxy"],
        config_maps={name: found[name] for name in _CONFIG_MAPS if found[name] is not None},
        disruption_budgets=tuple(found["disruption_budgets"]),
    )


def name(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["name"])


def kubelet_version(node: Mapping[str, Any]) -> str:
    """Empty where the Node gives none."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "")


def image_of(workload: Mapping[str, Any], container: str) -> str:
    """The image of a Pod's, Deployment's or DaemonSet's container of this name; "" where there is none."""
    spec = workload["spec"]
    pod = spec["template"]["spec"] if "template" in spec else spec
    return next((str(each.get("image", "")) for each in pod["containers"] if each["name"] == container), "")


def tag_of(image: str) -> str:
    """As in "v1.36.2" of "registry:5000/kube-apiserver:v1.36.2@sha256:…"; "" where the image has none."""
    last = image.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2]


def image_version(image: str) -> Version | None:
    """The version of Kubernetes in its tag, None where there is none. What somebody built of a version is of it: v1.36.2 also of
    "…:v1.36.2-fips", and of "…:v1.36.2_ours", as images of v1.36.2+ours are called."""
    try:
        return parse_version(tag_of(image).partition("_")[0]).release
    except ValueError:
        return None


def _config_map(api: Api, name: str) -> Callable[[], KubeObject | None]:
    return lambda: api.get("v1", "ConfigMap", name, NAMESPACE)


def _only_one(deployments: list[KubeObject]) -> KubeObject | None:
    if len(deployments) > 1:
        names = ", ".join(sorted(map(name, deployments)))
        raise PhaseError(f"there are several Deployments of the cluster's name server ({names}); remove all but one")
    return deployments[0] if deployments else None


def _version(text: str, whose: str) -> Version:
    try:
        return parse_version(text.replace("_", "+", 1))  # an image's tag cannot have a "+"
    except ValueError as error:
        raise PhaseError(f"the version of {whose} is not known: {error}") from error
