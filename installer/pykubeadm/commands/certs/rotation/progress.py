"""How far the rotation is: what this node has to do next, whom it waits for, and when the stage moves on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykubeadm.commands.certs.rotation.cluster import settle_cluster
from pykubeadm.commands.certs.rotation.material import (
    forget_material,
    has_material,
    keep_material,
    kept_key,
    make_material,
    needs_none,
)
from pykubeadm.commands.certs.rotation.record import (
    Rotation,
    end_rotation,
    forget_reports,
    move,
    read_rotation,
    report,
    store_rotation,
)
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.sharing import fetch_material, share_material
from pykubeadm.commands.certs.rotation.stages import BACK, NEXT, Stage, concerns_workers
from pykubeadm.commands.certs.rotation.workloads import restart_workloads
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.replacing.record import PATH as REPLACING
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.util.kube_object import KubeObject


def look(run: RotationRun) -> Changes:
    """Begin the rotation that was asked for, turn back the one under way, or continue it."""
    run.rotation = _read(run)
    changes: list[str] = []
    if run.rotation is None:
        if run.abort or (run.finish and not run.names):
            raise PhaseError(f"no rotation is under way; {run.advice.to_run(' all')} starts one")
        if not run.names:
            forget_material(run.node)
            if run.is_control_plane:
                forget_reports(cluster_api(run), _nodes(run))
            run.result("rotation", f"No rotation is under way. {run.advice.to_run(' all')} starts one.")
            return ()
        changes += _begin(run)
    elif run.names and set(run.names) != set(run.under_way.names):
        raise PhaseError(
            f"a rotation of {', '.join(run.under_way.names)} is under way: finish or abort it first "
            f"(`{run.advice.command}` continues it)"
        )
    if run.abort:
        changes += _turn_back(run)
    _see_whether_due(run)
    if run.is_due and run.is_control_plane:
        _require_nothing_begun(run)
        if not has_material(run):
            changes += report_stage(run) if needs_none(run) else fetch_material(run)
    return changes


def _read(run: RotationRun) -> Rotation | None:
    """Nodes may only read it while there is one."""
    try:
        return read_rotation(cluster_api(run))
    except ApiStatusError as error:
        if run.is_control_plane or error.code != 403:
            raise
        return None


def _begin(run: RotationRun) -> Changes:
    if not run.is_control_plane:
        raise PhaseError("a rotation is started on a control plane; this node is a worker")
    _require_nothing_begun(run)
    _require_ready(_nodes(run))
    material = make_material(run, run.names)
    rotation = Rotation(
        id=secrets.token_hex(4),
        names=run.names,
        stage=Stage.TRUST,
        certificates={name: (both.old.certificate, both.new.certificate) for name, both in material.items()},
    )
    keep_material(run.node, rotation.id, material)
    run.rotation = store_rotation(cluster_api(run), rotation)
    return [f"started the rotation {rotation.id} of {', '.join(run.names)}"]


def _require_nothing_begun(run: RotationRun) -> None:
    """What such a run puts back where it fails is of before the rotation."""
    if run.node.stat(REPLACING) is not None:
        raise PhaseError("an upgrade or a reconfiguration of this node is not finished: run that command again first")


def _require_ready(nodes: Sequence[KubeObject]) -> None:
    away = [node["metadata"]["name"] for node in nodes if not is_ready(node)]
    if away:
        raise PhaseError(
            f"{', '.join(away)} {'is' if len(away) == 1 else 'are'} not Ready: every node has to reach each stage; bring them"
            " back, or take them out of the cluster (`pykubeadm node remove`)"
        )


def _turn_back(run: RotationRun) -> Changes:
    """PhaseError where it is too late."""
    rotation = run.under_way
    if rotation.stage in (Stage.WITHDRAW, Stage.RESTORE):
        return ()
    if rotation.stage not in BACK:
        raise PhaseError(
            f"the stage {rotation.stage} has begun, in which nodes drop the former CA: it cannot be aborted; continue with"
            f" `{run.advice.command}`, and rotate again where the new CA is not to stay"
        )
    if not run.is_control_plane:
        raise PhaseError("a rotation is aborted on a control plane; this node is a worker")
    run.rotation = move(cluster_api(run), rotation, stage=BACK[rotation.stage], workers="")
    return [f"turned back from the stage {rotation.stage}"]


def _see_whether_due(run: RotationRun) -> None:
    """Where this node says that it has come to the stage, or its turn has not come, there is nothing to do here."""
    rotation = run.under_way
    api = cluster_api(run)
    node = retrying(lambda: api.get("v1", "Node", run.node_name), api.call_timeout)
    if node is None:
        raise PhaseError(f"there is no Node {run.node_name} in the cluster, so it cannot say how far it is")
    done = rotation.is_reported(node)
    if done and not rotation.stage.trusts_both:
        forget_material(run.node)
    if run.is_control_plane:
        run.is_due = not done
        return
    its_turn = rotation.workers == rotation.stage and concerns_workers(rotation.names)
    run.is_due = its_turn and not done
    if done:
        run.result("rotation", f"This node has reached the stage {rotation.stage}. Continue with {run.advice.to_run()}.")
    elif not concerns_workers(rotation.names):
        run.result("rotation", f"Workers have no part in the rotation of {', '.join(rotation.names)}.")
    elif not its_turn:
        run.result("rotation", f"Control planes take the stage {rotation.stage} first: run `{run.advice.command}` there.")


def report_stage(run: RotationRun) -> Changes:
    rotation = run.under_way
    report(cluster_api(run), run.node_name, rotation)
    run.is_due = False
    if not rotation.stage.trusts_both:
        forget_material(run.node)
    if not run.is_control_plane:
        run.result("rotation", f"This node has reached the stage {rotation.stage}. Continue with {run.advice.to_run()}.")
    return [f"Node {run.node_name} is recorded to have reached the stage {rotation.stage}"]


def move_on(run: RotationRun) -> Changes:
    """To the next stage, once all nodes have come to this one and the cluster has followed; else say who is to follow."""
    rotation, api = run.under_way, cluster_api(run)
    nodes = _nodes(run)
    waiting = [node for node in nodes if not rotation.is_reported(node)]
    control_planes = [node for node in waiting if _is_control_plane(node)]
    if control_planes:
        without_keys = rotation.stage.trusts_both and not all(map(rotation.has_part, control_planes))
        shared = share_material(run) if without_keys else ()
        _say_next(run, control_planes, f" --certificate-key {kept_key(run.node)}" if without_keys else "")
        return shared
    changes: list[str] = []
    if concerns_workers(rotation.names):
        if rotation.workers != rotation.stage:
            run.rotation = rotation = move(api, rotation, workers=str(rotation.stage))
        if waiting:
            _say_next(run, waiting)
            return ()
    changes += settle_cluster(run, nodes)
    if rotation.stage not in NEXT:
        return [*changes, *_end(run, nodes)]
    return [*changes, *_next(run, rotation)]


def _next(run: RotationRun, rotation: Rotation) -> Changes:
    if rotation.stage is Stage.ISSUE:
        changes = restart_workloads(run)
        if not run.finish:
            run.result(
                "rotation",
                "All nodes use certificates of the new CA and trust both. Hand out kubeconfigs and tokens used elsewhere,"
                f"\nthen `{run.advice.command} --finish` removes the former CA for good; "
                f"`{run.advice.command} --abort` goes back.",
                stage=str(rotation.stage),
            )
            return changes
    else:
        changes = ()
    trusted_since = run.now().isoformat(timespec="seconds") if rotation.stage is Stage.TRUST else rotation.trusted_since
    stage = NEXT[rotation.stage]
    run.rotation = move(cluster_api(run), rotation, stage=stage, workers="", trusted_since=trusted_since)
    run.is_due = True
    return [*changes, f"the cluster has reached the stage {rotation.stage}; {stage} is next"]


def _end(run: RotationRun, nodes: Sequence[KubeObject]) -> Changes:
    rotation = run.under_way
    end_rotation(cluster_api(run), nodes)
    run.rotation = None
    done = "Rotated" if rotation.stage is Stage.DROP else "Aborted; everything is as it was:"
    run.result("rotation", f"{done} {', '.join(rotation.names)}.", stage=str(rotation.stage))
    return [f"ended the rotation {rotation.id}"]


def _say_next(run: RotationRun, nodes: Sequence[KubeObject], option: str = "") -> None:
    rotation, names = run.under_way, [node["metadata"]["name"] for node in nodes]
    run.result(
        "rotation",
        f"Stage {rotation.stage}: this node is ready. Next, one after the other, on {', '.join(names)}:\n\n"
        f"  {run.advice.command}{option}\n\nand then here again: {run.advice.command}",
        stage=str(rotation.stage),
        nodes=",".join(names),
    )


def _nodes(run: RotationRun) -> list[KubeObject]:
    api = cluster_api(run)
    return retrying(lambda: api.list("v1", "Node"), api.call_timeout)


def _is_control_plane(node: KubeObject) -> bool:
    return LABEL_CONTROL_PLANE in (node["metadata"].get("labels") or {})
