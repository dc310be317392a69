"""kubelet-config: the cluster's KubeletConfiguration into this node's config.yaml. The kubelet reads it when it starts next."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pykubeadm.constants import KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.phases.replacing.run import ReplacingRun, reader_of
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.node.port import File

_NAME = "kubelet-config"
_KIND = "kubeadm-kubelet-config"  # kubeadm's name of the directory with the copy
_SHOWN = 20  # lines of a difference


def kubelet_files(run: ReplacingRun) -> tuple[bytes, list[File]]:
    """What config.yaml holds, and the files as they are to be, config.yaml last: with the run's KubeletConfiguration, or where it
    has none the cluster's. PhaseError where this node is not part of a cluster."""
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.stored import stored_kubelet
    from pykubeadm.phases.kubelet.files import config_file, fitting

    before = run.node.read(KUBELET_CONFIG)
    if before is None:
        raise PhaseError(f"{KUBELET_CONFIG} does not exist, so this node is not part of a cluster; `pykubeadm join` makes it one")
    instance, changed_files = _instance(run)
    wanted = run.configuration.kubelet or stored_kubelet(cluster_api(run), reader_of(run.kubeconfig_path))
    kubelet = fitting(wanted, run.node, lambda message: run.note("warning", message, topic=_NAME))
    files = [*changed_files, _replacing(config_file(run, kubelet, instance))]
    if files[-1].content != before and not run.journal.is_as_written(KUBELET_CONFIG, before):
        _show_difference(run, before, files[-1].content)
    return before, files


def _apply(run: ReplacingRun) -> Changes:
    from pykubeadm.phases.replacing.copies import copy_files
    from pykubeadm.phases.replacing.former_kubelet import OF_UPGRADE, drop_kubelet_files, keep_kubelet_files

    before, files = kubelet_files(run)
    if not run.replaces_kubelet:
        drop_kubelet_files(run, OF_UPGRADE)  # of a run that was killed: the program is the administrator's now
    elif any(run.node.read(file.path) != file.content for file in files):
        keep_kubelet_files(run, OF_UPGRADE)
    if files[-1].content == before:
        return [f"wrote {path}" for path in run.node.write(files)]
    place = copy_files(run, _KIND, [KUBELET_CONFIG])
    return [f"copied {KUBELET_CONFIG} to {place}", *(f"wrote {path}" for path in run.node.write(files))]


def _instance(run: ReplacingRun) -> tuple[dict[str, object], list[File]]:
    """What holds on this machine only, and the files that are to say so: kubeadm before 1.32 had it in the kubelet's flags."""
    from pykubeadm.manifests.kubelet import instance_text
    from pykubeadm.node.port import File
    from pykubeadm.phases.documents import read_document
    from pykubeadm.phases.kubelet.flags import RUNTIME_ENDPOINT, flag_value, read_flags, without_flags

    known = read_document(run.node, KUBELET_INSTANCE_CONFIG)
    if known is not None:
        return {name: value for name, value in known.data.items() if name not in ("apiVersion", "kind")}, []
    words = read_flags(run.node) or []
    endpoint = flag_value(words, RUNTIME_ENDPOINT)
    instance: dict[str, object] = {
        "containerRuntimeEndpoint": endpoint or run.configuration.this_node.node_registration.cri_socket
    }
    files = [File(KUBELET_INSTANCE_CONFIG, instance_text(instance).encode(), 0o644, replaces=True)]
    # The flag goes last: a run that was killed in between finds it still.
    return instance, [*files, without_flags(run.node, words, (RUNTIME_ENDPOINT,))] if endpoint else files


def _replacing(file: File) -> File:
    from dataclasses import replace

    return replace(file, replaces=True)


def _show_difference(run: ReplacingRun, before: bytes, wanted: bytes) -> None:
    """What is there is not what this tool wrote last: somebody may miss what goes."""
    old, new = (text.decode(errors="replace").splitlines() for text in (before, wanted))
    lines = [line for line in difflib.unified_diff(old, new, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    more = [f"… and {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
    run.note(
        "warning",
        f"{KUBELET_CONFIG} was not as this tool wrote it, and changes as follows; what only this node is to have belongs into a "
        "patch (kubeletconfiguration), what all nodes are to have into the ConfigMap kube-system/kubelet-config:\n"
        + "\n".join([*lines[:_SHOWN], *more]),
        topic=_NAME,
    )


kubelet_config: Phase[ReplacingRun] = Phase(
    name=_NAME,
    summary="Write the kubelet's configuration",
    apply=_apply,
    flags=("config", "kubeconfig", "dry-run", "patches"),
)
