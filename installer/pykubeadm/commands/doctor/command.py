"""`doctor`: which checks, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pykubeadm.commands.doctor.check import Examined, Remark, examine, problem
from pykubeadm.constants import KUBELET_CONFIG, KUBERNETES_DIR, MANIFESTS_DIR
from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.node.port import Node
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.commands.doctor.cluster import ClusterView

_OF_NODES = (KUBELET_CONFIG, f"{KUBERNETES_DIR}/kubelet.conf", f"{KUBERNETES_DIR}/bootstrap-kubelet.conf", MANIFESTS_DIR)
_WHY = "everything goes through the API server"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was looked at: `node` is this machine's name, "" where it is no node; `server` the cluster's, "" without one."""

    at: datetime
    node: str
    server: str
    examined: tuple[Examined, ...]

    def remarks(self, level: str) -> tuple[tuple[Examined, Remark], ...]:
        return tuple((each, remark) for each in self.examined for remark in each.remarks if remark.level == level)


def is_node(node: Node) -> bool:
    """Whether this machine is, or was, one of a cluster's."""
    return any(node.stat(path) is not None for path in _OF_NODES)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """`view` is None where there is no cluster that answers; `silence` says why."""

    server: str = ""
    view: ClusterView | None = None
    silence: str = "there is no kubeconfig"

    def nodes(self) -> Sequence[KubeObject]:
        """ApiError where they cannot be read."""
        if self.view is None:
            raise ApiError(self.silence)
        return self.view.nodes

    def examined(self) -> list[Examined]:
        from pykubeadm.commands.doctor.cluster_checks import CHECKS

        if self.view is None:
            return [Examined("cluster/api", _WHY, (problem(self.silence, "on a control plane: pykubeadm doctor"),))]
        return examine(CHECKS, self.view)


def diagnose(node: Node | None, credentials: Callable[[], Credentials] | None, now: Callable[[], datetime]) -> Diagnosis:
    """Look at `node`, where that is one, and at the cluster, where there is a kubeconfig. Raises nothing that a node or cluster
    can be the reason of."""
    began, examined = now(), list[Examined]()
    cluster = _reach(credentials, now) if credentials is not None else _Cluster()
    name = ""
    if node is not None:
        from pykubeadm.commands.doctor.here import Here
        from pykubeadm.commands.doctor.node_checks import CHECKS as NODE_CHECKS

        here = Here(node, now(), cluster.nodes)
        name = here.machine.host.hostname
        examined += examine(NODE_CHECKS, here)
    if credentials is not None:
        examined += cluster.examined()
    return Diagnosis(began, name, cluster.server, tuple(examined))


def _reach(credentials: Callable[[], Credentials], now: Callable[[], datetime]) -> _Cluster:
    from pykubeadm.commands.doctor.cluster import ClusterView
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.pod_streams import PodStreams

    server = ""
    try:
        found = credentials()
        server = found.server
        api = ClusterApi(found)
        _ask(api)
        return _Cluster(server, ClusterView(api, ClusterApi(found, dry_run=True), api.raw, PodStreams(found), now))
    except ApiError as error:
        return _Cluster(server, silence=str(error))


def _ask(api: Api) -> None:
    """ApiError where the cluster does not answer; who may not read Nodes may read something else."""
    try:
        api.list("v1", "Node")
    except ApiStatusError as error:
        if error.code != 403:
            raise
