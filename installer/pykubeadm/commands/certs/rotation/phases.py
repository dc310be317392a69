"""The phases of `certs rotate-ca`: looking how far the rotation is, then for each stage what a node has to do, and the cluster.

A stage's phases are run where the rotation is at that stage when their turn comes: one command goes through several where nobody
else has to be waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import Stage
from pykubeadm.workflow.phase import Changes, Phase, Step, steps


def _look(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.progress import look

    return look(run)


def _back_up(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.backup import back_up_before

    return back_up_before(run)


def _authorities(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.authorities import write_authorities
    from pykubeadm.commands.certs.rotation.programs import require_crictl, require_own_server
    from pykubeadm.phases.static_pods.restart import require_kubelet

    require_kubelet(run.node)
    require_crictl(run)
    require_own_server(run)
    return write_authorities(run)


def _certificates(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.leaves import sign_leaves

    return sign_leaves(run)


def _kubeconfig(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.leaves import trust_in_kubeconfigs

    return trust_in_kubeconfigs(run)


def _kubelet(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.kubelets import renew_in_kubelet

    return renew_in_kubelet(run)


def _restart(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.programs import restart_programs

    return restart_programs(run)


def _verify(run: RotationRun) -> None:
    from pykubeadm.commands.certs.rotation.verify import verify_node

    verify_node(run)


def _report(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.progress import report_stage

    return report_stage(run)


def _cluster(run: RotationRun) -> Changes:
    from pykubeadm.commands.certs.rotation.progress import move_on

    return move_on(run)


def _is_due(stage: Stage, run: RotationRun) -> bool:
    return run.is_at(stage) and run.is_due


def _is_due_here(stage: Stage, run: RotationRun) -> bool:
    """On a control plane."""
    return _is_due(stage, run) and run.is_control_plane


def _is_clusters_turn(stage: Stage, run: RotationRun) -> bool:
    return run.is_at(stage) and run.is_control_plane and not run.is_due


def _stage(stage: Stage, summary: str) -> Phase[RotationRun]:
    due, due_here = partial(_is_due, stage), partial(_is_due_here, stage)

    def phase(
        name: str, what: str, apply: Callable[[RotationRun], Changes], when: Callable[[RotationRun], bool]
    ) -> Phase[RotationRun]:
        return Phase(name=name, summary=f"{summary}: {what}", apply=apply, when=when)

    return Phase(
        name=stage,
        summary=summary,
        phases=(
            phase("backup", "keep a copy of what will change", _back_up, due_here),
            phase("authorities", "the CAs' own files", _authorities, due),
            phase("certificates", "what they sign on this control plane", _certificates, due_here),
            phase("kubeconfig", "whom the kubeconfigs trust", _kubeconfig, due_here),
            phase("kubelet", "the kubelet's certificates", _kubelet, due),
            phase("restart", "restart what reads its files only at its start", _restart, due),
            Phase(name="verify", summary=f"{summary}: verify it", verify=_verify, when=due, unchanged="verified"),
            phase("report", "record that this node has reached it", _report, due),
            phase("cluster", "change what the cluster shares, once all nodes have", _cluster, partial(_is_clusters_turn, stage)),
        ),
    )


PHASES: tuple[Phase[RotationRun], ...] = (
    Phase(name="look", summary="Check how far the rotation is", apply=_look, unchanged="seen"),
    _stage(Stage.TRUST, "Trust both CAs"),
    _stage(Stage.ISSUE, "Sign with the new CA"),
    _stage(Stage.DROP, "Drop the former CA"),
    _stage(Stage.WITHDRAW, "Sign with the former CA again"),
    _stage(Stage.RESTORE, "Drop the new CA"),
)
STEPS: tuple[Step[RotationRun], ...] = tuple(steps(PHASES))
