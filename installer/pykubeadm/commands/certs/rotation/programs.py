"""Starts again what reads the files of a stage only when it starts, one after the other, each healthy before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.authorities import MANAGER, remove_signing, signing_manifest
from pykubeadm.commands.certs.rotation.kubelets import KUBELET_CONF
from pykubeadm.commands.certs.rotation.material import note_restarted, restarted_in
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, KUBELET, SERVICE_ACCOUNTS, Stage, restarted
from pykubeadm.config.endpoint import local_url
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import File, Unit
from pykubeadm.phases.cluster.wait_control_plane import wait_for_kubelet
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.kubelet.serving_approver import UNIT as APPROVER
from pykubeadm.phases.replacing.components import API_SERVER, BASE
from pykubeadm.phases.replacing.turns import other_servers, own_turn
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.phases.static_pods.present import arguments, present_pod
from pykubeadm.phases.static_pods.restart import end_components
from pykubeadm.phases.static_pods.stopped import await_healthy
from pykubeadm.util.ip import split_host_port
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASE: Final = "restart"
_THIS_NODE: Final = ("localhost", "127.0.0.1", "::1")


def restart_programs(run: RotationRun) -> Changes:
    """What has been started again for this stage before, by a run that was killed, is left alone."""
    rotation = run.under_way
    wanted = [name for name in (*_checks_kubelets(run), *restarted(rotation.stage, rotation.names)) if _is_here(run, name)]
    done = restarted_in(run.node, rotation.id)
    due = [name for name in dict.fromkeys(wanted) if done.get(name) != rotation.stage]
    changes: list[str] = []
    for together in _together(due):
        changes += _restart(run, together)
        done |= dict.fromkeys(together, str(rotation.stage))
        note_restarted(run.node, rotation.id, done)
    return [*changes, *(remove_signing(run) if run.is_control_plane else ())]


def _checks_kubelets(run: RotationRun) -> Sequence[str]:
    """The API server, where it is to check what kubelets show: whom to trust for that it reads when it starts, as client-go did
    before 1.36."""
    if CA not in run.under_way.names or run.under_way.stage in (Stage.ISSUE, Stage.WITHDRAW):
        return ()
    return (API_SERVER,) if "kubelet-certificate-authority" in arguments(present_pod(run.node, API_SERVER)) else ()


def _is_here(run: RotationRun, name: str) -> bool:
    if name == KUBELET:
        return run.node.unit("kubelet").load != "not-found"
    return run.is_control_plane and run.node.stat(manifest_path(name)) is not None


def _together(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Etcd and the API server sit out their restart at once, all others take turns."""
    base = tuple(name for name in BASE if name in names)
    return [*([base] if base else []), *((name,) for name in names if name not in BASE)]


def _restart(run: RotationRun, names: Sequence[str]) -> Changes:
    if names == (KUBELET,):
        return _restart_kubelet(run)
    with own_turn(run, names, PHASE):
        return _replace(run, names)


def _replace(run: RotationRun, names: Sequence[str]) -> Changes:
    manifest = signing_manifest(run) if MANAGER in names else None
    if manifest is not None:
        path = manifest_path(MANAGER)
        stat = run.node.stat(path)
        mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat else (0o600, 0, 0)
        run.replaced[MANAGER] = run.now()
        run.node.write([File(path, manifest, mode, uid, gid, replaces=True)])
        changes: list[str] = [f"replaced {MANAGER}"]
    else:
        # The API server first: without its etcd it would take long to end.
        changes = [f"restarted {name}" for name in end_components(run, sorted(names, reverse=True))]
    for name in names:
        await_healthy(run, name, PHASE)
    return changes


def _restart_kubelet(run: RotationRun) -> Changes:
    run.kubelet_started = run.now()
    actions = run.node.ensure_unit(Unit("kubelet", enabled=None, state="restarted"))
    if not run.node.dry_run:
        wait_for_kubelet(run, PHASE)
    return [*(f"{action} the kubelet" for action in actions), *_restart_approver(run)]


def _restart_approver(run: RotationRun) -> Changes:
    """It holds admin.conf as it was when it started."""
    if run.node.unit(APPROVER).active != "active":
        return ()
    return [f"{action} {APPROVER}" for action in run.node.ensure_unit(Unit(APPROVER, enabled=None, state="restarted"))]


def require_crictl(run: RotationRun) -> None:
    """PhaseError where what reads its files once could not be started again: it would go on with the former ones, unnoticed."""
    from pykubeadm.node.cri import Cri, CrictlMissingError

    if run.is_control_plane:
        try:
            Cri(run.node, run.configuration.this_node.node_registration.cri_socket).containers()
        except CrictlMissingError as error:
            raise PhaseError(f"the control plane's programs could not be started again: {error}") from error


def require_own_server(run: RotationRun) -> None:
    """PhaseError where several API servers give out tokens, and this node's kubelet or controller manager would get theirs from
    another one, which may still sign with the former key. kubeadm has both ask their own (phases/kubeconfig; of older clusters
    phases/upgrade/postupgrade.go)."""
    rotation = run.under_way
    if not run.is_control_plane or rotation.stage is not Stage.TRUST or SERVICE_ACCOUNTS not in rotation.names:
        return
    own = local_url(run.configuration.this_node.local_api_endpoint)
    paths = (KUBELET_CONF, f"{run.kubeconfig_dir}/controller-manager.conf")
    held = [client for path in paths if (client := held_client(run.node, path)) is not None]
    astray = [client for client in held if not _leads_to(client.kubeconfig.server, own)]
    if astray and other_servers(run):
        found = ", ".join(f"{client.path} to {client.kubeconfig.server}" for client in astray)
        raise PhaseError(
            f"tokens of ServiceAccounts have to come from this node's own API server, {own}, but these lead elsewhere: {found};"
            " change their `server`, restart what uses them (`systemctl restart kubelet`), then run this again"
        )


def _leads_to(server: str, own: str) -> bool:
    host = split_host_port(server.removeprefix("https://").rstrip("/"))[0]
    return server.rstrip("/") == own or host in _THIS_NODE
