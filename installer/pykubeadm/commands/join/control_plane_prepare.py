"""control-plane-prepare: everything a control plane has on its disk before its kubelet starts, but for etcd's manifest."""

from __future__ import annotations

from collections.abc import Collection

from pykubeadm.commands.join.discovery_flags import DISCOVERY
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import File
from pykubeadm.phases.certs.phase import certs as init_certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig as init_kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane as init_control_plane
from pykubeadm.pki.table import TABLE as CERTIFICATES
from pykubeadm.workflow.phase import Changes, Phase

_PUBLIC_SUFFIX = ".crt"


def steps_with_keys(run: JoinRun) -> list[str]:
    """The steps of `init` that are done here and make private keys, for `phases.keys.order_keys`."""
    if not run.is_control_plane:
        return []
    leaves = [f"certs/{entry.name}" for entry in CERTIFICATES if not entry.is_ca]
    return [*leaves, *(f"kubeconfig/{entry.name}" for entry in run.kubeconfigs)]


def _is_control_plane(run: JoinRun) -> bool:
    return run.is_control_plane


def _has_shared_files(run: JoinRun) -> bool:
    return bool(run.shared_files)


def _download_certs(run: JoinRun) -> Changes:
    """Never over another cluster's keys, which may be the only ones."""
    others = [
        path
        for path, content in run.shared_files.items()
        if not run.journal.owns(path) and (found := run.node.read(path)) is not None and found.strip() != content.strip()
    ]
    if others:
        raise PhaseError(
            f"{', '.join(others)} on this node {'is' if len(others) == 1 else 'are'} not what the control planes share: "
            "move away what is there, then run this again"
        )
    written = run.node.write(
        [
            # kubeadm has certificates readable and every key, sa.pub among them, for root alone.
            File(path, content, 0o644 if path.endswith(_PUBLIC_SUFFIX) else 0o600, secret=not path.endswith(_PUBLIC_SUFFIX))
            for path, content in run.shared_files.items()
        ]
    )
    return [f"wrote {path} from the cluster's shared certificates" for path in written]


def _certs(run: JoinRun) -> Changes:
    return _each(run, init_certs)


def _kubeconfig(run: JoinRun) -> Changes:
    return _each(run, init_kubeconfig, only=[entry.name for entry in run.kubeconfigs])


def _control_plane(run: JoinRun) -> Changes:
    return _each(run, init_control_plane)


def _each(run: JoinRun, group: Phase[JoinRun], only: Collection[str] | None = None) -> Changes:
    """What `init` does in a group of phases, in one phase as kubeadm's join has it."""
    changes: list[str] = []
    for phase in group.phases:
        if (only is not None and phase.name not in only) or not phase.when(run):
            continue
        if phase.check is not None and phase.check(run) is not None:
            continue
        if phase.apply is not None:
            changes += phase.apply(run)
    return changes


control_plane_prepare: Phase[JoinRun] = Phase(
    name="control-plane-prepare",
    summary="Prepare the node to be a control plane",
    phases=(
        Phase(
            name="download-certs",
            summary="Write what control planes share, from Secret kubeadm-certs",
            apply=_download_certs,
            when=_has_shared_files,
            flags=(*DISCOVERY, "certificate-key", "control-plane"),
        ),
        Phase(
            name="certs",
            summary="Make this control plane's certificates",
            apply=_certs,
            when=_is_control_plane,
            flags=(*DISCOVERY, "apiserver-advertise-address", "control-plane", "node-name"),
        ),
        Phase(
            name="kubeconfig",
            summary="Write the kubeconfig files of this control plane",
            apply=_kubeconfig,
            when=_is_control_plane,
            flags=(*DISCOVERY, "certificate-key", "control-plane"),
        ),
        Phase(
            name="control-plane",
            summary="Write the static pod manifests of this control plane",
            apply=_control_plane,
            when=_is_control_plane,
            flags=("apiserver-advertise-address", "apiserver-bind-port", "control-plane", "patches"),
        ),
    ),
)
