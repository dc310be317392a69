"""post-upgrade: the kubelet's flags without those that the new version's kubelet refuses, which else would not start any more."""

from __future__ import annotations

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.constants import KUBELET_FLAGS_ENV
from pykubeadm.workflow.phase import Changes, Phase

_KIND = "kubeadm-kubelet-env"  # kubeadm's name of the directory with the copy


def _apply(run: UpgradeRun) -> Changes:
    from pykubeadm.commands.upgrade.retired import retired_flags
    from pykubeadm.config.versions import parse_version
    from pykubeadm.phases.kubelet.flags import flag_name, read_flags, without_flags
    from pykubeadm.phases.replacing.copies import copy_files
    from pykubeadm.phases.replacing.former_kubelet import OF_UPGRADE, keep_kubelet_files

    words = read_flags(run.node) or []
    gone = sorted(retired_flags("kubelet", map(flag_name, words), parse_version(run.target).minor))
    if not gone:
        return ()
    if run.replaces_kubelet:
        keep_kubelet_files(run, OF_UPGRADE)
    place = copy_files(run, _KIND, [KUBELET_FLAGS_ENV])
    run.node.write([without_flags(run.node, words, gone)])
    return [f"removed {', '.join(f'--{name}' for name in gone)} from {KUBELET_FLAGS_ENV}; it is kept in {place}"]


post_upgrade: Phase[UpgradeRun] = Phase(
    name="post-upgrade",
    summary="Remove kubelet flags that its new version refuses",
    apply=_apply,
    unchanged="nothing to do",
    flags=("config", "kubeconfig", "dry-run"),
)
