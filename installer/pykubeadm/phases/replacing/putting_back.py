"""Puts back what a run has changed on this node, and says what has become of it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pykubeadm.errors import ApiError, NodeError, PhaseError, PykubeadmError
from pykubeadm.node.port import File
from pykubeadm.phases.replacing.components import API_SERVER, ETCD
from pykubeadm.phases.replacing.record import PATH, Record, remove_record, updated
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.replacing.static_pod import PHASE, await_component, await_ready, place_manifests, pod_uid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.util.kube_object import KubeObject


def put_back(run: ReplacingRun, record: Record, why: str) -> PhaseError:
    """The error that the run ends with: why it failed, and in which state the node is now.

    The newest first: what speaks to an API server is never newer than it. The API server with its etcd, which it waits for. An
    etcd of another minor version that was seen to be healthy stays: older API servers work with it, and etcd does not support
    going back.
    """
    first, _, rest = why.partition("\n")
    run.note("warning", f"{first}; putting back what was changed", topic="control-plane")
    problems: list[str] = []
    try:
        record = record if record.restoring else updated(run.node, record, restoring=why)
    except PykubeadmError as error:  # a full disk may still take what is put back
        problems.append(str(error))
    keeps_etcd = ETCD in record.healthy and _has_moved(run, record)
    names = [name for name in reversed(record.components) if not (name == ETCD and keeps_etcd)]
    later: dict[str, str] | None = {} if ETCD in names and ETCD in record.replaced else None
    for name in names:
        try:
            _put_back_component(run, record, name, later)
        except PykubeadmError as error:
            problems.append(f"{name}: {error}")
    problems += _put_back_files(run, record, keep=_etcd_files(run) if keeps_etcd else ())
    if problems:
        state = (
            f"not everything could be put back: former manifests are in {record.manifests}, {PATH} names the rest. Fix what is "
            "named here, then run this again, which continues to put it back:"
        )
        return PhaseError("\n".join([f"{first}; {state}", *problems, rest]).rstrip())
    remove_record(run.node)
    before = _version_before(run)
    kept = " but for etcd, which stays at its new version" if keeps_etcd else ""
    state = f"everything that was changed here was put back{kept}, and this control plane runs {before} as before"
    return PhaseError(f"{first}; {state}\n{rest}".rstrip())


def _has_moved(run: ReplacingRun, record: Record) -> bool:
    """Whether etcd is of another minor version now; where that is not known, it is taken to be."""
    from pykubeadm.config.versions import etcd_version
    from pykubeadm.phases.replacing.components import image_tag
    from pykubeadm.phases.replacing.etcd import former_manifest
    from pykubeadm.phases.static_pods.manifests import read_static_pod

    try:
        pods = (former_manifest(run, record)[1], read_static_pod(run.node, ETCD) or {})
        before, now = (etcd_version(image_tag(pod)) for pod in pods)
    except (PhaseError, LookupError):
        return True
    return before is None or now is None or before[:2] != now[:2]


def _put_back_component(run: ReplacingRun, record: Record, name: str, later: dict[str, str] | None) -> None:
    """Where `later` is given, etcd comes after the API server, and both are awaited then; `later` gets the UID of the API
    server's pod."""
    from pykubeadm.phases.replacing.etcd import lacks_data, restore_data
    from pykubeadm.phases.replacing.turns import turn

    content = run.node.read(f"{record.manifests}/{name}.yaml")
    if content is None:
        raise PhaseError(f"{record.manifests}/{name}.yaml, the copy of its manifest, is gone")
    _put_back_certificates(run, record, name)
    if name == ETCD and lacks_data(run, record):
        restore_data(run, record)
        return
    shared = name == ETCD and record.etcd_members > 1 and name in record.healthy
    with turn(run, PHASE, etcd=shared, servers={}):  # what is broken waits for no API server
        _place_former(run, record, name, content, later)


def _place_former(run: ReplacingRun, record: Record, name: str, content: bytes, later: dict[str, str] | None) -> None:
    from pykubeadm.phases.replacing.etcd import restore_data

    failed = _uid_if_known(run, name)
    if not place_manifests(run, {name: content}) and name not in record.replaced:
        return  # it was not changed yet
    former = failed if _has_run(record, name, failed) else ""
    if name == API_SERVER and later is not None:
        later[name] = former
        return
    try:
        await_component(run, name, former)
    except PhaseError:
        if name != ETCD:
            raise
        restore_data(run, record)
    if name == ETCD:  # the last one
        if later:
            await_component(run, API_SERVER, later[API_SERVER])
        else:  # it takes its time to come back to etcd
            await_ready(run, API_SERVER, needs=(ETCD,))


def _uid_if_known(run: ReplacingRun, name: str) -> str:
    """Of the pod that is to go; "" also where nobody says, as without crictl while the API server is what failed. That is no
    reason to leave its manifest in place."""
    try:
        return pod_uid(run, name)
    except (ApiError, NodeError):
        return ""


def _has_run(record: Record, name: str, uid: str) -> bool:
    """Whether the pod of this UID is that of the run, not the one that ran before."""
    return uid != record.replaced.get(name, uid)


def _put_back_certificates(run: ReplacingRun, record: Record, name: str) -> None:
    from pykubeadm.phases.replacing.components import files_with

    _write_copies(run, record, [path for path in record.files if path in files_with(run, name)])


def _put_back_files(run: ReplacingRun, record: Record, keep: Sequence[str]) -> list[str]:
    try:
        _write_copies(run, record, [path for path in record.files if path not in keep])
    except PykubeadmError as error:
        return [str(error)]
    return []


def _etcd_files(run: ReplacingRun) -> tuple[str, ...]:
    from pykubeadm.phases.replacing.components import files_with

    return files_with(run, ETCD)


def _write_copies(run: ReplacingRun, record: Record, paths: Sequence[str]) -> None:
    files = []
    for path in paths:
        content, stat = run.node.read(f"{record.copies}{path}"), run.node.stat(path)
        if content is None:
            raise PhaseError(f"{record.copies}{path}, the copy of {path}, is gone")
        mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat else (0o600, 0, 0)
        files.append(File(path, content, mode, uid, gid, secret=posixpath.splitext(path)[1] != ".crt", replaces=True))
    run.node.write(files)


def _version_before(run: ReplacingRun) -> str:
    from pykubeadm.phases.replacing.components import image_tag
    from pykubeadm.phases.static_pods.manifests import read_static_pod

    pod: KubeObject | None = read_static_pod(run.node, "kube-apiserver")
    return image_tag(pod) if pod else "its former version"
