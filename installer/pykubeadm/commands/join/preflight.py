"""preflight: the checks are imported when the phase runs, not for the help text."""

from __future__ import annotations

from pykubeadm.commands.join.discovery_flags import DISCOVERY
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: JoinRun) -> Changes:
    from pykubeadm.commands.join.checks import run_join_preflight

    return run_join_preflight(run)


preflight: Phase[JoinRun] = Phase(
    name="preflight",
    summary="Check that the node is ready to join, and pull a control plane's images",
    apply=_apply,
    unchanged="passed",
    flags=(
        *DISCOVERY,
        "apiserver-advertise-address",
        "apiserver-bind-port",
        "certificate-key",
        "control-plane",
        "cri-socket",
        "ignore-preflight-errors",
        "node-name",
    ),
)
