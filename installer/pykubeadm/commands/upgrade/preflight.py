"""preflight: the checks are imported when the phase runs, not for the help text."""

from __future__ import annotations

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.errors import DeclinedError
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: UpgradeRun) -> Changes:
    """What is checked, then the question, then the images: all before anything changes."""
    from pykubeadm.phases.preflight import system
    from pykubeadm.phases.preflight.check import run_checks
    from pykubeadm.phases.preflight.control_plane import pull_images
    from pykubeadm.phases.preflight.machine import Machine

    def warn(message: str) -> None:
        run.note("warning", message, topic="preflight")

    machine = Machine(run.node, run.host, run.journal, run.configuration.this_node.node_registration.cri_socket)
    run_checks((system.IS_PRIVILEGED_USER,), machine, run.ignore_preflight_errors, warn)
    if run.interactive and not run.confirm():
        raise DeclinedError("nothing was upgraded: it was not confirmed; answer y, or give --yes")
    return pull_images(run, machine, warn) if run.is_control_plane else ()


def _phase(flags: tuple[str, ...]) -> Phase[UpgradeRun]:
    return Phase(
        name="preflight",
        summary="Check that the cluster and this node can be upgraded, and pull the images",
        apply=_apply,
        unchanged="passed",
        flags=("config", "kubeconfig", "dry-run", "ignore-preflight-errors", *flags),
    )


apply_preflight = _phase(("force", "yes", "allow-experimental-upgrades", "allow-release-candidate-upgrades"))
node_preflight = _phase(())
