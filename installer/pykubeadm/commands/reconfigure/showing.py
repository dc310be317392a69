"""The dry run: what is in the way, then what would change, as unified diffs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from pykubeadm.commands.existing import connect
from pykubeadm.commands.reconfigure.addon import addon
from pykubeadm.commands.reconfigure.certificates import certs, names_missing
from pykubeadm.commands.reconfigure.checks import run_preflight
from pykubeadm.commands.reconfigure.encryption.check import api_server
from pykubeadm.commands.reconfigure.encryption.rewriting import encryption_phase, to_rewrite
from pykubeadm.commands.reconfigure.endpoint import kubeconfig, moved_files
from pykubeadm.commands.reconfigure.kubelet import changed_files, kubelet
from pykubeadm.commands.reconfigure.preflight import preflight
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.kube.port import Api
from pykubeadm.phases.certs.renew import names_to_add
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.phases.replacing.differences import differences
from pykubeadm.workflow.phase import Phase, Step

_FILES: Final = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)
_OF_CLUSTER: Final = (f"{addon.name}/", f"{upload_config.name}/")
_KUBE_PROXY: Final = "ConfigMap kube-system/kube-proxy"
_CONTEXT: Final = 3  # lines, as in `upgrade diff`
_KUBELET: Final[Phase[ReconfigureRun]] = Phase(
    name="kubelet", summary="Its files alone", apply=lambda run: run.node.write(changed_files(run))
)


def show(run: ReconfigureRun, steps: Sequence[Step[ReconfigureRun]]) -> None:
    """What `steps` would do: each difference, and each certificate that would be issued again, is a result of the run.
    PreflightError with what is in the way, where they look."""
    chosen = {step.path.partition("/")[0] for step in steps}
    if preflight.name in chosen:
        run_preflight(run)
    found = [
        _differences(run, steps, chosen),
        certs.name in chosen and _certificates(run),
        encryption_phase.name in chosen and _encryption(run),
        kubeconfig.name in chosen and _kubeconfigs(run),
    ]
    if not any(found):
        run.note("info", "there is nothing to change", topic="dry-run")


def _differences(run: ReconfigureRun, steps: Sequence[Step[ReconfigureRun]], chosen: Collection[str]) -> bool:
    """Of files and objects; whether there is one. So with the others."""
    found = False
    for difference in differences(
        run,
        static_pods=control_plane.name in chosen,
        files=_FILES,
        of_node=(_KUBELET,) if kubelet.name in chosen else (),
        of_cluster=[step.phase for step in steps if step.path.startswith(_OF_CLUSTER)],
        rehearsing=lambda: _rehearsing(run),
        context=_CONTEXT,
    ):
        found = True
        run.result("difference", difference.text.rstrip("\n"), what=difference.what)
        if difference.what == _KUBE_PROXY:
            run.result("kube-proxy", "kube-proxy: restarted, one node after the other", what="kube-proxy")
    return found


def _certificates(run: ReconfigureRun) -> bool:
    leaves = names_missing(run)[0] if run.is_control_plane else []
    for leaf in leaves:
        names = names_to_add(run, leaf)
        wanted = ", ".join([*names.dns, *map(str, names.ips)])
        run.result("certificate", f"{leaf.words}: issued again, for {wanted} too", what=leaf.name)
    return bool(leaves)


def _encryption(run: ReconfigureRun) -> bool:
    component = api_server(run) if run.is_control_plane else None
    due = to_rewrite(run, component.wanted) if component else {}
    for resource, number in due.items():
        run.result("encryption", f"{number} of {resource}: written again, by the last control plane", what=resource)
    return bool(due)


def _kubeconfigs(run: ReconfigureRun) -> bool:
    new, moved = moved_files(run)
    for file in moved:
        run.result("kubeconfig", f"{file.path}: pointed to {new}", what=file.path)
    return bool(moved)


def _rehearsing(run: ReconfigureRun) -> Api:
    """The API server that stores nothing."""
    server = run.api.server if run.api else ""
    return connect(run.node, run.kubeconfig_path, lambda _text: None, server=server, dry_run=True)
