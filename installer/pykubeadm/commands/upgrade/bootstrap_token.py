"""bootstrap-token: what nodes may do that join with a bootstrap token, as this version has it."""

from __future__ import annotations

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: UpgradeRun) -> Changes:
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.tokens.documents import cluster_info_rbac, node_rbac

    return ensure_all(cluster_api(run), [*node_rbac(), *cluster_info_rbac()])


bootstrap_token: Phase[UpgradeRun] = Phase(
    name="bootstrap-token",
    summary="Let nodes join with bootstrap tokens, as this version does",
    apply=_apply,
    flags=("config", "kubeconfig", "dry-run"),
)
