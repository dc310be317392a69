"""Where pods keep data: as long as they live, on their node, and in volumes that outlive them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from pykubeadm.commands.verify.cluster import takes_pods
from pykubeadm.commands.verify.documents import pod, shell
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.errors import ApiError
from pykubeadm.util.kube_object import KubeObject

_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_MOUNT: Final = [{"name": "data", "mountPath": "/data"}]
_SIZE: Final = "8Mi"
_OF_EVERY_NODE: Final = "/tmp"  # noqa: S108 - files in it have a random name
_BOUND_WITHIN: Final = 90.0  # seconds; a provisioner may have to make a disk


def _empty_dir(trial: Trial) -> str:
    medium = {"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": _SIZE}}
    name = trial.start_pod("", shell(trial.cluster.shell, IDLE, volumeMounts=_MOUNT), volumes=[medium])
    mounts = [line.split() for line in trial.sh(name, "echo kept >/data/file; cat /data/file; cat /proc/mounts").splitlines()]
    kind = next((words[2] for words in mounts if len(words) > 2 and words[1] == "/data"), "")
    if mounts[0] != ["kept"] or kind != "tmpfs":
        raise NotShownError(f"an emptyDir in memory is a {kind or 'directory of the container'}, and kept {mounts[0]}")
    return f"a pod wrote into an emptyDir in memory ({kind})"


def _host_path(trial: Trial) -> str:
    """A file in a directory that every node has, made for it and removed again."""
    volume = {"name": "data", "hostPath": {"path": _OF_EVERY_NODE, "type": "Directory"}}
    using = shell(trial.cluster.shell, IDLE, volumeMounts=_MOUNT)
    writer = trial.start_pod("writer", using, volumes=[volume])
    node = trial.pod(writer)["spec"]["nodeName"]
    trial.sh(writer, f"echo of the first >{_file(trial)}")
    reader = trial.start_pod("reader", using, volumes=[volume], nodeName=node)
    _require_read(trial, reader)
    return f"what a pod wrote into a directory of its node {node}, another pod read there"


def _local_volume(trial: Trial) -> str:
    """A PersistentVolume on a node's disk, which a claim gets and two pods use one after the other."""
    nodes = trial.cluster.nodes
    node = next((each for each in nodes if takes_pods(each)), (trial.cluster.control_planes or nodes)[0])
    labels, name = node["metadata"].get("labels") or {}, f"{trial.namespace}-{trial.row}"
    trial.create(_local(name, labels.get("kubernetes.io/hostname") or node["metadata"]["name"]), namespaced=False)
    try:
        trial.create(_claim(trial.name(), storageClassName=name, volumeName=name))
        said = _written_and_read(trial)
    finally:
        with suppress(ApiError):
            _remove_claim(trial)
        trial.cluster.api.delete("v1", "PersistentVolume", name)
    return f"a local volume of {node['metadata']['name']} was bound to a claim; {said}"


def _local(name: str, host: str) -> KubeObject:
    required = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "local": {"path": _OF_EVERY_NODE},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [required]}]}},
        },
    }


def _claim(name: str, **spec: Any) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _SIZE}}, **spec},
    }


def _written_and_read(trial: Trial) -> str:
    """By two pods, one after the other, in the volume of the claim with the row's name."""
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": trial.name()}}]
    using = shell(trial.cluster.shell, IDLE, volumeMounts=_MOUNT)
    trial.create(pod(trial.name("writer"), using, volumes=volumes))
    trial.wait_ready(trial.name("writer"), _BOUND_WITHIN)
    trial.sh(trial.name("writer"), f"echo of the first >{_file(trial)}")
    trial.cluster.api.delete("v1", "Pod", trial.name("writer"), trial.namespace)
    _require_read(trial, trial.start_pod("reader", using, volumes=volumes))
    return "what a pod wrote outlived it"


def _file(trial: Trial) -> str:
    return f"/data/{trial.namespace}-{trial.row}"


def _require_read(trial: Trial, reader: str) -> None:
    """The file that another pod has written; it is removed."""
    said = trial.sh(reader, f"cat {_file(trial)}; rm {_file(trial)}").strip()
    if said != "of the first":
        raise NotShownError(f"a second pod read {said!r} where the first had written {'of the first'!r}")


def _remove_claim(trial: Trial) -> None:
    """And the pods that keep it."""
    api = trial.cluster.api
    for suffix in ("writer", "reader"):
        api.delete("v1", "Pod", trial.name(suffix), trial.namespace)
    api.delete("v1", "PersistentVolumeClaim", trial.name(), trial.namespace)


def _default_class(trial: Trial) -> str:
    classes = [
        each["metadata"]["name"]
        for each in trial.cluster.api.list("storage.k8s.io/v1", "StorageClass")
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if not classes:
        raise NotServedError("the cluster has no default StorageClass: claims wait until somebody makes a volume for them")
    trial.create(_claim(trial.name()))
    try:
        said = _written_and_read(trial)
    finally:
        with suppress(ApiError):
            _remove_claim(trial)
    return f"{classes[0]} made a volume for a claim; {said}"


def _csi(trial: Trial) -> str:
    drivers = {
        found["metadata"]["name"]: [driver["name"] for driver in found["spec"].get("drivers") or ()]
        for found in trial.cluster.api.list("storage.k8s.io/v1", "CSINode")
    }
    names = sorted({name for each in drivers.values() for name in each})
    if not names:
        raise NotServedError("no CSI driver is registered with a kubelet: install one for volumes of a storage system")
    where = {name: ", ".join(sorted(node for node in drivers if name in drivers[node])) for name in names}
    return "; ".join(f"{name} is registered on {nodes}" for name, nodes in where.items())


ROWS: Final = (
    Row("storage/empty-dir", "a pod has a directory, also in memory", _empty_dir, needs_shell=True),
    Row("storage/host-path", "pods share a directory of their node", _host_path, needs_shell=True),
    Row("storage/local-volume", "a claim gets a local volume, whose data outlives a pod", _local_volume, needs_shell=True),
    Row("storage/default-class", "a claim gets a volume that is made for it", _default_class, needs_shell=True),
    Row("storage/csi", "a CSI driver is registered with the kubelets", _csi),
)
