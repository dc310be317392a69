"""Puts the data of a snapshot in the place of those of this node's etcd member, which is the only one: there is no other to learn
them from, and a copy of one of several members would contradict what the others know.

`etcdutl`, which makes a data directory of a snapshot, is in etcd's image. The kubelet runs it as a static pod, whatever the
container runtime is and without an API server.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.cri import Container, Cri
from pykubeadm.node.diagnose import newest_container
from pykubeadm.node.port import Command, File
from pykubeadm.phases.etcd.manifest import log_elsewhere, manifest_of
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe

NAME: Final = "etcd-restore"
# So that nothing that watches sees an older revision than before (https://etcd.io/docs/v3.6/op-guide/recovery/).
_BUMP: Final = "1000000000"
_STOPS_WITHIN: Final = timedelta(minutes=2)
_RESTORES_WITHIN: Final = timedelta(minutes=10)


def has_data(run: ClusterRun, pod: Mapping[str, Any]) -> bool:
    """Whether the member of this manifest would find its data; else it would begin an empty cluster."""
    return run.node.stat(f"{_flag(pod, 'data-dir')}/member") is not None


def restore_snapshot(run: ClusterRun, pod: Mapping[str, Any], snapshot: str, phase: str) -> str:
    """Have etcd stopped, with the data of `snapshot` in place for the member of the manifest `pod`; where its data of before are
    kept, "" where it had none. Whoever calls writes that manifest again. PhaseError or NodeError where that cannot be."""
    if problem := log_elsewhere(manifest_of(pod)):
        raise PhaseError(problem)
    node, data = run.node, _flag(pod, "data-dir")
    restored = posixpath.join(data, "restored")
    node.remove([manifest_path("etcd"), manifest_path(NAME)])
    _wait(run, phase, "etcd to stop", lambda: _running(run), _STOPS_WITHIN)
    node.remove([restored])
    restoring = restore_pod(pod, snapshot, restored)
    name = str(restoring["metadata"]["name"])
    node.write([File(manifest_path(NAME), to_yaml(restoring).encode(), 0o600, replaces=True)])
    try:
        _wait(run, phase, f"etcdutl to restore {snapshot}", lambda: _ended(_newest(run, name)), _RESTORES_WITHIN)
        _require_success(run, name)
    finally:
        node.remove([manifest_path(NAME)])
    had_data, aside = has_data(run, pod), f"{data}/member-removed-{run.now():%Y%m%dT%H%M%SZ}"
    # Were it killed between the two, `has_data` says so to the next run.
    script = 'if [ -e "$1" ]; then mv -- "$1" "$2"; fi; chown -R "$4" -- "$3/member" && mv -- "$3/member" "$1" && rmdir -- "$3"'
    argv = ("sh", "-c", script, "sh", f"{data}/member", aside, restored, _owner(run, data))
    node.run(Command(argv, "put the restored data of etcd in place"))
    return aside if had_data else ""


def _owner(run: ClusterRun, data: str) -> str:
    """UID:GID of the data directory: etcd need not run as root (RootlessControlPlane), etcdutl does."""
    stat = run.node.stat(data)
    return f"{stat.uid}:{stat.gid}" if stat else "0:0"


def restore_pod(pod: Mapping[str, Any], snapshot: str, directory: str) -> KubeObject:
    """The static pod that makes `directory`, below the data directory of the etcd of `pod`, of a snapshot. Its name is its own: a
    kubelet does not start a pod again that has ended, and one of the same manifest is the same."""
    container = pod["spec"]["containers"][0]
    data, place = _flag(pod, "data-dir"), posixpath.dirname(snapshot)
    name, peers = _flag(pod, "name"), _flag(pod, "initial-advertise-peer-urls")
    members = ",".join(f"{name}={url}" for url in peers.split(","))
    command = ["etcdutl", "snapshot", "restore", snapshot, f"--data-dir={directory}", f"--name={name}"]
    command += [f"--initial-cluster={members}", f"--initial-advertise-peer-urls={peers}", f"--bump-revision={_BUMP}"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{NAME}-{token_hex(4)}", "namespace": "kube-system"},
        "spec": {
            "containers": [
                {
                    "name": NAME,
                    "image": container["image"],
                    "imagePullPolicy": "IfNotPresent",
                    "command": [*command, "--mark-compacted"],
                    "volumeMounts": [
                        {"name": "data", "mountPath": data},
                        {"name": "snapshot", "mountPath": place, "readOnly": True},
                    ],
                }
            ],
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "restartPolicy": "Never",
            "volumes": [
                {"name": "data", "hostPath": {"path": data, "type": "Directory"}},
                {"name": "snapshot", "hostPath": {"path": place, "type": "Directory"}},
            ],
        },
    }


def _flag(pod: Mapping[str, Any], name: str) -> str:
    words = [str(word) for container in pod["spec"]["containers"] for word in container.get("command") or ()]
    found = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    if not found:
        raise PhaseError(f"{manifest_path('etcd')} does not give --{name}, so etcd's data cannot be restored")
    return found[-1]


def _newest(run: ClusterRun, pod: str) -> Container | None:
    """Of the static pod `pod`, to whose name the kubelet adds the node's: those of earlier restores may still be there."""
    return newest_container((each for each in _cri(run).containers() if each.pod.startswith(f"{pod}-")), NAME)


def _running(run: ClusterRun) -> str | None:
    """What has etcd's data open: etcd, or what an interrupted restore has begun."""
    every = _cri(run).containers()
    names = sorted({each.name for each in every if each.namespace == "kube-system" and each.state == "running"} & {"etcd", NAME})
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} running" if names else None


def _ended(container: Container | None) -> str | None:
    if container is None:
        return "the kubelet has not started it yet"
    return None if container.state == "exited" else f"it is {container.state}"


def _require_success(run: ClusterRun, pod: str) -> None:
    container = _newest(run, pod)
    if container is None:
        raise PhaseError("etcd's data could not be restored: the container that should do so is gone")
    ended = _cri(run).exit(container)
    if ended.code != 0:
        lines = [*_cri(run).logs(container, 5), *filter(None, [ended.message])]
        why = lines[-1] if lines else f"etcdutl ended with status {ended.code} ({ended.reason})"
        raise PhaseError(f"etcd's data could not be restored: {why}")


def _wait(run: ClusterRun, phase: str, target: str, probe: Probe, timeout: timedelta) -> None:
    from pykubeadm.phases.waiting import wait

    def look() -> str | None:
        try:
            return probe()
        except NodeError as error:
            return str(error)

    wait(run, phase, {target: look}, timeout, components=("etcd", NAME))


def _cri(run: ClusterRun) -> Cri:
    return Cri(run.node, run.configuration.this_node.node_registration.cri_socket)
