"""The way from a run to the cluster it makes: which kubeconfig, which address, and what a dry run has in its place.

Requests go to this node's own API server rather than to controlPlaneEndpoint: the load balancer or virtual address
behind that may need the API server to be up first (kubeadm: cmd/init.go, since 1.36).
"""

from __future__ import annotations

import posixpath
from contextlib import suppress

from pykubeadm.config.endpoint import local_url
from pykubeadm.constants import ENDPOINT_ANNOTATION, KUBERNETES_DIR
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.credentials import Credentials, parse_kubeconfig
from pykubeadm.kube.port import Api
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import read_static_pod
from pykubeadm.workflow.events import Planned

_ADMIN_CONF = f"{KUBERNETES_DIR}/admin.conf"
_SUPER_ADMIN_CONF = "super-admin.conf"


def cluster_api(run: ClusterRun) -> Api:
    """The cluster; connected to once a run. PhaseError where there is no kubeconfig, ApiError where it leads nowhere."""
    if run.api is None:
        run.api = _recording_api(run) if run.node.dry_run else _bootstrapped_api(run)
    return run.api


def admin_credentials(run: ClusterRun) -> Credentials:
    """The kubeconfig with which the run speaks to the cluster."""
    content = run.node.read(run.kubeconfig_path)
    if content is None:
        raise PhaseError(f"{run.kubeconfig_path} does not exist; make it with `pykubeadm init phase kubeconfig admin`")
    try:
        return parse_kubeconfig(content, run.kubeconfig_path, run.node.read)
    except ApiError as error:
        if run.kubeconfig_path != _ADMIN_CONF:
            raise
        remedy = "put the right one there, or move it away and make it again with `pykubeadm init phase kubeconfig admin`"
        raise PhaseError(f"{error}; {remedy}") from error


def health_endpoint(run: ClusterRun, url: str) -> HealthEndpoint:
    """The API server's endpoint at `url`, to be asked as the run's kubeconfig says."""
    found = admin_credentials(run)
    return HealthEndpoint(url, b"" if found.insecure else found.ca, found.certificate, found.key)


def admin_api(run: ClusterRun) -> Api:
    """The cluster as admin.conf sees it, at controlPlaneEndpoint: this node's own API server needs etcd first."""
    if run.api is None:
        _warn_of_expiry(run, admin_credentials(run))
        run.api = endpoint_api(run)
    return run.api


def endpoint_api(run: ClusterRun) -> Api:
    """The cluster at the server of the kubeconfig, which answers while this node's own API server does not, if another is
    behind it."""
    from pykubeadm.kube.client import ClusterApi

    return ClusterApi(
        admin_credentials(run), call_timeout=run.configuration.this_node.timeouts.kubernetes_api_call, route=run.node.route
    )


def _api(run: ClusterRun, credentials: Credentials) -> Api:
    """Another kubeconfig than admin.conf is the user's choice, address included."""
    from pykubeadm.kube.client import ClusterApi

    _warn_of_expiry(run, credentials)
    server = _local_server(run) if run.kubeconfig_path == _ADMIN_CONF else ""
    timeout = run.configuration.this_node.timeouts.kubernetes_api_call
    return ClusterApi(credentials, server=server, call_timeout=timeout, dry_run=run.node.dry_run, route=run.node.route)


def _warn_of_expiry(run: ClusterRun, credentials: Credentials) -> None:
    from pykubeadm.kube.expiry import expiry_warning

    if (sentence := expiry_warning(credentials, run.now())) is not None:
        run.note("warning", sentence)


def _local_server(run: ClusterRun) -> str:
    """Where this node's API server listens: a single phase may be run without the configuration that said so, and the address
    of the default route need not be it."""
    endpoint = None
    with suppress(PhaseError):  # damaged: that is reported where it matters, and repaired where the manifest is written
        pod = read_static_pod(run.node, "kube-apiserver") or {}
        endpoint = ((pod.get("metadata") or {}).get("annotations") or {}).get(ENDPOINT_ANNOTATION)
    if not endpoint:
        return local_url(run.configuration.this_node.local_api_endpoint)
    return f"https://{endpoint}"


def _bootstrapped_api(run: ClusterRun) -> Api:
    """`admin.conf` may do nothing in a new cluster until its group is bound: see that it is."""
    from pykubeadm.kube.admin import CLUSTER_ADMINS, bind_admins

    api = _api(run, admin_credentials(run))
    if run.kubeconfig_path != _ADMIN_CONF:
        return api

    def super_admin() -> Api | None:
        path = posixpath.join(posixpath.dirname(run.kubeconfig_path), _SUPER_ADMIN_CONF)
        content = run.node.read(path)
        return None if content is None else _api(run, parse_kubeconfig(content, path, run.node.read))

    if bind_admins(api, super_admin):
        run.note("debug", f"bound the group {CLUSTER_ADMINS} of admin.conf to cluster-admin")
    return api


def _recording_api(run: ClusterRun) -> Api:
    """Reads what there is where a cluster answers already; in its place an empty one with this node in it."""
    from pykubeadm.kube.recording import RecordingApi

    inner: Api | None = None
    server = _local_server(run)
    if run.node.read(run.kubeconfig_path) is not None:
        credentials = admin_credentials(run)
        if run.kubeconfig_path != _ADMIN_CONF:
            server = credentials.server
        if run.node.unhealthy([health_endpoint(run, f"{server}/livez")]) == ("",):
            inner = _api(run, credentials)
    name = run.configuration.this_node.node_registration.name
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
    }
    return RecordingApi(inner, lambda text: run.emit(Planned(phase="", text=text)), assumed=[node], server=server)
