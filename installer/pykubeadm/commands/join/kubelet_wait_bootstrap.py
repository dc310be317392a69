"""kubelet-wait-bootstrap: until the kubelet has a certificate of its own; then the token's credentials leave the disk."""

from __future__ import annotations

import time

from pykubeadm.commands.join.kubelet_start import BOOTSTRAP_CONF
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.commands.join.trust import KUBELET_CONF
from pykubeadm.node.port import File, Unit
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.phase import Changes, Phase

_NAME = "kubelet-wait-bootstrap"
_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
_ASK_EVERY = 1.0  # seconds
_PATIENCE = 0.5  # seconds
# A kubelet without a certificate tries for its CSINode, without which its Node is not Ready, about 0.03, 0.3, 2, 18 and 140
# seconds after its start (Kubernetes: pkg/volume/csi/csi_plugin.go, initializeCSINode), for its Node after 0.1, 0.3, 0.7, 1.5,
# 3.1, 6.3, …
_LONG = 2.5  # seconds


def _apply(run: JoinRun) -> Changes:
    from pykubeadm.phases.cluster.wait_control_plane import wait_for_kubelet
    from pykubeadm.phases.waiting import wait

    if run.dry_run:
        return ()
    changes = _registered_again(run)
    wait_for_kubelet(run, _NAME)
    if not run.trust.own:
        changes += _tries_at_once(run)
        began = time.monotonic()
        components = ("etcd", "kube-apiserver") if run.is_control_plane else ()
        target = {f"the kubelet's certificate for {run.kubelet_name}": _Bootstrapped(run).reason}
        wait(run, _NAME, target, run.join.timeouts.tls_bootstrap, components=components, patient=True)
        changes.append(f"the kubelet has its certificate for system:node:{run.kubelet_name}")
        if time.monotonic() - began >= _LONG and run.node.unit("kubelet").active == "active":  # else it runs by other means
            changes += _started_again(run, "which had waited long for its certificate")
    if (content := run.node.read(KUBELET_CONF)) is not None:
        run.journal.will_write([File(KUBELET_CONF, content)])  # by the kubelet, as the flags say that we started it with
    return [*changes, *(f"removed {path}, which held the token" for path in run.node.remove([BOOTSTRAP_CONF]))]


def _tries_at_once(run: JoinRun) -> list[str]:
    """A control plane's kubelet starts before the API server that it speaks to, and has waited long when that is there."""
    from pykubeadm.phases.cluster.wait_control_plane import wait_for_api_server

    if not run.is_control_plane or run.kubelet_started is None:
        return []
    wait_for_api_server(run, _NAME, run.join.timeouts.tls_bootstrap)
    return _started_again(run, "whose API server had not been there yet")


def _started_again(run: JoinRun, why: str) -> list[str]:
    """A kubelet waits ever longer before it tries again: for its certificate, then for its Node, then for what makes that Ready,
    together half a minute. One that starts tries at once."""
    from pykubeadm.phases.cluster.wait_control_plane import wait_for_kubelet

    run.kubelet_started = run.now()
    actions = run.node.ensure_unit(Unit("kubelet", enabled=None, state="restarted"))
    wait_for_kubelet(run, _NAME)
    return [f"{action} the kubelet, {why}" for action in actions]


def _registered_again(run: JoinRun) -> list[str]:
    """A worker's Node may have been deleted since it joined. (That of a control plane is mark-control-plane's.)"""
    from pykubeadm.phases.cluster.mark_control_plane import have_it_registered

    known = run.trust.node_name if run.trust.own and not run.is_control_plane else ""
    return have_it_registered(run, run.bootstrap_api, known) if known else []


class _Bootstrapped:
    """Whether the kubelet has its certificate, for which the node watches a while before each answer. What has become of its
    request is asked once a second, as it is reported: a question to the API server delays the next look."""

    def __init__(self, run: JoinRun) -> None:
        self._run = run
        self._asked = time.monotonic()
        self._state = ""

    def reason(self) -> str | None:
        """Why not yet. Its kubelet.conf may be there before the certificate that it leads to."""
        from pykubeadm.commands.join.trust import own_credentials
        from pykubeadm.errors import PhaseError
        from pykubeadm.phases.kubelet.files import rotated_pair

        paths = (KUBELET_CONF, rotated_pair(self._run))
        self._run.node.present(paths, _PATIENCE)
        try:
            if own_credentials(self._run.node.ahead(read=paths)) is not None:
                return None
            missing = f"it has not written {KUBELET_CONF} yet"
        except PhaseError as error:
            missing = str(error)
        if time.monotonic() - self._asked >= _ASK_EVERY:
            self._state = _request_state(self._run)
            self._asked = time.monotonic()
        return missing + self._state


def _request_state(run: JoinRun) -> str:
    """What has become of its certificate signing request, as far as the bootstrap credentials may see: nothing else says
    whether the cluster refuses, or nobody there approves or signs."""
    from pykubeadm.errors import ApiError

    user = f"system:node:{run.kubelet_name}"
    try:
        requests = run.bootstrap_api.list("certificates.k8s.io/v1", "CertificateSigningRequest")
    except ApiError:
        return ""
    ours = [request for request in requests if request["spec"].get("signerName") == _SIGNER and _is_for(request, user)]
    if not ours:
        return "; it sent no certificate signing request"
    newest = max(ours, key=lambda request: str(request["metadata"].get("creationTimestamp")))
    name, status = newest["metadata"]["name"], newest.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") in ("Denied", "Failed"):
            return f"; its request {name} is {condition['type']}: {condition.get('message', '')}"
    if not status.get("conditions"):
        return f"; its request {name} waits for approval: `kubectl certificate approve {name}`"
    return "" if status.get("certificate") else f"; its request {name} is approved, but the controller manager has not signed it"


def _is_for(request: KubeObject, user: str) -> bool:
    import base64

    from cryptography.x509.oid import NameOID

    from pykubeadm.pki.issue import read_request

    try:
        csr = read_request(base64.b64decode(request["spec"]["request"]))
    except ValueError:
        return False
    return any(attribute.value == user for attribute in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


kubelet_wait_bootstrap: Phase[JoinRun] = Phase(
    name=_NAME,
    summary="Wait until the kubelet has its certificate",
    apply=_apply,
    flags=("cri-socket",),
)
