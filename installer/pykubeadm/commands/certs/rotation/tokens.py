"""Which key signed the tokens of ServiceAccounts that are in use: in pods of this node, and in Secrets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import SERVICE_ACCOUNTS, Stage
from pykubeadm.constants import KUBELET_DIR
from pykubeadm.errors import ApiError, NodeError
from pykubeadm.kube.apply import retrying
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.waiting import wait
from pykubeadm.pki.keys import load_public_keys
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject

_PROJECTED: Final = "kubernetes.io~projected"
_SECRET_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a password
# The kubelet looks at a pod's volumes every 60 to 90 s (kubernetes: pkg/kubelet/kubelet.go, syncFrequency and its jitter).
_REPLACED_WITHIN: Final = timedelta(minutes=5)


def await_tokens(run: RotationRun) -> None:
    """Until no pod of this node has a token of another key than that which signs in this stage; the kubelet was restarted for
    that."""
    if SERVICE_ACCOUNTS not in run.under_way.names or run.under_way.stage not in (Stage.ISSUE, Stage.WITHDRAW):
        return
    wanted = key_id(run.under_way.signer(SERVICE_ACCOUNTS))
    wait(run, "verify", {"tokens of pods": partial(_others, run.node, wanted)}, _REPLACED_WITHIN)


def _others(node: Node, wanted: str) -> str | None:
    try:
        others = [
            path for path in _tokens(node) if (content := node.read(path)) is not None and _signed_by(content) not in ("", wanted)
        ]
    except NodeError as error:  # a pod that ends just now
        return str(error)
    return f"{len(others)} are still signed with the other key: {others[0]}" if others else None


def _tokens(node: Node) -> Iterator[str]:
    """Of the projected volumes of all pods; a token's file may have any name (kubernetes: pkg/volume/projected)."""
    for pod in node.list_dir(f"{KUBELET_DIR}/pods"):
        volumes = f"{KUBELET_DIR}/pods/{pod}/volumes/{_PROJECTED}"
        for volume in node.list_dir(volumes):
            yield from (f"{volumes}/{volume}/{name}" for name in node.list_dir(f"{volumes}/{volume}") if "token" in name)


def key_id(public_key: bytes) -> str:
    """What a token says of the key that signed it (kubernetes: pkg/serviceaccount/jwt.go, keyIDFromPublicKey)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = load_public_keys(public_key)[0].public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def _signed_by(token: bytes) -> str:
    """The key's id; "" where it is no token."""
    head = token.partition(b".")[0]
    try:
        return str(json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))["kid"])
    except (ValueError, KeyError, TypeError):
        return ""


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
        wait(run, "cluster", {"tokens in Secrets": partial(_missing, run, wanted)}, _REPLACED_WITHIN)
        run.note("warning", f"whoever took a token out of the Secret {', '.join(titles)} needs the new one", topic="cluster")
    return [f"had the token in Secret {title} signed again" for title in titles]


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
