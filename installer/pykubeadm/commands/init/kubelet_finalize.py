"""kubelet-finalize: let the kubelet use the client certificate that it renews by itself."""

from __future__ import annotations

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.read import Kubeconfig, read_kubeconfig
from pykubeadm.node.port import File, Unit
from pykubeadm.phases.kubelet.files import rotated_pair
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes, Phase

_KUBECONFIG = f"{KUBERNETES_DIR}/kubelet.conf"
_FLAGS = ("config", "cert-dir", "dry-run")


def _check(run: ClusterRun) -> str | None:
    pair = rotated_pair(run)
    if run.node.stat(pair) is None:
        return f"the kubelet does not renew its client certificate: there is no {pair}"
    if not run.journal.owns(_KUBECONFIG):
        return f"{_KUBECONFIG} is not from this tool and stays as it is"
    user = _read(run).user
    done = user.get("client-certificate") == user.get("client-key") == pair and "client-key-data" not in user
    return f"{_KUBECONFIG} uses {pair}" if done else None


def _apply(run: ClusterRun) -> Changes:
    from pykubeadm.util.yaml_output import to_yaml

    kubeconfig, pair = _read(run), rotated_pair(run)
    user = kubeconfig.user
    for field in ("client-certificate-data", "client-key-data"):
        user.pop(field, None)
    user.update({"client-certificate": pair, "client-key": pair})
    run.node.write([File(_KUBECONFIG, to_yaml(kubeconfig.document).encode(), 0o600, secret=True)])
    changes = [f"pointed {_KUBECONFIG} to {pair}"]
    if run.node.unit("kubelet").load != "not-found":
        changes += [f"{action} the kubelet" for action in run.node.ensure_unit(Unit("kubelet", state="restarted"))]
    return changes


def _read(run: ClusterRun) -> Kubeconfig:
    content = run.node.read(_KUBECONFIG)
    if content is None:
        raise PhaseError(f"{_KUBECONFIG} does not exist; make it with `pykubeadm init phase kubeconfig kubelet`")
    try:
        return read_kubeconfig(content)
    except DocumentError as error:
        raise PhaseError(
            f"{_KUBECONFIG} {error}; move it away and make it again with `pykubeadm init phase kubeconfig kubelet`"
        ) from error


kubelet_finalize: Phase[ClusterRun] = Phase(
    name="kubelet-finalize",
    summary="Let the kubelet renew its client certificate",
    flags=_FLAGS,
    phases=(
        Phase(
            name="enable-client-cert-rotation",
            summary="Point kubelet.conf to the client certificate that the kubelet renews",
            check=_check,
            apply=_apply,
            flags=_FLAGS,
        ),
    ),
)
