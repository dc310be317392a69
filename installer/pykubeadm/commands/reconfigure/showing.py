"""The dry run: what is in the way, then what would change, as unified diffs."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.existing import connect
from pykubeadm.commands.reconfigure.addon import addon
from pykubeadm.commands.reconfigure.certificates import lacking
from pykubeadm.commands.reconfigure.checks import run_preflight
from pykubeadm.commands.reconfigure.encryption.check import api_server
from pykubeadm.commands.reconfigure.encryption.rewriting import to_rewrite
from pykubeadm.commands.reconfigure.endpoint import moved_files
from pykubeadm.commands.reconfigure.kubelet import changed_files
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.kube.port import Api
from pykubeadm.phases.certs.renew import names_to_add
from pykubeadm.phases.replacing.differences import differences
from pykubeadm.workflow.phase import Phase

_FILES: Final = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)
_KUBE_PROXY: Final = "ConfigMap kube-system/kube-proxy"
_CONTEXT: Final = 3  # lines, as in `upgrade diff`
_KUBELET: Final[Phase[ReconfigureRun]] = Phase(
    name="kubelet", summary="Its files alone", apply=lambda run: run.node.write(changed_files(run))
)


def show(run: ReconfigureRun) -> None:
    """Each difference, and each certificate that would be issued again, is a result of the run. PreflightError with what is in
    the way."""
    run_preflight(run)
    found = False
    for difference in differences(
        run,
        files=_FILES,
        of_node=(_KUBELET,),
        of_cluster=(addon, upload_config),
        rehearsing=lambda: _rehearsing(run),
        context=_CONTEXT,
    ):
        found = True
        run.result("difference", difference.text.rstrip("\n"), what=difference.what)
        if difference.what == _KUBE_PROXY:
            run.result("kube-proxy", "kube-proxy: restarted, one node after the other", what="kube-proxy")
    for leaf in lacking(run)[0] if run.is_control_plane else ():
        found = True
        names = names_to_add(run, leaf)
        wanted = ", ".join([*names.dns, *map(str, names.ips)])
        run.result("certificate", f"{leaf.words}: issued again, for {wanted} too", what=leaf.name)
    component = api_server(run) if run.is_control_plane else None
    for resource, number in (to_rewrite(run, component.wanted) if component else {}).items():
        found = True
        run.result("encryption", f"{number} of {resource}: written again, by the last control plane", what=resource)
    new, moved = moved_files(run)
    for file in moved:
        found = True
        run.result("kubeconfig", f"{file.path}: pointed to {new}", what=file.path)
    if not found:
        run.note("info", "there is nothing to change", topic="dry-run")


def _rehearsing(run: ReconfigureRun) -> Api:
    """The API server that stores nothing."""
    server = run.api.server if run.api else ""
    return connect(run.node, run.kubeconfig_path, lambda _text: None, server=server, dry_run=True)
