"""What of a stage is the cluster's and no node's: whom cluster-info, every namespace and aggregated API servers are to trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.material import read_material
from pykubeadm.commands.certs.rotation.pods import replace_secret_tokens
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, FRONT_PROXY, Stage
from pykubeadm.commands.certs.rotation.verify import trial_client
from pykubeadm.commands.certs.rotation.waiting import wait_for_others
from pykubeadm.config.section import DocumentError
from pykubeadm.constants import KUBELET_PORT
from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import ensure, retrying, sentence
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.kubeconfig.document import cluster_only_kubeconfig
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.phases.ca import certificate_path
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.waiting import probe
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.issue import encode_certificate
from pykubeadm.tokens.documents import CLUSTER_INFO, cluster_info
from pykubeadm.tokens.shared_certificates import SECRET_NAME
from pykubeadm.util.ip import join_host_port
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe
    from pykubeadm.util.kube_object import KubeObject

PHASE: Final = "cluster"
_PUBLISHED_WITHIN: Final = timedelta(minutes=5)
_ROOT_CA: Final = "kube-root-ca.crt"  # kubernetes: pkg/controller/certificates/rootcacertpublisher
_AUTHENTICATION: Final = (
    "extension-apiserver-authentication"  # kubernetes: pkg/controlplane/controller/clusterauthenticationtrust
)
_CLIENTS: Final = {CA: "client-ca-file", FRONT_PROXY: "requestheader-client-ca-file"}


def settle_cluster(run: RotationRun, nodes: Sequence[KubeObject]) -> Changes:
    """Once all nodes have come to the stage. PhaseError where one of them, or something in the cluster, does not follow."""
    changes: list[str] = []
    if CA in run.under_way.names:
        changes += _write_cluster_info(run)
    changes += [*_forget_uploaded(run), *replace_secret_tokens(run)]
    wait_for_others(run, PHASE, _targets(run, nodes), _PUBLISHED_WITHIN)
    return changes


def _write_cluster_info(run: RotationRun) -> Changes:
    """With the server that it names; the controller manager signs it again."""
    api, ca = cluster_api(run), run.under_way.bundle(CA)
    found = retrying(lambda: api.get("v1", "ConfigMap", CLUSTER_INFO, "kube-public"), api.call_timeout, settling=False)
    try:
        held = read_kubeconfig(((found or {}).get("data") or {}).get("kubeconfig", "").encode()) if found else None
    except DocumentError as error:
        run.note("warning", f"cluster-info {error}, so it is left alone", topic=PHASE)
        return ()
    if held is None or _same(held.ca.decode(), ca.decode()):
        return ()
    document = cluster_info(cluster_only_kubeconfig(held.server, ca))
    return [sentence(ensure(api, document), document)]


def _forget_in_authentication(run: RotationRun) -> None:
    """API servers add to it what they trust and take nothing away; by now none of them adds the other CA."""
    rotation, api = run.under_way, cluster_api(run)
    if rotation.stage.trusts_both:
        return
    found = retrying(lambda: api.get("v1", "ConfigMap", _AUTHENTICATION, "kube-system"), api.call_timeout, settling=False)
    data = (found or {}).get("data") or {}
    changed = {}
    for name, key in _CLIENTS.items():
        if name in rotation.names and key in data and _holds(data[key], rotation.other(name)):
            changed[key] = _without(data[key], rotation.other(name))
    if not changed:
        return
    body = {"data": changed}
    retrying(lambda: api.patch("v1", "ConfigMap", _AUTHENTICATION, body, "kube-system", how="merge"), api.call_timeout)


def _forget_uploaded(run: RotationRun) -> Changes:
    """A control plane that joined with it would have what is no longer right."""
    api = cluster_api(run)
    gone = retrying(lambda: api.delete("v1", "Secret", SECRET_NAME, "kube-system"), api.call_timeout)
    return [f"deleted Secret kube-system/{SECRET_NAME}: `init phase upload-certs` makes another"] if gone else []


def _targets(run: RotationRun, nodes: Sequence[KubeObject]) -> dict[str, Probe]:
    rotation = run.under_way
    targets: dict[str, Probe] = {}
    if CA in rotation.names:
        targets[f"{_ROOT_CA} in every namespace"] = partial(_unpublished, run)
        targets |= _kubelets(run, nodes)
    for name in _CLIENTS.keys() & set(rotation.names):
        targets[f"{_AUTHENTICATION} with {name}"] = partial(_unknown_clients, run, name)
    return targets


def _unpublished(run: RotationRun) -> str | None:
    api = cluster_api(run)
    wanted = run.under_way.bundle(CA).decode()
    try:
        namespaces = {namespace["metadata"]["name"] for namespace in api.list("v1", "Namespace") if _is_active(namespace)}
        maps = api.list("v1", "ConfigMap", fields={"metadata.name": _ROOT_CA})
    except ApiError as error:
        return str(error)
    right = {each["metadata"]["namespace"] for each in maps if _same((each.get("data") or {}).get("ca.crt", ""), wanted)}
    others = sorted(namespaces - right)
    return f"the controller manager has not written that of {', '.join(others[:3])} yet" if others else None


def _is_active(namespace: Mapping[str, Any]) -> bool:
    return (namespace.get("status") or {}).get("phase") != "Terminating"


def _unknown_clients(run: RotationRun, name: str) -> str | None:
    rotation = run.under_way
    try:
        found = cluster_api(run).get("v1", "ConfigMap", _AUTHENTICATION, "kube-system") or {}
        _forget_in_authentication(run)  # an API server may have added the other one again before it read its files
    except ApiError as error:
        return str(error)
    content = (found.get("data") or {}).get(_CLIENTS[name], "")
    if not _holds(content, rotation.signer(name)):
        return "the API server has not written the CA that signs yet"
    is_there = _holds(content, rotation.other(name))
    if is_there is rotation.stage.trusts_both:
        return None
    return "an API server trusts the other CA still" if is_there else "the API server has not written both CAs yet"


def _kubelets(run: RotationRun, nodes: Sequence[KubeObject]) -> dict[str, Probe]:
    """While both are trusted each has to let API servers in that come with a certificate of either CA."""
    rotation = run.under_way
    certificate, key = (run.node.read(certificate_path(run, f"apiserver-kubelet-client.{end}")) or b"" for end in ("crt", "key"))
    if rotation.stage is Stage.TRUST:  # what it may do goes by its name, or by its group as kubeadm before 1.36.1 had it
        certificate, key = trial_client(run, read_material(run)[CA].new, certificate)
    return {
        f"the kubelet of {node['metadata']['name']}": probe(run.node, HealthEndpoint(url, b"", certificate, key))
        for node in nodes
        if is_ready(node) and (url := _kubelet_url(node))
    }


def _kubelet_url(node: Mapping[str, Any]) -> str:
    status = node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
    addresses = [address["address"] for address in status.get("addresses") or () if address.get("type") == "InternalIP"]
    return f"https://{join_host_port(addresses[0], port)}/healthz" if addresses else ""


def _holds(bundle: str, certificate: bytes) -> bool:
    return _der(certificate.decode())[0] in _der(bundle)


def _same(one: str, other: str) -> bool:
    return set(_der(one)) == set(_der(other))


def _without(bundle: str, certificate: bytes) -> str:
    gone = load_certificates(certificate)[0]
    return b"".join(encode_certificate(each) for each in load_certificates(bundle.encode()) if each != gone).decode()


def _der(bundle: str) -> list[bytes]:
    """Each certificate's; PEM may be written in several ways."""
    from pykubeadm.pki.pem import certificate_blocks

    try:
        return [block.content for block in certificate_blocks(bundle.encode())]
    except ValueError:
        return []
