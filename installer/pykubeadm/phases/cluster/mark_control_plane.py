"""mark-control-plane: the Node's labels and taints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.constants import LABEL_CONTROL_PLANE, LABEL_EXCLUDE_FROM_LB
from pykubeadm.node.port import Unit
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api

_NAME = "mark-control-plane"
_LABELS = (LABEL_CONTROL_PLANE, LABEL_EXCLUDE_FROM_LB)
_HOSTNAME_LABEL = "kubernetes.io/hostname"


def _apply(run: ClusterRun) -> Changes:
    from pykubeadm.kube.apply import retrying
    from pykubeadm.manifests.kubelet import kubelet_name
    from pykubeadm.phases.cluster.connection import cluster_api

    api = cluster_api(run)
    name = kubelet_name(run.configuration.this_node.node_registration)
    restarted = have_it_registered(run, api, name)
    _wait_for_node(run, api, name)
    return [*restarted, *retrying(lambda: _mark(api, name, wanted_taints(run)), api.call_timeout)]


def wanted_taints(run: ClusterRun) -> list[dict[str, Any]]:
    """The taints of the configuration; the control plane's where it says nothing, none where it says []."""
    taints = run.configuration.this_node.node_registration.taints
    if taints is None:
        return [{"key": LABEL_CONTROL_PLANE, "effect": "NoSchedule"}]
    return [{key: value for key, value in taint.document().items() if value} for taint in taints]


def _mark(api: Api, name: str, taints: Sequence[Mapping[str, Any]]) -> list[str]:
    node = api.get("v1", "Node", name) or {}
    present = node.get("spec", {}).get("taints") or []
    labels = [label for label in _LABELS if (node["metadata"].get("labels") or {}).get(label) != ""]
    missing = [taint for taint in taints if not any(_is_same(taint, other) for other in present)]
    if not labels and not missing:
        return []
    # Others set taints at the same time (not-ready, for one): only what we have seen may be written back.
    body: KubeObject = {"metadata": {"resourceVersion": node["metadata"].get("resourceVersion")}}
    if labels:
        body["metadata"]["labels"] = dict.fromkeys(labels, "")
    if missing:
        body["spec"] = {"taints": [*taints, *(other for other in present if not any(_is_same(taint, other) for taint in taints))]}
    api.patch("v1", "Node", name, body, how="merge")
    return [
        *(f"labelled Node {name} {label}" for label in labels),
        *(f"tainted Node {name} {taint['key']}:{taint['effect']}" for taint in missing),
    ]


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all((one.get(field) or "") == (other.get(field) or "") for field in ("key", "value", "effect"))


def have_it_registered(run: ClusterRun, api: Api, name: str) -> list[str]:
    """A kubelet registers its Node when it starts, and never again: one that was deleted since needs a restart."""
    from pykubeadm.kube.apply import retrying

    if run.kubelet_started or run.node.unit("kubelet").active != "active":
        return []
    if retrying(lambda: api.get("v1", "Node", name), api.call_timeout) is not None:
        return []
    run.kubelet_started = run.now()
    actions = run.node.ensure_unit(Unit("kubelet", state="restarted"))
    return [f"{action} the kubelet, so that it registers Node {name}" for action in actions]


def _wait_for_node(run: ClusterRun, api: Api, name: str) -> None:
    from pykubeadm.errors import ApiError
    from pykubeadm.phases.waiting import wait

    def registered() -> str | None:
        try:
            node = api.get("v1", "Node", name)
        except ApiError as error:
            return str(error)
        if node is None:
            return "the kubelet has not registered it yet"
        return None if _HOSTNAME_LABEL in (node["metadata"].get("labels") or {}) else "it has no labels yet"

    wait(run, _NAME, {f"Node {name}": registered}, run.configuration.this_node.timeouts.kubernetes_api_call)


mark_control_plane: Phase[ClusterRun] = Phase(
    name=_NAME,
    summary="Mark the node as a control plane",
    apply=_apply,
    flags=("config", "node-name", "dry-run"),
)
