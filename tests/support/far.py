"""Machines that are simulated: each answers after a delay, as over a network, all in one process. Bare ones, and those of a
cluster whose API server is on loopback."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from pykubeadm.config.defaults import CONTROL_PLANE_TAINT
from pykubeadm.config.fleet import Cluster, Fleet, Host
from pykubeadm.config.model import ClusterConfiguration, Configuration, NodeRegistration, ThisNode
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.fleet.file import Described
from pykubeadm.manifests.kubelet import kubelet_configuration
from pykubeadm.node.port import Command
from pykubeadm.node.remote import RemoteNode, Seen
from tests.support.node import FakeNode, completed
from tests.support.servers import LOCALHOST, NOW, authority, ca_pem, context, running

SOCKET = "/var/run/containerd/containerd.sock"
KUBELET = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 77}
_ADDRESS = '[{"ifname": "eth0", "addr_info": [{"local": "10.0.0.1"}]}]'
_ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n"
_TRIPS_UNTIL_A_COMMAND = 10  # of SSH: TCP, versions, key exchange, login, channel


class FarNode:
    """A machine that needs a round trip, of so many seconds, for each answer, or for all that it is asked ahead; `trips` counts
    them."""

    def __init__(self, machine: FakeNode, round_trip: float) -> None:
        self.machine, self.round_trip, self.trips = machine, round_trip, 0

    def __getattr__(self, name: str) -> Any:
        there = getattr(self.machine, name)
        return self._travelling(there) if name in ("read", "stat", "run", "unit", "list_dir", "write") else there

    def _travelling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **more: Any) -> Any:
            self.trips += 1
            time.sleep(self.round_trip)
            return call(*arguments, **more)

        return asked

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Any:
        return self._travelling(self._ahead)({"read": read, "stat": stat, "run": run})

    def _ahead(self, wanted: Mapping[str, Sequence[Any]]) -> Any:
        """As a node that is reached by SSH answers."""
        asked = {(call, each): {"value": getattr(self.machine, call)(each)} for call, of in wanted.items() for each in of}
        return Seen(cast("RemoteNode", self), asked)


@dataclass
class Network:
    """What connects to bare machines, or where there is an `api` to those of its cluster. Counts how many connections there were
    at a time, and keeps the machines. `round_trip` is the link that a benchmark simulates, in seconds; nothing else waits."""

    round_trip: float = 0.0
    api: Api | None = None
    open: int = 0
    most: int = 0
    nodes: dict[str, FarNode] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def connect(self, host: Host) -> Iterator[Any]:
        time.sleep(_TRIPS_UNTIL_A_COMMAND * self.round_trip)
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        machine = FakeNode(host.name, commands={"ip -j addr": completed(_ADDRESS)})
        machine.put("/proc/sys/kernel/hostname", host.name)
        machine.put("/proc/net/route", _ROUTE)
        if self.api is not None:
            _join(machine, host, self.api)
        self.nodes[host.name] = FarNode(machine, self.round_trip)
        yield self.nodes[host.name]
        with self.lock:
            self.open -= 1


def described(number: int) -> Described:
    """A fleet of so many machines, three of them control planes."""
    hosts = tuple(Host(name=f"n{at}", address=f"10.0.{at // 250}.{at % 250}", parts=_parts(at)) for at in range(number))
    this_node = ThisNode(NodeRegistration(cri_socket=f"unix://{SOCKET}"))
    configuration = Configuration(_kubeadm(), this_node, kubelet=KUBELET)
    return Described(Fleet(Cluster(hosts=hosts), configuration, names_version=True, describes_cluster=True))


def _parts(at: int) -> tuple[str, ...]:
    return ("control-plane",) if at < 3 else ("worker",)


def _kubeadm() -> ClusterConfiguration:
    return ClusterConfiguration(kubernetes_version=NEWEST_KNOWN, control_plane_endpoint="api.example.com:6443")


@cache
def _kubelet(**own: str) -> str:
    return yaml.safe_dump(kubelet_configuration(_kubeadm(), KUBELET, lambda _level, _message: None) | own)


def _join(node: FakeNode, host: Host, api: Api) -> None:
    """What is on a machine that is prepared and in the cluster."""
    node.sockets.add(SOCKET)
    for path in ("/usr/bin/kubelet", "/usr/lib/systemd/system/kubelet.service", "/etc/kubernetes/kubelet.conf"):
        node.put(path)
    node.put("/etc/kubernetes/pki/ca.crt", ca_pem())
    node.put("/var/lib/kubelet/config.yaml", _kubelet(containerRuntimeEndpoint=f"unix://{SOCKET}"))
    if host.parts == ("control-plane",):
        annotation = {"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": api.endpoint}
        containers = [{"name": "kube-apiserver", "image": f"kube-apiserver:{NEWEST_KNOWN}", "command": ["kube-apiserver"]}]
        pod = {"metadata": {"annotations": annotation}, "spec": {"containers": containers}}
        node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", yaml.safe_dump(pod))
        node.put("/etc/kubernetes/admin.conf", api.kubeconfig)


class Api(ThreadingHTTPServer):
    """The API of a cluster with the nodes of a fleet, as far as a look at it asks; `asked` are the paths of all requests."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: list[str] = []
        maps = {
            "kubeadm-config": {"ClusterConfiguration": yaml.safe_dump(_kubeadm().document())},
            "kubelet-config": {"kubelet": _kubelet()},
        }
        self.bodies = {
            "/api/v1/namespaces/kube-system": _object("Namespace", {"name": "kube-system"}),
            "/api/v1/namespaces/kube-system/configmaps": _list("ConfigMap", [_config_map(*each) for each in maps.items()]),
            "/api/v1/nodes": _list("Node", [_node(host) for host in hosts]),
        }
        tls = context(authority(), NOW, NOW + timedelta(days=365), LOCALHOST)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def kubeconfig(self) -> str:
        cluster = {"server": f"https://{self.endpoint}", "certificate-authority-data": base64.b64encode(ca_pem()).decode()}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "of-the-administrator"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )


class _Answering(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        body = json.dumps(self.server.bodies.get(path) or _object("Status", {}) | {"code": 404, "status": "Failure"}).encode()
        self.send_response(200 if path in self.server.bodies else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


def _object(kind: str, metadata: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def _list(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return _object(f"{kind}List", {"resourceVersion": "1"}, items=items)


def _config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return _object("ConfigMap", {"name": name, "namespace": "kube-system"}, data=data)


def _node(host: Host) -> dict[str, Any]:
    """With as much in it as there is in a real one."""
    images = [{"names": [f"registry.example.com/team/image-{at}@sha256:{at:064x}"], "sizeBytes": at} for at in range(50)]
    conditions = [{"type": kind, "status": "False"} for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")]
    status = {
        "addresses": [{"type": "InternalIP", "address": host.address}, {"type": "Hostname", "address": host.name}],
        "conditions": [*conditions, {"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": NEWEST_KNOWN},
        "images": images,
    }
    labels, spec = {"kubernetes.io/hostname": host.name}, {}
    if host.parts == ("control-plane",):
        labels[LABEL_CONTROL_PLANE], spec = "", {"taints": [CONTROL_PLANE_TAINT.document()]}
    return _object("Node", {"name": host.name, "labels": labels}, spec=spec, status=status)


@contextmanager
def cluster_of(fleet: Described) -> Iterator[Api]:
    """The API of a cluster that all hosts of the fleet have joined."""
    with running(Api(fleet.cluster.hosts)) as api:
        yield api
