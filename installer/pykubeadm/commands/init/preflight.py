"""preflight: the checks are imported when the phase runs, not for the help text."""

from __future__ import annotations

from pykubeadm.commands.init.run import InitRun
from pykubeadm.workflow.phase import Changes, Phase


def _run(run: InitRun) -> Changes:
    from pykubeadm.commands.init.checks import run_init_preflight

    return run_init_preflight(run)


preflight: Phase[InitRun] = Phase(
    name="preflight",
    summary="Check that the node is ready, and pull the images",
    apply=_run,
    unchanged="passed",
    flags=("config", "image-repository", "cri-socket", "ignore-preflight-errors", "dry-run"),
)
