"""preflight: the checks are imported when the phase runs, not for the help text."""

from __future__ import annotations

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: ReconfigureRun) -> Changes:
    from pykubeadm.commands.reconfigure.checks import run_preflight

    run_preflight(run)
    return ()


preflight: Phase[ReconfigureRun] = Phase(
    name="preflight",
    summary="Check that this node, and its cluster, can be changed",
    apply=_apply,
    unchanged="passed",
    flags=("ignore-preflight-errors", "kubeconfig"),
)
