"""control-plane: brings the static pods of this node to the configuration, one after the other, or leaves them as they were.

What is changed and where its former content lies is on the disk before the first change (`record`). A run that was killed is so
found by the next one, which waits for what was begun and goes on. Where a component does not become healthy, everything that was
changed is put back (`putting_back`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.phases.certs.leaves import Leaf
    from pykubeadm.phases.replacing.components import Component
    from pykubeadm.phases.replacing.record import Record

_FLAGS = ("config", "kubeconfig", "dry-run", "certificate-renewal", "etcd-upgrade", "patches")


def _is_control_plane(run: ReplacingRun) -> bool:
    return run.is_control_plane


def _apply(run: ReplacingRun) -> Changes:
    from pykubeadm.errors import PykubeadmError
    from pykubeadm.phases.replacing.components import components, leaves_of, whose_certificates
    from pykubeadm.phases.replacing.putting_back import put_back
    from pykubeadm.phases.replacing.record import read_record, remove_record
    from pykubeadm.phases.static_pods.restart import require_kubelet

    record = read_record(run.node)
    if record is not None and record.restoring:
        raise put_back(run, record, record.restoring)
    every = components(run)
    begun = set(record.components if record else ())
    work = [component for component in every if component.differs or component.name in begun]
    if not work:
        return ()
    leaves = leaves_of(run, whose_certificates(run, [component.name for component in work]))
    run.keys.order(len(leaves))
    require_kubelet(run.node)
    is_begun = record is not None
    if not is_begun:
        _require_possible(run, work, leaves)
    record = _begin(run, record, work, leaves)
    changes: list[str] = []
    try:
        if is_begun:  # what cannot go on is put back
            _require_possible(run, work, leaves)
        for together in _together(work):
            record = _brought(run, record, together, leaves, changes)
        changes += _renew_administrators(run, leaves)
    except PykubeadmError as error:
        raise put_back(run, read_record(run.node) or record, str(error)) from error  # as far as it came
    remove_record(run.node)
    return changes


def _require_possible(run: ReplacingRun, work: Sequence[Component], leaves: Sequence[Leaf]) -> None:
    """All that can be seen to be in the way is found out before the first file changes."""
    from pykubeadm.phases.certs.renew import require_renewable
    from pykubeadm.phases.replacing.components import ETCD, image_of
    from pykubeadm.phases.replacing.etcd import await_healthy_etcd
    from pykubeadm.phases.replacing.images import require_images

    require_renewable(run, leaves, as_before=False)
    require_images(run, [image_of(component.wanted) for component in work if component.differs])
    if any(component.name == ETCD and component.differs for component in work):
        await_healthy_etcd(run)


def _begin(run: ReplacingRun, record: Record | None, work: Sequence[Component], leaves: Sequence[Leaf]) -> Record:
    """Copies of everything that may change, then the record that names them. Of what an earlier run has begun to change the
    copies are there, and stay."""
    from pykubeadm.phases.certs.backup import back_up
    from pykubeadm.phases.certs.renew import files_of
    from pykubeadm.phases.replacing.components import in_order
    from pykubeadm.phases.replacing.copies import copy_manifests
    from pykubeadm.phases.replacing.record import Record, updated
    from pykubeadm.util.yaml_output import to_yaml

    known = record or Record(command=run.command, target=run.target, cluster=to_yaml(run.stored.document()))
    names = [component.name for component in work if component.name not in known.components]
    files = [path for leaf in leaves for path in files_of(run, leaf) if path not in known.files]
    return updated(
        run.node,
        known,
        target=run.target,
        components=in_order((*known.components, *names)),
        manifests=copy_manifests(run, names, known.manifests) if names else known.manifests,
        files=(*known.files, *files),
        copies=back_up(run, files, known.copies) if files else known.copies,
    )


def _together(work: Sequence[Component]) -> list[Sequence[Component]]:
    """One component at a time, but the API server with etcd: it is away for as long, and the kubelet lets each wait for some 10
    seconds before it starts again."""
    from pykubeadm.phases.replacing.components import BASE

    base = [component for component in work if component.name in BASE]
    return [*([base] if base else []), *([component] for component in work if component.name not in BASE)]


def _brought(
    run: ReplacingRun, record: Record, together: Sequence[Component], leaves: Sequence[Leaf], changes: list[str]
) -> Record:
    """Replace the components, or wait for what an earlier run has replaced."""
    from pykubeadm.phases.replacing.components import ETCD
    from pykubeadm.phases.replacing.etcd import take_snapshot
    from pykubeadm.phases.replacing.record import updated
    from pykubeadm.phases.replacing.static_pod import PHASE, await_ready
    from pykubeadm.phases.replacing.turns import own_turn

    differing = [component for component in together if component.differs]
    names = [component.name for component in differing]
    with own_turn(run, names, PHASE) as members:
        if ETCD in names and (not record.snapshot or _is_unchanged(run, record, ETCD)):
            record = updated(run.node, record, snapshot=take_snapshot(run), etcd_members=members)
            changes.append(f"took a snapshot of etcd: {record.snapshot or 'not in a dry run'}")
        if differing:
            record = _replace(run, record, differing, leaves, changes)
        for component in together:
            record = _await(run, record, component)
        if together[-1].name == ETCD:  # the API server stays, and takes its time to come back to etcd
            await_ready(run, "kube-apiserver", needs=(ETCD,))
    return record


def _is_unchanged(run: ReplacingRun, record: Record, name: str) -> bool:
    """Whether the component's manifest is still the one that this run, or the one that it continues, has found."""
    from pykubeadm.phases.static_pods.manifests import manifest_path

    return run.node.read(manifest_path(name)) == run.node.read(f"{record.manifests}/{name}.yaml")


def _replace(
    run: ReplacingRun, record: Record, differing: Sequence[Component], leaves: Sequence[Leaf], changes: list[str]
) -> Record:
    from pykubeadm.phases.replacing.components import leaves_with, whose_certificates
    from pykubeadm.phases.replacing.record import updated
    from pykubeadm.phases.replacing.static_pod import pod_uid, renew_certificates, write_manifests

    names = [component.name for component in differing]
    for name in whose_certificates(run, names):
        changes += renew_certificates(run, leaves_with(name, leaves))
    healthy = tuple(other for other in record.healthy if other not in names)
    replaced = {**record.replaced, **{name: pod_uid(run, name) for name in names}}
    began = {**record.began, **dict.fromkeys(names, run.now().timestamp())}
    record = updated(run.node, record, healthy=healthy, replaced=replaced, began=began)
    write_manifests(run, {component.name: component.wanted for component in differing})
    changes += [f"{component.name}: {component.step}" for component in differing]
    return record


def _await(run: ReplacingRun, record: Record, component: Component) -> Record:
    from pykubeadm.phases.replacing.record import updated
    from pykubeadm.phases.replacing.static_pod import await_component

    name = component.name
    if not component.differs and name in record.began:
        # what is seen from then on may say why it does not start; what was before does not
        run.replaced[name] = datetime.fromtimestamp(record.began[name], UTC)
    await_component(run, name, record.replaced.get(name, ""))
    return record if name in record.healthy else updated(run.node, record, healthy=(*record.healthy, name))


def _renew_administrators(run: ReplacingRun, leaves: Sequence[Leaf]) -> Changes:
    from pykubeadm.phases.replacing.components import administrators
    from pykubeadm.phases.replacing.static_pod import renew_certificates

    return renew_certificates(run, administrators(leaves))


control_plane: Phase[ReplacingRun] = Phase(
    name="control-plane",
    summary="Upgrade the static pods of this node, one after the other",
    apply=_apply,
    when=_is_control_plane,
    flags=_FLAGS,
)
