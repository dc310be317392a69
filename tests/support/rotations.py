"""A cluster in memory whose programs remember the files that they read when they started, for `certs rotate-ca`.

After every change of a file all that speak to each other are asked whether they still can: kubelets, scheduler, controller
manager and administrators with the API server, that with etcd and with kubelets, etcd with its peers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from pykubeadm.commands.certs.rotation.pods import key_id
from pykubeadm.constants import STATE_DIR
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.port import ApiStatusError, UntrustedServerError
from pykubeadm.kubeconfig.document import cluster_only_kubeconfig
from pykubeadm.kubeconfig.read import Kubeconfig, read_kubeconfig
from pykubeadm.node.port import Command, Completed, Directory, File, HealthEndpoint, Unit, UnitState
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.phases.static_pods.manifests import read_static_pod
from pykubeadm.pki.check import is_signed_by, load_certificates
from pykubeadm.pki.issue import BACKDATE, Authority, Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key, encode_public_key, generate_key, load_private_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage
from pykubeadm.tokens.documents import cluster_info, encode_data
from pykubeadm.util.kube_object import KubeObject, plain_copy
from tests.support.api import FakeApi
from tests.support.init_runs import NOW, configuration, init_run, perform
from tests.support.upgrade_runs import COMPONENTS, MANIFESTS, ControlPlaneNode

PKI = "/etc/kubernetes/pki"
LATER = NOW + timedelta(days=30)
_PAIR = "/var/lib/kubelet/pki/kubelet-client-current.pem"
SERVING = "/var/lib/kubelet/pki/kubelet-server-current.pem"
TOKEN = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~projected/kube-api-access-x/token"
ALL = ("ca", "front-proxy-ca", "etcd-ca", "sa")
SINGLE = ("ca.crt", "front-proxy-ca.crt", "etcd/ca.crt")
# What each program reads when it starts, and never again.
_REMEMBERED = {
    "etcd": ("etcd/ca.crt",),
    "kube-apiserver": ("etcd/ca.crt", "sa.pub", "sa.key"),
    "kube-controller-manager": ("ca.crt", "sa.key", "../controller-manager.conf", "../manifests/kube-controller-manager.yaml"),
    "kube-scheduler": ("../scheduler.conf",),
    "kubelet": ("../kubelet.conf", "../../../var/lib/kubelet/pki/kubelet-client-current.pem"),
}


class BrokenError(Exception):
    """Two that have to speak to each other cannot."""


@dataclass
class RotatingNode(ControlPlaneNode):
    """A node of a `RotatingCluster`. `memory` is what its programs have read."""

    cluster: RotatingCluster | None = None
    is_control_plane: bool = True
    address: str = "10.0.0.9"
    memory: dict[str, dict[str, bytes]] = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)
    is_away: bool = False  # whether its API server answers nobody
    writes_left: int = -1  # files that can be written until power is lost; -1 for any number

    def programs(self) -> Sequence[str]:
        return [*(COMPONENTS if self.is_control_plane else ()), "kubelet"]

    def start(self, program: str) -> None:
        from posixpath import normpath

        paths = [normpath(f"{PKI}/{name}") for name in _REMEMBERED[program]]
        self.memory[program] = {path: content for path in paths if (content := self.read(path)) is not None}

    def restart(self, program: str) -> None:
        self.restarts.append(program)
        self.start(program)
        assert self.cluster is not None
        if program == "kubelet":
            self.put(TOKEN, self.cluster.token(self if self.is_control_plane else None))
            manager = self.cluster.control_planes()[0]
            self.put(TOKEN.replace("/token", "/ca.crt"), _remembered(manager, "kube-controller-manager", "ca.crt"))

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        before = self.read(f"{MANIFESTS}/kube-controller-manager.yaml")
        for file in files:
            if self.writes_left == 0:
                raise PowerCutError
            self.writes_left -= 1
            super().write([file])
        if self.cluster is not None and self.cluster.is_up and any(not file.path.startswith(STATE_DIR) for file in files):
            if self.read(f"{MANIFESTS}/kube-controller-manager.yaml") != before:
                self.restart("kube-controller-manager")
            self.cluster.check()
        return tuple(file.path for file in files)

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        self.restart(unit.name)
        assert self.cluster is not None
        self.cluster.check()
        return ("restarted",)

    def _crictl(self, command: Command) -> Completed:
        if "stop" in command.argv:
            self.restart(command.argv[-1])
            assert self.cluster is not None
            self.cluster.check()
            return Completed(0)
        return super()._crictl(command)

    def _containers(self) -> Iterator[dict[str, Any]]:
        for container in super()._containers():
            yield container | {"id": container["metadata"]["name"], "createdAt": str(2**62)}

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        assert self.cluster is not None
        return tuple(self.cluster.answer(self, endpoint) for endpoint in endpoints)

    def ca(self, name: str = "ca") -> bytes:
        return self.read(f"{PKI}/{name}.crt") or b""


class PowerCutError(Exception):
    """The machine went off."""


@cache
def trusted(pem: bytes, bundle: bytes) -> bool:
    """Whether the first certificate leads to one in the bundle, over those behind it."""
    certificate, *chain = load_certificates(pem)
    return any(is_signed_by(certificate, chain, ca) for ca in load_certificates(bundle))


@cache
def _key_ids(pem: bytes) -> frozenset[str]:
    """Of all public keys in it."""
    begin = b"-----BEGIN PUBLIC KEY-----"
    return frozenset(key_id(begin + block) for block in pem.split(begin)[1:])


@cache
def _kubeconfig(content: bytes) -> Kubeconfig:
    return read_kubeconfig(content)


@dataclass
class RotatingCluster(FakeApi):
    """The API of all control planes, and the nodes."""

    nodes: dict[str, RotatingNode] = field(default_factory=dict)
    is_up: bool = False

    def check(self) -> None:
        """BrokenError where one that has to reach another could not, by what it has read and what the other has."""
        if not self.is_up:
            return
        for node in self.control_planes():
            if not trusted(node.read(f"{PKI}/etcd/server.crt") or b"", _remembered(node, "kube-apiserver", "etcd/ca.crt")):
                raise BrokenError(f"the API server of {node.name} does not trust its etcd")
            for other in self.control_planes():
                if not trusted(node.read(f"{PKI}/etcd/peer.crt") or b"", _remembered(other, "etcd", "etcd/ca.crt")):
                    raise BrokenError(f"etcd of {other.name} does not trust its peer {node.name}")
            for leaf in ("apiserver-etcd-client", "etcd/healthcheck-client"):
                if not trusted(node.read(f"{PKI}/{leaf}.crt") or b"", _remembered(node, "etcd", "etcd/ca.crt")):
                    raise BrokenError(f"etcd of {node.name} does not trust {leaf}")
            for program, name in (("kube-controller-manager", "controller-manager"), ("kube-scheduler", "scheduler")):
                self._check_client(f"{program} of {node.name}", _remembered(node, program, f"../{name}.conf"), node)
            self._check_client(f"admin.conf of {node.name}", node.read("/etc/kubernetes/admin.conf") or b"", node)
            self._check_signing(node)
        for node in self.nodes.values():
            for server in self.control_planes():
                conf = _remembered(node, "kubelet", "../kubelet.conf")
                self._check_client(f"the kubelet of {node.name}", conf, server, node.memory["kubelet"].get(_PAIR, b""))
                if not trusted(server.read(f"{PKI}/apiserver-kubelet-client.crt") or b"", node.ca()):
                    raise BrokenError(f"the kubelet of {node.name} does not let the API server of {server.name} in")
            kid = json.loads(base64.urlsafe_b64decode(node.text(TOKEN).partition(".")[0] + "=="))["kid"]
            for server in self.control_planes():
                if kid not in _key_ids(_remembered(server, "kube-apiserver", "sa.pub")):
                    raise BrokenError(f"the API server of {server.name} does not know the key of a token on {node.name}")

    def _check_client(self, who: str, conf: bytes, server: RotatingNode, pair: bytes = b"") -> None:
        found = _kubeconfig(conf)
        if not trusted(server.read(f"{PKI}/apiserver.crt") or b"", found.ca):
            raise BrokenError(f"{who} does not trust the API server of {server.name}")
        if not trusted(found.certificate or pair, server.ca()):
            raise BrokenError(f"the API server of {server.name} does not trust {who}")

    @staticmethod
    def _check_signing(node: RotatingNode) -> None:
        text = _remembered(node, "kube-controller-manager", "../manifests/kube-controller-manager.yaml").decode()
        path = text.partition("--cluster-signing-cert-file=")[2].split()[0]
        read = node.memory["kube-controller-manager"].get(f"{PKI}/ca.crt", b"") if path.endswith("/ca.crt") else node.read(path)
        if len(load_certificates(read or b"")) != 1:
            raise BrokenError(f"the controller manager of {node.name} was started with {path}, which holds several certificates")

    def control_planes(self) -> list[RotatingNode]:
        return [node for node in self.nodes.values() if node.is_control_plane]

    def token(self, server: RotatingNode | None = None) -> str:
        """As the API server on `server`, else on the first control plane, signs it now."""
        key = load_private_key(_remembered(server or self.control_planes()[0], "kube-apiserver", "sa.key"))
        kid = key_id(encode_public_key(key.public_key()))
        parts = ({"kid": kid}, {"kubernetes.io": {"pod": {}}})
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".x"

    def answer(self, asking: RotatingNode, endpoint: HealthEndpoint) -> str:
        """Of who listens there."""
        host, _, port = endpoint.url.split("/")[2].rpartition(":")
        node = next((each for each in self.nodes.values() if each.address == host), asking)
        if port == "6443":
            if node.is_away:
                return "Connection refused"
            if not trusted(node.read(f"{PKI}/apiserver.crt") or b"", endpoint.ca):
                return "certificate verify failed"
            return "" if trusted(endpoint.certificate, node.ca()) else "status 401: Unauthorized"
        if port == "10250":
            if not trusted(endpoint.certificate, node.ca()):
                return "status 401: Unauthorized"
            allowed, asks = (
                load_certificates(pem)[0].subject
                for pem in (asking.read(f"{PKI}/apiserver-kubelet-client.crt") or b"", endpoint.certificate)
            )
            return "" if asks == allowed else "status 403: Forbidden"
        if port in ("2379", "2380"):
            served = node.read(f"{PKI}/etcd/{'server' if port == '2379' else 'peer'}.crt") or b""
            known = trusted(served, endpoint.ca) and trusted(endpoint.certificate, _remembered(node, "etcd", "etcd/ca.crt"))
            return "" if known else "certificate verify failed"
        return ""

    def connect(self, credentials: Credentials, **_options: Any) -> RotatingCluster:
        """In place of `ClusterApi`."""
        server = self.control_planes()[0]
        if not trusted(server.read(f"{PKI}/apiserver.crt") or b"", credentials.ca):
            raise UntrustedServerError("certificate verify failed")
        if not trusted(credentials.certificate, server.ca()):
            raise ApiStatusError("Unauthorized", code=401)
        return self

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> KubeObject | None:
        found = super().get(api_version, kind, name, namespace)
        if kind == "Lease" and namespace == "kube-node-lease":
            return {"metadata": {"name": name}, "spec": {"renewTime": "2100-01-01T00:00:00.000000Z"}}
        if name == "extension-apiserver-authentication":
            self._publish(found or {})
            found = super().get(api_version, kind, name, namespace)
        return found

    def _publish(self, found: KubeObject) -> None:
        """API servers add what they trust, and take nothing away."""
        data = dict(found.get("data") or {})
        for key, name in (("client-ca-file", "ca"), ("requestheader-client-ca-file", "front-proxy-ca")):
            bundle = data.get(key, "")
            for node in self.control_planes():
                for certificate in load_certificates(node.ca(name)):
                    pem = encode_certificate(certificate).decode()
                    bundle += "" if pem in bundle else pem
            data[key] = bundle
        metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
        self.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def list(self, api_version: str, kind: str, namespace: str = "", **selectors: Any) -> list[KubeObject]:
        if kind == "ConfigMap" and selectors.get("fields") == {"metadata.name": "kube-root-ca.crt"}:
            root = _remembered(self.control_planes()[0], "kube-controller-manager", "ca.crt").decode()
            spaces = super().list("v1", "Namespace")
            return [{"metadata": {"namespace": each["metadata"]["name"]}, "data": {"ca.crt": root}} for each in spaces]
        return super().list(api_version, kind, namespace, **selectors)

    def create(self, document: KubeObject) -> KubeObject:
        if document["kind"] == "CertificateSigningRequest":
            document = document | {"status": {"conditions": [{"type": "Approved"}], "certificate": self._signed(document)}}
        return super().create(document)

    def patch(self, api_version: str, kind: str, name: str, body: Any, namespace: str = "", *, how: Any) -> KubeObject:
        stored = super().patch(api_version, kind, name, body, namespace, how=how)
        if stored.get("type") == "kubernetes.io/service-account-token" and "token" not in stored["data"]:
            return super().patch(
                api_version, kind, name, {"data": encode_data({"token": self.token().encode()})}, namespace, how=how
            )
        return stored

    def _signed(self, document: KubeObject) -> str:
        request = x509.load_pem_x509_csr(base64.b64decode(document["spec"]["request"]))
        names = {attribute.oid.dotted_string: str(attribute.value) for attribute in request.subject}
        leader = self.control_planes()[0]
        signing = leader.read(f"{PKI}/ca-signing.crt") or leader.ca()
        authority = Authority(load_certificates(signing)[0], load_private_key(leader.read(f"{PKI}/ca.key") or b""))
        usage = Usage.SERVER_AUTH if "server auth" in document["spec"]["usages"] else Usage.CLIENT_AUTH
        subject = Subject(
            names["2.5.4.3"], LATER - BACKDATE, LATER + timedelta(days=365), (names["2.5.4.10"],), (usage,), Names()
        )
        return base64.b64encode(encode_certificate(issue_leaf(subject, request.public_key(), authority))).decode()


def _remembered(node: RotatingNode, program: str, name: str) -> bytes:
    from posixpath import normpath

    return node.memory[program][normpath(f"{PKI}/{name}")]


def rotating_cluster(control_planes: int = 1, workers: int = 1) -> RotatingCluster:
    """As `init` and `join` leave it, by kubeadm or pykubeadm: no journal knows of anything."""
    cluster = _copy_of(_made(control_planes, workers))
    for node in cluster.nodes.values():
        for program in node.programs():
            node.start(program)
    for node in cluster.nodes.values():
        node.put(TOKEN, cluster.token())
    cluster.is_up = True
    cluster.check()
    return cluster


def _copy_of(cluster: RotatingCluster) -> RotatingCluster:
    copied = RotatingCluster(objects=plain_copy(cluster.objects))
    for name, node in cluster.nodes.items():
        copied.nodes[name] = RotatingNode(
            name=name,
            files=dict(node.files),
            cluster=copied,
            is_control_plane=node.is_control_plane,
            address=node.address,
        )
    return copied


@cache
def _made(control_planes: int, workers: int) -> RotatingCluster:
    """With all files, and no program that has read any."""
    cluster = RotatingCluster()
    for number in range(1, control_planes + 1):
        _add_control_plane(cluster, f"cp{number}", f"10.0.0.{8 + number}")
    for number in range(1, workers + 1):
        _add_worker(cluster, f"worker{number}", f"10.0.0.{100 + number}")
    for namespace in ("default", "kube-system"):
        cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}, "status": {"phase": "Active"}})
    first = cluster.control_planes()[0]
    cluster.put(cluster_info(cluster_only_kubeconfig("https://10.0.0.9:6443", first.ca())))
    return cluster


def _add_control_plane(cluster: RotatingCluster, name: str, address: str) -> None:
    from pykubeadm.commands.init.etcd import etcd

    node = RotatingNode(name=name, address=address)
    first = next(iter(cluster.control_planes()), None)
    if first is not None:
        for file in (
            "ca.crt",
            "ca.key",
            "front-proxy-ca.crt",
            "front-proxy-ca.key",
            "etcd/ca.crt",
            "etcd/ca.key",
            "sa.key",
            "sa.pub",
        ):
            node.put(f"{PKI}/{file}", first.read(f"{PKI}/{file}") or b"")
    perform(init_run(node, configuration(node=name, address=address))[0], certs, kubeconfig, etcd, control_plane)
    _add(cluster, node)


def _add_worker(cluster: RotatingCluster, name: str, address: str) -> None:
    first = cluster.control_planes()[0]
    node = RotatingNode(name=name, address=address, is_control_plane=False)
    node.put(f"{PKI}/ca.crt", first.ca())
    authority = Authority(load_certificates(first.ca())[0], load_private_key(first.read(f"{PKI}/ca.key") or b""))
    for path, usage in ((_PAIR, Usage.CLIENT_AUTH), (SERVING, Usage.SERVER_AUTH)):
        key = generate_key("ECDSA-P256")
        subject = Subject(f"system:node:{name}", NOW, NOW + timedelta(days=365), ("system:nodes",), (usage,))
        node.put(path, encode_certificate(issue_leaf(subject, key.public_key(), authority)) + encode_private_key(key), 0o600)
    conf = cluster_only_kubeconfig("https://10.0.0.9:6443", first.ca()).replace(
        "contexts: null", "contexts: [{name: a, context: {cluster: '', user: a}}]"
    )
    conf = conf.replace("current-context: ''", "current-context: a").replace('current-context: ""', "current-context: a")
    conf = conf.replace("users: null", f"users: [{{name: a, user: {{client-certificate: {_PAIR}, client-key: {_PAIR}}}}}]")
    node.put("/etc/kubernetes/kubelet.conf", conf, 0o600)
    _add(cluster, node)


def _add(cluster: RotatingCluster, node: RotatingNode) -> None:
    node.remove(["/var/lib/pykubeadm"])
    node.cluster = cluster
    cluster.nodes[node.name] = node
    labels = {"node-role.kubernetes.io/control-plane": ""} if node.is_control_plane else {}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": node.address}]}
    cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}, "status": status})
    if node.is_control_plane:
        pod = read_static_pod(node, "kube-apiserver") or {}
        metadata = pod["metadata"] | {"name": f"kube-apiserver-{node.name}"}
        cluster.put(pod | {"metadata": metadata, "spec": pod["spec"] | {"nodeName": node.name}})


def sign_with_group(node: RotatingNode, name: str, group: str) -> None:
    """Have the leaf's subject name a group."""
    former = load_certificates(node.ca(name))[0]
    (common_name,) = former.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name_of, until = str(common_name.value), former.not_valid_after_utc
    subject = Subject(name_of, NOW - BACKDATE, until, organizations=(group,), usages=(Usage.CLIENT_AUTH,))
    authority = Authority(load_certificates(node.ca())[0], load_private_key(node.read(f"{PKI}/ca.key") or b""))
    key = generate_key("ECDSA-P256")
    node.put(f"{PKI}/{name}.key", encode_private_key(key).decode(), 0o600)
    node.put(f"{PKI}/{name}.crt", encode_certificate(issue_leaf(subject, key.public_key(), authority)).decode())
