"""etcd asked through its pods, with their own etcdctl: what is known of its members to who has only a kubeconfig."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pykubeadm.errors import ApiError
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.kube.port import Api
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

NAMESPACE: Final = "kube-system"
_LABELS: Final = {"component": "etcd", "tier": "control-plane"}
_CA: Final = "/etc/kubernetes/pki/etcd/ca.crt"  # where the manifest does not say
_MISSING: Final = "executable file not found"


class NoEtcdctlError(ApiError):
    """etcd's image has no etcdctl to ask with."""


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """As it sees itself; `leader` is 0 where it knows none, `bytes` the size of its database."""

    endpoint: str
    version: str
    leader: int
    bytes: int
    learner: bool
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EtcdState:
    """`members` are those that answered, `silent` the names of those that did not (of one that has never started its URL);
    `alarms` the names of what etcd has raised ("NOSPACE")."""

    members: tuple[EtcdMember, ...]
    silent: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


def etcd_pods(api: Api) -> list[KubeObject]:
    """By the names of their nodes."""
    return sorted(api.list("v1", "Pod", NAMESPACE, labels=_LABELS), key=lambda pod: str(pod["spec"].get("nodeName")))


def ask_etcd(streams: PodStreams, pod: Mapping[str, Any]) -> EtcdState:
    """All members, asked in one's pod. NoEtcdctlError, or ApiError with what etcdctl says."""
    listed = [member for each in _asked(streams, pod, "member", "list") for member in each.get("members") or ()]
    members = tuple(_member(each) for each in _asked(streams, pod, "endpoint", "status", "--cluster"))
    raised = [alarm for each in _asked(streams, pod, "alarm", "list") for alarm in each.get("alarms") or ()]
    names = {1: "NOSPACE", 2: "CORRUPT"}  # etcd: api/etcdserverpb/rpc.proto, AlarmType
    answering = {member.endpoint for member in members}
    silent = tuple(_name(each) for each in listed if answering.isdisjoint(each.get("clientURLs") or ()))
    return EtcdState(members, silent, tuple(names.get(alarm.get("alarm"), "of an unknown kind") for alarm in raised))


def etcd_metrics(streams: PodStreams, pod: Mapping[str, Any]) -> str:
    """What the member in a pod counts, as text, from where its flags say. ApiError where it does not give it."""
    name, flags = pod["metadata"]["name"], _flags(pod["spec"]["containers"][0].get("command") or ())
    urls = map(urlsplit, flags.get("listen-metrics-urls", "").split(","))
    port = next((url.port for url in urls if url.scheme == "http" and url.port), None)
    if port is None:
        raise ApiError(f"etcd in Pod {name} serves metrics at no URL of its own (--listen-metrics-urls)")
    answer = streams.through_port(NAMESPACE, name, port, b"GET /metrics HTTP/1.0\r\n\r\n").decode(errors="replace")
    head, _, body = answer.partition("\r\n\r\n")
    if " 200 " not in head.partition("\r\n")[0]:
        raise ApiError(f"port {port} of Pod {name} gives no metrics: {head.partition(chr(13))[0] or 'it closed the connection'}")
    return body


def _name(listed: Mapping[str, Any]) -> str:
    return str(listed.get("name") or next(iter(listed.get("peerURLs") or ()), "without a name"))


def _member(entry: Mapping[str, Any]) -> EtcdMember:
    status = entry["Status"]
    return EtcdMember(
        endpoint=entry["Endpoint"],
        version=status.get("version", ""),
        leader=int(status.get("leader") or 0),
        bytes=int(status.get("dbSize") or 0),
        learner=bool(status.get("isLearner")),
        errors=tuple(status.get("errors") or ()),
    )


def _asked(streams: PodStreams, pod: Mapping[str, Any], *words: str) -> list[dict[str, Any]]:
    ca = _flags(pod["spec"]["containers"][0].get("command") or ()).get("trusted-ca-file", _CA)
    folder = ca.rpartition("/")[0]
    client = (f"--cacert={ca}", f"--cert={folder}/healthcheck-client.crt", f"--key={folder}/healthcheck-client.key")
    argv = ("etcdctl", "--endpoints=https://127.0.0.1:2379", "--command-timeout=5s", *client, *words, "--write-out=json")
    name = pod["metadata"]["name"]
    try:
        done = streams.run(NAMESPACE, name, argv)
    except ApiError as error:
        if _MISSING in str(error):
            raise NoEtcdctlError(f"the image of Pod {name} has no etcdctl to ask etcd's members with") from error
        raise
    if done.status and not done.stdout.startswith("["):  # it lists those that answer, though not all do
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        raise ApiError(f"etcdctl {' '.join(words)} in Pod {name} ended with status {done.status}: {said[-1]}")
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else [found]


def _flags(command: Sequence[str]) -> dict[str, str]:
    parts = (word.lstrip("-").partition("=") for word in command if word.startswith("--"))
    return {name: value for name, _, value in parts}
