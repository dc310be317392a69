"""Where pods keep data: as long as they live, on their node, and in volumes that outlive them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from pykubeadm.commands.verify.documents import pod, shell
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.errors import ApiError
from pykubeadm.util.kube_object import KubeObject

_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_MOUNT: Final = [{"name": "data", "mountPath": "/data"}]
_SIZE: Final = "8Mi"
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
    """A directory of the node's, made for it and removed again."""
    path = f"/tmp/{trial.namespace}-{trial.row}"  # noqa: S108 - of the node, with a random name
    writer = _with_directory(trial, "writer", path)
    node = trial.pod(writer)["spec"]["nodeName"]
    trial.sh(writer, "echo of the first >/data/own/file")
    reader = _with_directory(trial, "reader", path, node)
    said = trial.sh(reader, "cat /data/own/file; rm -r /data/own/*").strip()
    _remove_directory(trial, path, node)
    if said != "of the first":
        raise NotShownError(f"a second pod on {node} read {said!r} from the directory of the node that the first wrote to")
    return f"what a pod wrote into a directory of its node {node}, another pod read there"


def _with_directory(trial: Trial, suffix: str, path: str, node: str = "") -> str:
    where: dict[str, Any] = {"nodeName": node} if node else {}
    volume = {"name": "data", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    mount = [{"name": "data", "mountPath": "/data/own"}]
    return trial.start_pod(suffix, shell(trial.cluster.shell, IDLE, volumeMounts=mount), volumes=[volume], **where)


def _remove_directory(trial: Trial, path: str, node: str) -> None:
    """The empty directory itself, from its parent."""
    volume = {"name": "data", "hostPath": {"path": path.rpartition("/")[0]}}
    remove = shell(trial.cluster.shell, f"rm -rf /data/{path.rpartition('/')[2]}", volumeMounts=_MOUNT)
    trial.create(pod(trial.name("remove"), remove, volumes=[volume], nodeName=node, restartPolicy="Never"))
    trial.wait_ended(trial.name("remove"), 20)


def _local_volume(trial: Trial) -> str:
    """A PersistentVolume on a node's disk, which a claim gets and two pods use one after the other."""
    path, api = f"/tmp/{trial.namespace}-{trial.row}", trial.cluster.api  # noqa: S108 - of the node, with a random name
    maker = _with_directory(trial, "maker", path)
    node = trial.pod(maker)["spec"]["nodeName"]
    volume = f"{trial.namespace}-{trial.row}"
    trial.create(_local(volume, path, _host_name(trial, node)), namespaced=False)
    try:
        trial.create(_claim(trial.name(), storageClassName=volume, volumeName=volume))
        said = _written_and_read(trial)
    finally:
        with suppress(ApiError):
            _remove_claim(trial)
        api.delete("v1", "PersistentVolume", volume)
        _remove_directory(trial, path, node)
    return f"a local volume of {node} was bound to a claim; {said}"


def _local(name: str, path: str, host: str) -> KubeObject:
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
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [required]}]}},
        },
    }


def _host_name(trial: Trial, node: str) -> str:
    labels = next(each for each in trial.cluster.nodes if each["metadata"]["name"] == node)["metadata"].get("labels") or {}
    return str(labels.get("kubernetes.io/hostname") or node)


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
    trial.sh(trial.name("writer"), "echo of the first >/data/file")
    trial.cluster.api.delete("v1", "Pod", trial.name("writer"), trial.namespace)
    reader = trial.start_pod("reader", using, volumes=volumes)
    said = trial.sh(reader, "cat /data/file; rm /data/file").strip()
    if said != "of the first":
        raise NotShownError(f"the second pod read {said!r} from the volume that the first wrote to")
    return "what a pod wrote outlived it"


def _remove_claim(trial: Trial) -> None:
    """And the pods that keep it."""
    api = trial.cluster.api
    for suffix in ("maker", "writer", "reader"):
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
