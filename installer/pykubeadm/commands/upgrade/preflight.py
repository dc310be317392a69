"""preflight: the checks are imported when the phase runs, not for the help text."""

from __future__ import annotations

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: UpgradeRun) -> Changes:
    from pykubeadm.commands.upgrade.before_apply import run_apply_preflight

    return run_apply_preflight(run)


def _node(run: UpgradeRun) -> Changes:
    from pykubeadm.commands.upgrade.before_node import run_node_preflight

    return run_node_preflight(run)


_FLAGS = ("config", "kubeconfig", "dry-run", "ignore-preflight-errors")

apply_preflight: Phase[UpgradeRun] = Phase(
    name="preflight",
    summary="Check that the cluster and this node can be upgraded, ask for confirmation, and pull the images",
    apply=_apply,
    unchanged="passed",
    flags=(*_FLAGS, "force", "yes", "allow-experimental-upgrades", "allow-release-candidate-upgrades"),
)
node_preflight: Phase[UpgradeRun] = Phase(
    name="preflight",
    summary="Check that this node can be upgraded, and pull a control plane's images",
    apply=_node,
    unchanged="passed",
    flags=_FLAGS,
)
