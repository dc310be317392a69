"""The cluster as `doctor`'s checks see it: what several of them ask for is asked once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.kube.port import Api
from pykubeadm.transport.http import Response
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

SYSTEM = "kube-system"


@dataclass(frozen=True)
class ClusterView:
    """`rehearsing` is the same API, of which nothing is stored; `raw` gives the answer at a path that is no object's,
    ApiError where there is none."""

    api: Api
    rehearsing: Api
    raw: Callable[[str], Response]
    streams: PodStreams
    now: Callable[[], datetime]

    @cached_property
    def nodes(self) -> tuple[KubeObject, ...]:
        return tuple(sorted(self.api.list("v1", "Node"), key=lambda node: str(node["metadata"]["name"])))

    @cached_property
    def pods(self) -> tuple[KubeObject, ...]:
        """Those of kube-system."""
        return tuple(sorted(self.api.list("v1", "Pod", SYSTEM), key=lambda pod: str(pod["metadata"]["name"])))

    @property
    def control_planes(self) -> tuple[KubeObject, ...]:
        return tuple(node for node in self.nodes if LABEL_CONTROL_PLANE in (node["metadata"].get("labels") or {}))

    def pods_with(self, label: str, value: str) -> list[KubeObject]:
        return [pod for pod in self.pods if (pod["metadata"].get("labels") or {}).get(label) == value]
