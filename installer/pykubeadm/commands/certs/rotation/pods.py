"""What pods reach the API with: tokens of ServiceAccounts and the CA beside them, in pods of this node; tokens in Secrets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, SERVICE_ACCOUNTS, Stage
from pykubeadm.commands.certs.rotation.waiting import wait_for_others
from pykubeadm.constants import KUBELET_DIR
from pykubeadm.errors import ApiError, NodeError
from pykubeadm.kube.apply import retrying
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.keys import load_public_keys
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509

    from pykubeadm.kube.waits import Probe
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject

_ADMITTED: Final = "/kube-api-access-"  # volumes of ServiceAccounts (kubernetes: plugin/pkg/admission/serviceaccount)
_PROJECTED: Final = "kubernetes.io~projected"
_SECRET_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a password
# The kubelet looks at a pod's volumes every 60 to 90 s (kubernetes: pkg/kubelet/kubelet.go, syncFrequency and its jitter).
_REPLACED_WITHIN: Final = timedelta(minutes=5)


def await_pods(run: RotationRun) -> None:
    """Until every pod of this node has the CA that signs in this stage, and no token of another key than that which does; the
    kubelet, which was restarted, sees to both."""
    rotation = run.under_way
    if rotation.stage not in (Stage.ISSUE, Stage.WITHDRAW):
        return
    targets: dict[str, Probe] = {}
    if CA in rotation.names:
        targets["the CA in pods"] = partial(_without_ca, run, load_certificates(rotation.signer(CA))[0])
    if SERVICE_ACCOUNTS in rotation.names:
        targets["tokens of pods"] = partial(_others, run, key_id(rotation.signer(SERVICE_ACCOUNTS)))
    if targets:
        wait_for_others(run, "verify", targets, _REPLACED_WITHIN)


def _without_ca(run: RotationRun, ca: x509.Certificate) -> str | None:
    node = run.node
    try:
        paths = [path for path in _projected(node) if path.endswith("/ca.crt") and _ADMITTED in path]
        without = [path for path in paths if ca not in load_certificates(node.read(path) or b"")]
    except (NodeError, ValueError) as error:  # a pod that ends just now
        return str(error)
    return f"{len(without)} do not have it yet: {_title(run, without[0])}" if without else None


def _others(run: RotationRun, wanted: str) -> str | None:
    node = run.node
    try:
        others = [
            path
            for path in _projected(node)
            if (token := node.read(path)) is not None and _is_bound(token) and _signed_by(token) != wanted
        ]
    except NodeError as error:  # a pod that ends just now
        return str(error)
    return f"{len(others)} are still signed with the other key: {_title(run, others[0])}" if others else None


def _title(run: RotationRun, path: str) -> str:
    """Whose file of a projected volume it is. A pod whose ServiceAccount is gone gets no other token."""
    uid = path.removeprefix(f"{KUBELET_DIR}/pods/").partition("/")[0]
    try:
        pods = cluster_api(run).list("v1", "Pod", fields={"spec.nodeName": run.node_name})
    except ApiError:
        return path
    for pod in pods:
        if pod["metadata"].get("uid") == uid:
            namespace, account = pod["metadata"].get("namespace"), (pod.get("spec") or {}).get("serviceAccountName")
            title = f"that of pod {namespace}/{pod['metadata']['name']}"
            return f"{title}; where its ServiceAccount {account} is gone, delete the pod or bring the account back"
    return path


def _projected(node: Node) -> Iterator[str]:
    """Files of the projected volumes of all pods; a token's may have any name (kubernetes: pkg/volume/projected)."""
    for pod in node.list_dir(f"{KUBELET_DIR}/pods"):
        volumes = f"{KUBELET_DIR}/pods/{pod}/volumes/{_PROJECTED}"
        for volume in node.list_dir(volumes):
            yield from (f"{volumes}/{volume}/{name}" for name in node.list_dir(f"{volumes}/{volume}") if name[0] != ".")


def key_id(public_key: bytes) -> str:
    """What a token says of the key that signed it (kubernetes: pkg/serviceaccount/jwt.go, keyIDFromPublicKey)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = load_public_keys(public_key)[0].public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def _signed_by(token: bytes) -> str:
    """The key's id; "" where it is no token."""
    return str(_part(token, 0).get("kid") or "")


def _is_bound(token: bytes) -> bool:
    """Whether it is one that the API server gave out for a pod (kubernetes: pkg/serviceaccount/claims.go)."""
    return "kubernetes.io" in _part(token, 1)


def _part(token: bytes, number: int) -> dict[str, Any]:
    """Of a JWT (RFC 7519); {} where it is none."""
    parts = token.split(b".")
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[number] + b"=" * (-len(parts[number]) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def replace_secret_tokens(run: RotationRun) -> Changes:
    """Tokens in Secrets have no end: the controller manager makes another where one is taken out. The former ones are good until
    their key is dropped."""
    if SERVICE_ACCOUNTS not in run.under_way.names:
        return ()
    api, wanted = cluster_api(run), key_id(run.under_way.signer(SERVICE_ACCOUNTS))
    due = [secret for secret in _secrets(run) if _signed_by(_token(secret)) not in ("", wanted)]
    for secret in due:
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        retrying(partial(api.patch, "v1", "Secret", name, {"data": {"token": None}}, namespace, how="merge"), api.call_timeout)
    titles = [f"{secret['metadata']['namespace']}/{secret['metadata']['name']}" for secret in due]
    if titles:
        wait_for_others(run, "cluster", {"tokens in Secrets": partial(_missing, run, wanted)}, _REPLACED_WITHIN)
        run.note(
            "warning", f"clients that use a copy of the token in the Secret {', '.join(titles)} need the new one", topic="cluster"
        )
    return [f"re-signed the token in Secret {title}" for title in titles]


def _missing(run: RotationRun, wanted: str) -> str | None:
    try:
        others = [secret["metadata"]["name"] for secret in _secrets(run) if _signed_by(_token(secret)) != wanted]
    except ApiError as error:
        return str(error)
    return f"the controller manager has not signed that of {others[0]} yet" if others else None


def _secrets(run: RotationRun) -> list[KubeObject]:
    api = cluster_api(run)
    found = retrying(lambda: api.list("v1", "Secret"), api.call_timeout)
    return [secret for secret in found if secret.get("type") == _SECRET_TYPE]


def _token(secret: KubeObject) -> bytes:
    return base64.b64decode((secret.get("data") or {}).get("token") or "")
