"""upload-config: the configuration into the cluster, once this node is seen to run with it. Other nodes find it there."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.commands.reconfigure.endpoint import publish
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.cluster.upload_config import upload_config as shared
from pykubeadm.workflow.phase import Changes, Phase

_kubeadm: Phase[ReconfigureRun]
_kubelet: Phase[ReconfigureRun]
_kubeadm, _kubelet = shared.phases
_FLAGS = ("kubeconfig",)


def _gives_cluster(run: ReconfigureRun) -> bool:
    return run.for_cluster


def _gives_kubelet(run: ReconfigureRun) -> bool:
    return run.for_cluster and bool(run.configuration.kubelet)


def _upload_cluster(run: ReconfigureRun) -> Changes:
    return [*publish(run), *(_kubeadm.apply(run) if _kubeadm.apply else ())]


upload_config: Phase[ReconfigureRun] = Phase(
    name=shared.name,
    summary="Upload the configuration, for the other nodes and for those that join",
    phases=(
        replace(_kubelet, when=_gives_kubelet, flags=_FLAGS),
        replace(_kubeadm, apply=_upload_cluster, when=_gives_cluster, flags=_FLAGS),
    ),
    flags=_FLAGS,
)
