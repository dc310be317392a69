"""Has the kubelet look again at a static pod that waits for the one before it to end.

By itself it does so after 10 to 15 seconds, unless it hears of a change of the pod (kubernetes: pkg/kubelet/pod_workers.go,
allowPodStart; kubelet.go, HandlePodUpdates). An annotation of the mirror pod is such a change; it goes with that mirror pod,
which is replaced when the pod is.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import field
from typing import Final

from pykubeadm.errors import ApiError
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.util.dataclass import dataclass

CONFIG_HASH: Final = "kubernetes.io/config.hash"  # annotation of mirror pods (kubernetes: pkg/kubelet/types)
_ANNOTATION: Final = "pykubeadm.kube/looked-for"
_EVERY: Final = 1.0  # seconds


@dataclass(slots=True)
class Waker:
    """For the static pod of a component; `former` is the UID of the pod that runs before. To be called while it is waited for."""

    run: ReplacingRun
    name: str
    former: str
    _called: float = field(default_factory=time.monotonic)
    _over: bool = False

    def __call__(self) -> None:
        """At most once a second, and not once the kubelet has begun with the new pod. An API server that does not answer only
        means that it takes longer."""
        now = time.monotonic()
        if self._over or now - self._called < _EVERY:
            return
        self._called = now
        body = {"metadata": {"annotations": {_ANNOTATION: f"{now:.3f}"}}}
        with suppress(ApiError):
            pod = cluster_api(self.run).patch("v1", "Pod", f"{self.name}-{self.run.node_name}", body, "kube-system", how="merge")
            self._over = (pod["metadata"].get("annotations") or {}).get(CONFIG_HASH) != self.former
