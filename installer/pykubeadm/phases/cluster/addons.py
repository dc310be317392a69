"""The objects of CoreDNS and kube-proxy as this cluster is to have them, for the phases that install or upgrade them."""

from __future__ import annotations

from pykubeadm.addons.coredns import DEFAULT_REPLICAS, coredns
from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import Api
from pykubeadm.phases.patching import patched_addon
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.kube_object import KubeObject


def coredns_documents(run: ClusterRun, replicas: int) -> list[KubeObject]:
    """CoreDNS with the user's patches, in the order to apply it."""
    return [patched_addon(run.patches, document) for document in coredns(run.configuration.cluster, replicas)]


def replicas(api: Api) -> int:
    """As many as a name server that is there already has: the user may have scaled it. PhaseError where there are several."""
    found = api.list("apps/v1", "Deployment", "kube-system", labels={"k8s-app": "kube-dns"})
    if len(found) > 1:
        names = ", ".join(sorted(deployment["metadata"]["name"] for deployment in found))
        raise PhaseError(f"there are several Deployments of the cluster's name server ({names}); remove all but one")
    return int(found[0]["spec"].get("replicas", DEFAULT_REPLICAS)) if found else DEFAULT_REPLICAS
