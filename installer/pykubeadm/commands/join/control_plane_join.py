"""control-plane-join and wait-control-plane: `init`'s own phases, for a node that is a control plane."""

from __future__ import annotations

from pykubeadm.commands.join.run import JoinRun
from pykubeadm.phases.cluster.mark_control_plane import mark_control_plane
from pykubeadm.phases.cluster.wait_control_plane import wait_control_plane as init_wait_control_plane
from pykubeadm.workflow.phase import Changes, Phase


def _is_control_plane(run: JoinRun) -> bool:
    return run.is_control_plane


def _mark(run: JoinRun) -> Changes:
    from pykubeadm.phases.cluster.connection import admin_api

    admin_api(run)  # which the phase takes from the run
    return mark_control_plane.apply(run) if mark_control_plane.apply is not None else ()


control_plane_join: Phase[JoinRun] = Phase(
    name="control-plane-join",
    summary="Make the node a control plane of the cluster",
    flags=("apiserver-advertise-address", "patches"),
    phases=(
        Phase(
            name=mark_control_plane.name,
            summary=mark_control_plane.summary,
            apply=_mark,
            when=_is_control_plane,
            flags=("control-plane", "node-name"),
        ),
    ),
)

wait_control_plane: Phase[JoinRun] = Phase(
    name=init_wait_control_plane.name,
    summary=init_wait_control_plane.summary,
    verify=init_wait_control_plane.verify,
    when=_is_control_plane,
    flags=("control-plane",),  # kubeadm's has none, so alone it never waits
)
