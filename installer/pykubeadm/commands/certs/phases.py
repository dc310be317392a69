"""The phases of `certs renew`: one for each certificate, with what comes before and after."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from functools import partial

from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Unit
from pykubeadm.phases.certs.leaves import LEAVES, Leaf
from pykubeadm.workflow.phase import Changes, Phase, Step

KUBELET = "kubelet.conf"
# What holds a certificate in its memory until it is started again, in the order of restarts. The API server and etcd read theirs
# again when they change (apiserver: dynamiccertificates; etcd: client/pkg/transport).
_RESTARTED = {"controller-manager.conf": "kube-controller-manager", "scheduler.conf": "kube-scheduler"}
_UP_WITHIN = timedelta(minutes=1)


def steps_of(names: Collection[str]) -> tuple[Step[CertsRun], ...]:
    """The steps that renew the certificates of these names; "all" for every one there is."""
    every = "all" in names
    chosen = [_phase(leaf) for leaf in LEAVES if every or leaf.name in names]
    kubelet = [KUBELET_PHASE] if every or KUBELET in names else []
    return tuple(Step(phase.name, phase) for phase in (BACKUP, *chosen, *kubelet, RESTART))


def _phase(leaf: Leaf) -> Phase[CertsRun]:
    return Phase(
        name=leaf.name,
        summary=f"Renew the {leaf.words}",
        check=partial(_why_not, leaf),
        apply=partial(_renew, leaf),
        when=lambda run: leaf.is_wanted(run.configuration),
    )


def _why_not(leaf: Leaf, run: CertsRun) -> str | None:
    from pykubeadm.phases.certs.renew import why_not

    return why_not(run, leaf)


def _renew(leaf: Leaf, run: CertsRun) -> Changes:
    from pykubeadm.phases.certs.renew import renew

    changes = renew(run, leaf, as_before=run.as_before)
    run.renewed.append(leaf.name)
    return changes


def _back_up(run: CertsRun) -> Changes:
    """All that could be in the way is found out before the first file changes."""
    from pykubeadm.phases.certs.backup import back_up
    from pykubeadm.phases.certs.renew import files_of, require_renewable, why_not
    from pykubeadm.phases.kubelet.renew_client import files_of_kubelet
    from pykubeadm.phases.static_pods.manifests import read_static_pod
    from pykubeadm.phases.static_pods.restart import component_health

    reasons = {leaf: why_not(run, leaf) for leaf in run.leaves if leaf.is_wanted(run.configuration)}
    leaves = [leaf for leaf, reason in reasons.items() if reason is None]
    if reasons and not leaves:
        why = next(iter(reasons.values())) if len(reasons) == 1 else "no certificate here can be"
        run.note("warning", f"nothing is renewed: {why}", topic=BACKUP.name)
    if run.node.stat(CA_ROTATION_DIR) is not None:
        raise PhaseError("the CAs are being rotated: `pykubeadm certs rotate-ca` says how far that is and what is next")
    require_renewable(run, leaves, as_before=run.as_before)
    run.was_down = (
        read_static_pod(run.node, "kube-apiserver") is not None and component_health(run, "kube-apiserver")() is not None
    )
    paths = [path for leaf in leaves for path in files_of(run, leaf)]
    if run.kubelet:
        paths += files_of_kubelet(run)
    paths = [path for path in paths if run.node.stat(path) is not None]
    return [f"copied what is replaced to {back_up(run, paths)}"] if paths else ()


def _check_kubelet(run: CertsRun) -> str | None:
    from pykubeadm.phases.kubelet.renew_client import kubelet_problem

    if run.kubelet == "always" or kubelet_problem(run) is not None:
        return None
    return "the kubelet renews its certificates by itself"


def _renew_kubelet(run: CertsRun) -> Changes:
    from pykubeadm.phases.kubelet.renew_client import renew_kubelet

    return renew_kubelet(run, always=run.kubelet == "always")


def _restart(run: CertsRun) -> Changes:
    from pykubeadm.phases.static_pods.restart import restart_components

    components = [component for name, component in _RESTARTED.items() if name in run.renewed]
    if not run.restart:
        if components:
            run.note("info", f"restart {' and '.join(components)}: they continue with their old certificates", topic=RESTART.name)
        return ()
    if not run.was_down:
        return restart_components(run, components, phase=RESTART.name)
    changes: list[str] = []
    if run.kubelet_started is None:
        run.kubelet_started = run.now()
        actions = run.node.ensure_unit(Unit("kubelet", state="restarted"))
        changes += [f"{action} the kubelet, so that it starts at once what had failed" for action in actions]
    return [*changes, *restart_components(run, components, phase=RESTART.name, await_health=_comes_up(run))]


def _comes_up(run: CertsRun) -> bool:
    """Whether the API server does, which was down before. It needs etcd, and that most of its members."""
    from pykubeadm.phases.static_pods.restart import component_health
    from pykubeadm.phases.waiting import wait

    try:
        wait(run, RESTART.name, {"kube-apiserver": component_health(run, "kube-apiserver")}, _UP_WITHIN)
    except PhaseError as error:
        run.note(
            "warning",
            "the API server of this node is not up yet; etcd needs most of its members: run the same command on the other control"
            f" planes of the cluster now. {str(error).splitlines()[0]}",
            topic=RESTART.name,
        )
        return False
    return True


BACKUP: Phase[CertsRun] = Phase(
    name="backup", summary="Keep a copy of what is replaced", apply=_back_up, unchanged="nothing is replaced"
)
KUBELET_PHASE: Phase[CertsRun] = Phase(
    name=KUBELET,
    summary="Renew the certificates of a kubelet that can no longer do so itself",
    check=_check_kubelet,
    apply=_renew_kubelet,
)
RESTART: Phase[CertsRun] = Phase(
    name="restart",
    summary="Restart what does not read its certificate again by itself",
    apply=_restart,
    unchanged="nothing to restart",
)
