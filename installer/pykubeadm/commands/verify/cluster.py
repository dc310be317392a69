"""What the rows know of the cluster: how to reach it, its nodes, and the images that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pykubeadm.config.versions import DEFAULT_REPOSITORY, release_of
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.errors import PykubeadmError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.kube.port import Api
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

# What images with sh, httpd, nc and nslookup are called; the only ones that are taken without being named.
_WITH_SHELL: Final = ("busybox",)
_PAUSE: Final = "pause"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`pause` is the image that every node has; `shell` one with a busybox in it, "" where none is known."""

    api: Api
    streams: PodStreams
    credentials: Credentials
    namespace: str
    nodes: tuple[KubeObject, ...]
    pause: str
    shell: str

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(node["metadata"]["name"] for node in self.nodes)

    @property
    def control_planes(self) -> tuple[KubeObject, ...]:
        return tuple(node for node in self.nodes if LABEL_CONTROL_PLANE in (node["metadata"].get("labels") or {}))

    @property
    def tolerations(self) -> list[dict[str, str]]:
        """Of pods that may run anywhere: where only control planes are there, those have to do."""
        if any(takes_pods(node) for node in self.nodes):
            return []
        return [{"key": LABEL_CONTROL_PLANE, "operator": "Exists", "effect": "NoSchedule"}]

    def addresses(self, node: Mapping[str, Any]) -> tuple[str, ...]:
        """The node's internal addresses."""
        found = (node.get("status") or {}).get("addresses") or ()
        return tuple(each["address"] for each in found if each["type"] == "InternalIP")


def look_at(api: Api, streams: PodStreams, credentials: Credentials, *, namespace: str, image: str) -> Cluster:
    """`image` is the user's choice, "" for none. ApiError where the API server gives no answer."""
    nodes = tuple(sorted(api.list("v1", "Node"), key=lambda node: str(node["metadata"]["name"])))
    if not nodes:
        raise PykubeadmError("the cluster has no Nodes, so that nothing can be shown; see what keeps the kubelets from joining")
    return Cluster(
        api=api,
        streams=streams,
        credentials=credentials,
        namespace=namespace,
        nodes=nodes,
        pause=_common_image(nodes, (_PAUSE,)) or _default_pause(nodes),
        shell=image or _common_image(nodes, _WITH_SHELL),
    )


def takes_pods(node: Mapping[str, Any]) -> bool:
    """Those that tolerate nothing."""
    spec = node.get("spec") or {}
    repels = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in spec.get("taints") or ())
    return not repels and not spec.get("unschedulable")


def _common_image(nodes: Sequence[KubeObject], names: Sequence[str]) -> str:
    """An image with one of these names that all nodes have; "" where there is none."""
    common: set[str] | None = None
    for node in nodes:
        images = (node.get("status") or {}).get("images") or ()
        found = {name for image in images for name in image.get("names") or () if _last(name) in names and "@" not in name}
        common = found if common is None else common & found
    return max(common or {""})


def _last(image: str) -> str:
    """As in "busybox" of "registry:5000/library/busybox:1.37"."""
    return image.rpartition("/")[2].partition(":")[0]


def _default_pause(nodes: Sequence[KubeObject]) -> str:
    """A node names the largest fifty of its images only (kubelet: nodeStatusMaxImages), and pause is the smallest."""
    version = str(nodes[0]["status"]["nodeInfo"]["kubeletVersion"])
    return f"{DEFAULT_REPOSITORY}/pause:{release_of(version).pause}"
