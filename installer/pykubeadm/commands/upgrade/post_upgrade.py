"""post-upgrade: the kubelet's flags without those that the new version's kubelet refuses, which else would not start any more."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.constants import KUBELET_FLAGS_ENV
from pykubeadm.workflow.phase import Changes, Phase

_KIND = "kubeadm-kubelet-env"  # kubeadm's name of the directory with the copy
# Flag → the first minor without it (kubeadm 1.35 and 1.37: cmd/phases/upgrade/postupgrade.go).
_GONE: Final = {"pod-infra-container-image": 35, "container-runtime-endpoint": 37}


def _apply(run: UpgradeRun) -> Changes:
    from pykubeadm.commands.upgrade.copies import copy_files
    from pykubeadm.commands.upgrade.kubelet_flags import flag_name, read_flags, without_flags
    from pykubeadm.config.versions import parse_version

    minor = parse_version(run.target).minor
    words = read_flags(run.node) or []
    gone = sorted({flag_name(word) for word in words if _GONE.get(flag_name(word), minor + 1) <= minor})
    if not gone:
        return ()
    place = copy_files(run, _KIND, [KUBELET_FLAGS_ENV])
    run.node.write([without_flags(run.node, words, gone)])
    return [f"removed {', '.join(f'--{name}' for name in gone)} from {KUBELET_FLAGS_ENV}; it is kept in {place}"]


post_upgrade: Phase[UpgradeRun] = Phase(
    name="post-upgrade",
    summary="Remove flags of the kubelet that its new version refuses",
    apply=_apply,
    unchanged="nothing to do",
    flags=("config", "kubeconfig", "dry-run"),
)
