"""kubelet-start: the kubelet's way into the cluster, its configuration and flags, and the kubelet with them."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.commands.join.discovery_flags import DISCOVERY
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.commands.join.trust import CLIENT_CERTIFICATE, KUBELET_CONF
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File, Unit
from pykubeadm.workflow.phase import Changes, Phase

BOOTSTRAP_CONF = f"{KUBERNETES_DIR}/bootstrap-kubelet.conf"


def _apply(run: JoinRun) -> Changes:
    from pykubeadm.phases.kubelet.files import kubelet_files
    from pykubeadm.phases.kubelet.start import start_kubelet

    if sentence := other_name(run):
        raise PhaseError(sentence)
    # A control plane's taints are set with its labels, by mark-control-plane.
    files = kubelet_files(run, register_with_taints=not run.is_control_plane)
    return [*_without_foreign_certificate(run), *start_kubelet(run, [*_trust_files(run), *files])]


def other_name(run: JoinRun) -> str:
    """What is wrong where this node is in the cluster under another name: its certificate lets its kubelet register only that."""
    known = run.trust.node_name if run.trust.own else ""
    if known in ("", run.kubelet_name):
        return ""
    return (
        f"this node is in the cluster as {known} already, not as {run.kubelet_name}: give it that name (--node-name {known}), as "
        "a member keeps its name"
    )


def _without_foreign_certificate(run: JoinRun) -> Changes:
    """A kubelet goes on with the client certificate that it finds, whosever that was, and asks this cluster for none. What it
    finds is a link; the certificate itself stays."""
    content = None if run.trust.own else run.node.read(CLIENT_CERTIFICATE)
    if content is None or run.trust.issued(content, content, run.kubelet_name, run.now()):
        return ()
    run.node.ensure_unit(Unit("kubelet", enabled=None, state="stopped"))
    removed = run.node.remove([CLIENT_CERTIFICATE])
    return [f"removed {path}, which is damaged, expired, or not {run.kubelet_name}'s in this cluster" for path in removed]


def _trust_files(run: JoinRun) -> list[File | Directory]:
    files: list[File | Directory] = [
        File(path, run.trust.ca)
        for path in (_ca_paths(run) if run.trust.ca else ())
        if run.node.stat(path) is None or (not run.is_control_plane and run.journal.owns(path))
    ]
    if run.trust.own and run.trust.source == CLIENT_CERTIFICATE:  # kubelet.conf is gone or damaged
        pair = {"client-certificate": CLIENT_CERTIFICATE, "client-key": CLIENT_CERTIFICATE}
        kubeconfig = replace(run.trust, user=pair).kubeconfig("default-cluster", _server(run))
        files.append(File(KUBELET_CONF, kubeconfig, 0o600, secret=True))
    if not run.trust.own:
        files.append(
            File(BOOTSTRAP_CONF, run.trust.kubeconfig(run.configuration.cluster.cluster_name, _server(run)), 0o600, secret=True)
        )
    return files


def _ca_paths(run: JoinRun) -> tuple[str, ...]:
    """caCertPath, and where the cluster's kubelets look for the CA of their clients: another place in a cluster with another
    certificatesDir, whose kubelets would not start without it."""
    x509 = (run.configuration.kubelet.get("authentication") or {}).get("x509") or {}
    return tuple(dict.fromkeys(path for path in (run.join.ca_cert_path, x509.get("clientCAFile")) if path))


def _server(run: JoinRun) -> str:
    """A control plane's kubelet speaks to its own API server (kubeadm: ControlPlaneKubeletLocalMode), others as discovered."""
    from pykubeadm.config.endpoint import local_url

    return local_url(run.configuration.this_node.local_api_endpoint) if run.is_control_plane else ""


kubelet_start: Phase[JoinRun] = Phase(
    name="kubelet-start",
    summary="Write the kubelet's settings and (re)start the kubelet",
    apply=_apply,
    flags=(*DISCOVERY, "cri-socket", "node-name", "patches"),
)
