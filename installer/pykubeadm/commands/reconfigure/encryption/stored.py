"""What is in etcd, of which resource it is, and what wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reconfigure.encryption.configuration import writer_of
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient

# Where keys do not have the name of their resource (Kubernetes: pkg/kubeapiserver/default_storage_factory_builder.go, and the
# registries of pkg/registry).
_PLACES: Final = {
    "endpoints": "services/endpoints",
    "ingresses.networking.k8s.io": "ingress",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "services": "services/specs",
}
# Kubernetes' own resources of a group have no group in their keys, custom ones, CustomResourceDefinitions and APIServices have.
_GROUPS: Final = {
    "admissionregistration.k8s.io": (
        "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations validatingadmissionpolicies "
        "validatingadmissionpolicybindings validatingwebhookconfigurations"
    ),
    "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "certificates.k8s.io": "certificatesigningrequests clustertrustbundles podcertificaterequests",
    "coordination.k8s.io": "leasecandidates leases",
    "discovery.k8s.io": "endpointslices",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "internal.apiserver.k8s.io": "storageversions",
    "networking.k8s.io": "ingressclasses ingresses ipaddresses networkpolicies servicecidrs",
    "node.k8s.io": "runtimeclasses",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
    "resource.k8s.io": "deviceclasses devicetaintrules resourceclaims resourceclaimtemplates resourceslices",
    "scheduling.k8s.io": "priorityclasses workloads",
    "storage.k8s.io": "csidrivers csinodes csistoragecapacities storageclasses volumeattachments volumeattributesclasses",
    "storagemigration.k8s.io": "storageversionmigrations",
}
_OWN: Final = {plural: group for group, plurals in _GROUPS.items() for plural in plurals.split()}
_RESOURCES: Final = {place: resource for resource, place in _PLACES.items()}
# What API servers keep of themselves, and never encrypt.
_THEIR_OWN: Final = ("masterleases/", "peerserverleases/", "ranges/")


@dataclass(frozen=True, slots=True)
class Value:
    """A value in etcd: its resource ("leases.coordination.k8s.io"), the object ("NAMESPACE/NAME", or NAME), and what wrote it."""

    resource: str
    name: str
    writer: str


def stored(client: EtcdClient, prefix: str, resources: Collection[str]) -> Iterator[Value]:
    """What there is of these resources, which a configuration names. Where one of them is a wildcard: of all."""
    if any(name.startswith("*") for name in resources):
        places = [f"{prefix}/"]
    else:
        places = [f"{prefix}/{place_of(name)}/" for name in sorted(resources)]
    for place in places:
        for path, value in client.values(place):
            key = path.removeprefix(f"{prefix}/")
            if not key.startswith(_THEIR_OWN):
                yield Value(*resource_of(key), writer_of(value))


def writers(client: EtcdClient, prefix: str, resources: Collection[str]) -> Counter[tuple[str, str]]:
    """How many objects each provider wrote, by resource and provider."""
    return Counter((value.resource, value.writer) for value in stored(client, prefix, resources))


def place_of(resource: str) -> str:
    """Where its keys are, below the API server's prefix."""
    if resource in _PLACES:
        return _PLACES[resource]
    plural, _, group = resource.partition(".")
    return plural if not group or _OWN.get(plural) == group else f"{group}/{plural}"


def resource_of(key: str) -> tuple[str, str]:
    """The resource of a key below the API server's prefix, and the rest of it. What is not known here counts for the core group:
    where its own group alone is encrypted that is refused, and nothing is lost."""
    first, _, rest = key.partition("/")
    second, _, more = rest.partition("/")
    if (place := f"{first}/{second}") in _RESOURCES:
        return _RESOURCES[place], more
    if first in _RESOURCES:
        return _RESOURCES[first], rest
    if "." in first:
        return f"{second}.{first}", more
    return (f"{first}.{_OWN[first]}" if first in _OWN else first), rest
