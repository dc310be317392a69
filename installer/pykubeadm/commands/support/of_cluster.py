"""What is collected of the cluster: objects without what users may have put into them, events, its own ConfigMaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from pykubeadm.commands.support.item import Item
from pykubeadm.kube.port import Api
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.lines import first_lines
from pykubeadm.util.yaml_output import to_yaml

_KINDS: Final = (
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolume"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("coordination.k8s.io/v1", "Lease"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("storage.k8s.io/v1", "CSINode"),
)
_CONFIG_MAPS: Final = ("kubeadm-config", "kubelet-config", "kube-proxy", "coredns")
_SYSTEM: Final = "kube-system"
_BYTES: Final = 1024 * 1024  # of one list
_EVENTS: Final = 500
# Of a spec, what says where something runs and how; not what users put into it.
_OF_SPEC: Final = (
    *(
        "nodeName",
        "unschedulable",
        "taints",
        "podCIDR",
        "podCIDRs",
        "replicas",
        "type",
        "clusterIP",
        "ports",
        "selector",
        "holderIdentity",
    ),
    *(
        "renewTime",
        "leaseDurationSeconds",
        "signerName",
        "service",
        "priorityClassName",
        "hostNetwork",
        "storageClassName",
        "drivers",
    ),
)
_OF_METADATA: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "uid",
    "labels",
    "ownerReferences",
)


def items_of_cluster(api: Api) -> Iterator[Item]:
    """No Secret is among them, and of ConfigMaps the cluster's own alone."""
    for api_version, kind in _KINDS:
        yield Item(f"cluster/{kind.lower()}.yaml", partial(_summaries, api, api_version, kind))
    yield Item("cluster/events.txt", partial(_events, api))
    for name in _CONFIG_MAPS:
        yield Item(f"cluster/configmaps/{name}.yaml", partial(_config_map, api, name))


def _summaries(api: Api, api_version: str, kind: str) -> str:
    found = [summary(each) for each in api.list(api_version, kind)]
    return first_lines("---\n".join(map(to_yaml, found)), _BYTES)


def summary(document: Mapping[str, Any]) -> KubeObject:
    """Names, where it runs, images and state; nothing of annotations, environment, arguments, data."""
    spec = document.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    template = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    found: KubeObject = {
        "kind": document.get("kind", ""),
        "metadata": {name: value for name, value in document["metadata"].items() if name in _OF_METADATA},
        "spec": {name: value for name, value in spec.items() if name in _OF_SPEC},
    }
    if images := {each["name"]: each.get("image", "") for each in [*containers, *template]}:
        found["images"] = images
    status = {name: value for name, value in (document.get("status") or {}).items() if name not in ("images", "certificate")}
    return found | ({"status": status} if status else {})


def _events(api: Api) -> str:
    events = sorted(api.list("v1", "Event"), key=lambda event: str(_time(event)))
    lines = []
    for event in events[-_EVENTS:]:
        about = event.get("involvedObject") or {}
        where = "/".join(filter(None, (about.get("namespace"), about.get("name"))))
        times = f" ({event['count']} times)" if int(event.get("count") or 1) > 1 else ""
        said = " ".join(str(event.get("message") or "").split())
        lines.append(f"{_time(event)} {event.get('type')} {about.get('kind')} {where}: {event.get('reason')}: {said}{times}")
    return "\n".join(lines)


def _time(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def _config_map(api: Api, name: str) -> str:
    found = api.get("v1", "ConfigMap", name, _SYSTEM)
    return "".join(f"# {key}\n{value}\n" for key, value in (found.get("data") or {}).items()) if found else ""
