"""upload-config: the configuration into the cluster, once this node is seen to run with it. Other nodes find it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pykubeadm.commands.reconfigure.endpoint import publish
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.cluster.upload_config import upload_config as shared
from pykubeadm.workflow.phase import Changes, Phase

_FLAGS = ("kubeconfig",)


def _gives_cluster(run: ReconfigureRun) -> bool:
    return run.for_cluster


def _gives_kubelet(run: ReconfigureRun) -> bool:
    return run.for_cluster and bool(run.configuration.kubelet)


def _nothing(_run: ReconfigureRun) -> Changes:
    return ()


def _uploading(
    part: Phase[ReconfigureRun], when: Callable[[ReconfigureRun], bool], before: Callable[[ReconfigureRun], Changes] = _nothing
) -> Phase[ReconfigureRun]:
    def apply(run: ReconfigureRun) -> Changes:
        return [*before(run), *(part.apply(run) if part.apply else ())]

    return replace(part, apply=apply, when=when, flags=_FLAGS)


_kubeadm, _kubelet = shared.phases
upload_config: Phase[ReconfigureRun] = Phase(
    name=shared.name,
    summary="Upload the configuration, for the other nodes and for those that join",
    phases=(_uploading(_kubelet, _gives_kubelet), _uploading(_kubeadm, _gives_cluster, publish)),
    flags=_FLAGS,
)
