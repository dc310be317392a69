"""kubeconfig: a control plane's kubelet speaks to the API server of its own node, as one of another version may not understand it
(kubeadm: ControlPlaneKubeletLocalMode)."""

from __future__ import annotations

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.workflow.phase import Changes, Phase

_PATH = f"{KUBERNETES_DIR}/kubelet.conf"


def _is_control_plane(run: UpgradeRun) -> bool:
    return run.is_control_plane


def _apply(run: UpgradeRun) -> Changes:
    """A kubelet that speaks to another address than controlPlaneEndpoint does so by the user's choice."""
    from pykubeadm.config.endpoint import control_plane_url, local_url
    from pykubeadm.node.port import File, Unit
    from pykubeadm.phases.kubeconfig.held import held_client
    from pykubeadm.util.yaml_output import to_yaml

    held, stat = held_client(run.node, _PATH), run.node.stat(_PATH)
    ours, shared = local_url(run.configuration.this_node.local_api_endpoint), control_plane_url(run.configuration)
    changes: list[str] = []
    if held is not None and stat is not None and held.kubeconfig.server == shared != ours:
        held.kubeconfig.cluster["server"] = ours
        content = to_yaml(held.kubeconfig.document).encode()
        # Stopped before its file changes: were we killed in between, the next run finds a kubelet to start, and not one that goes
        # on with the former server.
        run.node.ensure_unit(Unit("kubelet", enabled=None, state="stopped"))
        run.node.write([File(_PATH, content, stat.mode, stat.uid, stat.gid, secret=True, replaces=True)])
        changes.append(f"pointed {_PATH} to this node's API server, {ours}")
    actions = run.node.ensure_unit(Unit("kubelet", enabled=None, state="started"))
    return [*changes, *(f"{action} the kubelet" for action in actions)]


kubeconfig: Phase[UpgradeRun] = Phase(
    name="kubeconfig",
    summary="Have the kubelet speak to this node's own API server",
    apply=_apply,
    when=_is_control_plane,
    flags=("config", "kubeconfig", "dry-run"),
    hidden=True,
)
