"""The way to the cluster's etcd: endpoints from the etcd pods, certificates from this node."""

from __future__ import annotations

import posixpath
import ssl
from collections.abc import Sequence

from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import ClusterUnhealthyError, EtcdClient, EtcdUnreachableError, Member, tls_context
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.kube.port import Api
from pykubeadm.kube.waits import Probe, wait_for
from pykubeadm.manifests.addresses import etcd_client_url
from pykubeadm.manifests.etcd import CLIENT_URLS_ANNOTATION
from pykubeadm.phases.cluster.connection import admin_api
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.events import Waiting

_PODS = {"component": "etcd", "tier": "control-plane"}


def etcd_client(run: ClusterRun) -> EtcdClient:
    """The members there are. PhaseError where the certificates of control-plane-prepare are missing."""
    tls = _tls(run)
    return EtcdClient(etcd_endpoints(admin_api(run)), tls, route=run.node.route)


def own_etcd_client(run: ClusterRun) -> EtcdClient:
    """The members as the one on this node knows them, whether there is an API server or not. PhaseError as above."""
    return client_at(run, [own_endpoint(run)])


def client_at(run: ClusterRun, endpoints: Sequence[str]) -> EtcdClient:
    """The members at `endpoints`, which may be on machines of their own. PhaseError as above."""
    return EtcdClient(endpoints, _tls(run), route=run.node.route)


def own_endpoint(run: ClusterRun) -> str:
    """The client URL of this node's member."""
    return etcd_client_url(run.configuration.this_node.local_api_endpoint.advertise_address)


def _tls(run: ClusterRun) -> ssl.SSLContext:
    directory = posixpath.join(run.configuration.cluster.certificates_dir, "etcd")
    paths = [posixpath.join(directory, name) for name in ("ca.crt", "healthcheck-client.crt", "healthcheck-client.key")]
    contents = [run.node.read(path) for path in paths]
    missing = [path for path, content in zip(paths, contents, strict=True) if content is None]
    if missing:
        raise PhaseError(
            f"{', '.join(missing)} does not exist: `pykubeadm join phase control-plane-prepare certs --control-plane` makes it"
        )
    ca, certificate, key = (content or b"" for content in contents)
    return tls_context(ca, certificate, key)


def wait_for_others(run: ClusterRun, phase: str, target: str, probe: Probe) -> None:
    """Wait for what the other members have to do; this node's own kubelet and containers would explain nothing. While they
    elect a leader, as they may whenever one joins, they answer nothing: what `probe` asks is asked again."""

    def report(waited_for: str, reason: str) -> None:
        run.emit(Waiting(phase=phase, target=waited_for, reason=reason))

    def asked() -> str | None:
        try:
            return probe()
        except (ClusterUnhealthyError, EtcdUnreachableError) as error:
            return str(error)

    wait_for({target: asked}, run.configuration.this_node.timeouts.etcd_api_call, report=report)


def members_of(run: ClusterRun, phase: str, client: EtcdClient) -> tuple[Member, ...]:
    """All members, once a majority of them agrees who they are."""
    found: list[Member] = []

    def answered() -> None:
        found[:] = client.members()

    wait_for_others(run, phase, "etcd's members", answered)
    return tuple(found)


def etcd_endpoints(api: Api) -> tuple[str, ...]:
    """The client URLs that the etcd pods advertise (kubeadm: util/etcd/etcd.go); those of Ready pods come first."""
    pods = retrying(lambda: api.list("v1", "Pod", "kube-system", labels=_PODS), api.call_timeout)
    ready: list[str] = []
    others: list[str] = []
    for pod in pods:
        url = (pod["metadata"].get("annotations") or {}).get(CLIENT_URLS_ANNOTATION)
        if url:
            (ready if is_ready(pod) else others).append(url)
    if not ready and not others:
        raise PhaseError(
            f"no pod of etcd in kube-system (labels component=etcd, tier=control-plane) has the annotation "
            f"{CLIENT_URLS_ANNOTATION}, so etcd cannot be found"
        )
    return (*ready, *others)
