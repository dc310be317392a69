"""preflight: this is root, and the user agrees (kubeadm: cmd/phases/reset/preflight.go)."""

from __future__ import annotations

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.errors import DeclinedError
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: ResetRun) -> Changes:
    from pykubeadm.phases.preflight import system
    from pykubeadm.phases.preflight.check import run_checks
    from pykubeadm.phases.preflight.machine import Machine

    def warn(message: str) -> None:
        run.note("warning", message, topic="preflight")

    machine = Machine(run.node, run.host, run.journal, run.reset.cri_socket)
    run_checks((system.IS_PRIVILEGED_USER,), machine, run.reset.ignore_preflight_errors, warn)
    if not run.reset.force and not run.dry_run and not run.confirm():
        raise DeclinedError("nothing was reset: it was not confirmed; answer y, or give --force")
    return ()


preflight: Phase[ResetRun] = Phase(
    name="preflight",
    summary="Check that this is root, and ask for confirmation",
    apply=_apply,
    unchanged="passed",
    flags=("dry-run", "force", "ignore-preflight-errors"),
)
