"""`upgrade diff`: what an upgrade would change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.existing import connect
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.bootstrap_token import bootstrap_token
from pykubeadm.commands.upgrade.post_upgrade import post_upgrade
from pykubeadm.commands.upgrade.preview import warn_of_interrupted, with_patches
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.commands.upgrade.upload_config import upload_config
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.kube.port import Api
from pykubeadm.phases.addons.phase import addon
from pykubeadm.phases.replacing.differences import Difference
from pykubeadm.phases.replacing.differences import differences as differences_of
from pykubeadm.phases.replacing.kubelet_config import kubelet_config
from pykubeadm.workflow.events import Subscriber

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node

# After the static pods, which are waited for where they are upgraded, in the order in which they are shown.
_NODE = (kubelet_config, post_upgrade)
_CLUSTER = (addon, upload_config, bootstrap_token)
_FILES = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)
_CONTEXT = 3  # lines; kubeadm: cmd/upgrade/diff.go


def diff(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> bool:
    """Whether there are differences; each is a result of the run. By kubeadm's flags, with underscores, and `kubernetes_version`;
    `source` is what --config names; patches are those of `options`, else those of `apply` in the UpgradeConfiguration."""
    run = begin("diff", {**options, "patches": None}, emit, machine=machine, source=source)
    patched = with_patches(run, options.get("patches") or "")
    lines = options.get("context_lines")
    context = lines if lines is not None else run.upgrade.diff.context_lines or _CONTEXT
    found = False
    for difference in differences(patched, lambda: _rehearsing(run), context):
        found = True
        run.result("difference", difference.text.rstrip("\n"), what=difference.what)
    return found


def differences(run: UpgradeRun, rehearsing: Callable[[], Api], context: int) -> Iterator[Difference]:
    """In a fixed order: static pods, the kubelet's files, add-ons, the cluster's configuration. `rehearsing` gives the API server
    that stores nothing. PhaseError where something cannot be upgraded."""
    warn_of_interrupted(run)
    return differences_of(run, files=_FILES, of_node=_NODE, of_cluster=_CLUSTER, rehearsing=rehearsing, context=context)


def _rehearsing(run: UpgradeRun) -> Api:
    server = run.api.server if run.api else ""
    return connect(run.node, run.kubeconfig_path, lambda _text: None, server=server, dry_run=True)
