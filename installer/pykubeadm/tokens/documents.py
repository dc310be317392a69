"""The API objects of the bootstrap-token phase, as kubeadm makes them (apis/bootstraptoken/v1/utils.go,
phases/bootstraptoken/{clusterinfo,node}/*.go)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.constants import BOOTSTRAP_TOKEN_SECRET_TYPE
from pykubeadm.tokens.bootstrap import Token, parse_token
from pykubeadm.tokens.jws import JWS_PREFIX, sign_detached
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.config.model import BootstrapToken


DEFAULT_TTL: Final = timedelta(hours=24)
CLUSTER_INFO: Final = "cluster-info"

_BOOTSTRAPPERS: Final = "system:bootstrappers:kubeadm:default-node-token"
_SIGNER: Final = "kubeadm:bootstrap-signer-clusterinfo"
_NODE_CLIENT: Final = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
_SELF_NODE_CLIENT: Final = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"


def token_secret(token: BootstrapToken, now: datetime) -> KubeObject:
    """The Secret of a bootstrap token; a ttl of 0 never expires, `expires` goes before `ttl`."""
    parsed = parse_token(token.token)
    expires: datetime | None = None
    if token.expires is not None:
        expires = datetime.fromisoformat(token.expires)
    elif (ttl := DEFAULT_TTL if token.ttl is None else token.ttl) > timedelta():
        expires = now + ttl
    return _secret(parsed, token.description, expires, token.usages, token.groups)


def expiry_secret(token: Token, expires: datetime) -> KubeObject:
    """The Secret of a token that is good for nothing but to expire: it owns the Secret kubeadm-certs."""
    return _secret(token, "Proxy for managing TTL for the kubeadm-certs secret", expires, (), ())


def cluster_info(kubeconfig: str, signing: Iterable[Token] = ()) -> KubeObject:
    """The ConfigMap that joining nodes read before they trust anything, signed with the tokens `signing`. The controller manager
    does that too, in a new cluster some seconds later."""
    signatures = {f"{JWS_PREFIX}{token.id}": sign_detached(kubeconfig, token) for token in signing}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CLUSTER_INFO, "namespace": "kube-public"},
        "data": {"kubeconfig": kubeconfig, **signatures},
    }


def cluster_info_rbac() -> tuple[KubeObject, ...]:
    """Anybody may read cluster-info."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CLUSTER_INFO], "verbs": ["get"]}
    return (
        role(_SIGNER, "kube-public", rule),
        role_binding(_SIGNER, "kube-public", "User", "system:anonymous"),
    )


def node_rbac() -> tuple[KubeObject, ...]:
    """What nodes may do that come with a bootstrap token, and later with their own certificate; and what the API server's
    client certificate may do on kubelets."""
    get_nodes = "kubeadm:get-nodes"
    return (
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": get_nodes},
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
        },
        cluster_role_binding(get_nodes, get_nodes, "Group", _BOOTSTRAPPERS),
        cluster_role_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", "Group", _BOOTSTRAPPERS),
        cluster_role_binding("kubeadm:node-autoapprove-bootstrap", _NODE_CLIENT, "Group", _BOOTSTRAPPERS),
        cluster_role_binding("kubeadm:node-autoapprove-certificate-rotation", _SELF_NODE_CLIENT, "Group", "system:nodes"),
        cluster_role_binding(
            "kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", "User", "kube-apiserver-kubelet-client"
        ),
    )


def role(name: str, namespace: str, rule: Mapping[str, Any]) -> KubeObject:
    """A Role with one rule."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": [dict(rule)],
    }


def role_binding(name: str, namespace: str, kind: str, subject: str) -> KubeObject:
    """A RoleBinding to the Role of the same name; `kind` of the subject is "User" or "Group"."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [_subject(kind, subject)],
    }


def cluster_role_binding(name: str, cluster_role: str, kind: str, subject: str) -> KubeObject:
    """A ClusterRoleBinding of one subject; `kind` is "User" or "Group"."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": [_subject(kind, subject)],
    }


def encode_data(data: Mapping[str, bytes]) -> dict[str, str]:
    """The `data` of a Secret."""
    return {name: base64.b64encode(value).decode("ascii") for name, value in data.items()}


def _subject(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def _secret(token: Token, description: str, expires: datetime | None, usages: Sequence[str], groups: Sequence[str]) -> KubeObject:
    data = {"token-id": token.id, "token-secret": token.secret}
    if description:
        data["description"] = description
    if expires is not None:
        data["expiration"] = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data |= {f"usage-bootstrap-{usage}": "true" for usage in usages}
    if groups:
        data["auth-extra-groups"] = ",".join(groups)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": token.secret_name, "namespace": "kube-system"},
        "type": BOOTSTRAP_TOKEN_SECRET_TYPE,
        "data": encode_data({name: text.encode() for name, text in data.items()}),
    }
