"""bootstrap-token: tokens with which nodes join, what such nodes may do, and the cluster-info they read first."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pykubeadm.commands.init.run import InitRun
from pykubeadm.constants import BOOTSTRAP_TOKEN_SECRET_TYPE
from pykubeadm.tokens.bootstrap import Token, parse_token
from pykubeadm.tokens.documents import token_secret
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.timestamp import parse_timestamp
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.config.model import BootstrapToken
    from pykubeadm.kube.port import Api


def _apply(run: InitRun) -> Changes:
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.kubeconfig.document import cluster_only_kubeconfig
    from pykubeadm.phases.cluster.connection import admin_credentials, cluster_api
    from pykubeadm.tokens.documents import cluster_info, cluster_info_rbac, node_rbac

    api = cluster_api(run)
    admin = admin_credentials(run)
    secrets = _secrets(run, _present(api))
    run.tokens = tuple(_token_text(secret) for secret in secrets)
    info = cluster_info(cluster_only_kubeconfig(admin.server, admin.ca), _signing(secrets))
    return ensure_all(api, [*secrets, *node_rbac(), info, *cluster_info_rbac()])


def _signing(secrets: Iterable[KubeObject]) -> list[Token]:
    """Those that the controller manager signs with, too."""
    return [parse_token(_token_text(secret)) for secret in secrets if _value(secret, "usage-bootstrap-signing") == "true"]


def tokens_in_cluster(run: InitRun) -> tuple[str, ...]:
    """Those of the run's tokens that nodes can join with, where this run did not make them; changes nothing."""
    from pykubeadm.phases.cluster.connection import cluster_api

    present = _present(cluster_api(run))
    return tuple(_token_text(secret) for secret in _secrets(run, present) if secret["metadata"]["name"] in present)


def _present(api: Api) -> dict[str, KubeObject]:
    """The Secrets of tokens that are in the cluster, by their names."""
    secrets = api.list("v1", "Secret", "kube-system")
    return {secret["metadata"]["name"]: secret for secret in secrets if secret.get("type") == BOOTSTRAP_TOKEN_SECRET_TYPE}


def _secrets(run: InitRun, present: Mapping[str, KubeObject]) -> list[KubeObject]:
    """The tokens' Secrets. A token that the user did not name gives way to one an earlier run made that still holds."""
    secrets = []
    for token in run.init.bootstrap_tokens:
        wanted = token_secret(token, run.now())
        if token.token in run.made_tokens:
            secrets.append(_reusable(wanted, present.values(), run.now()) or wanted)
        else:
            secrets.append(_with_expiry_of(present.get(wanted["metadata"]["name"]), wanted, token, run.now()))
    return secrets


def _with_expiry_of(live: KubeObject | None, wanted: KubeObject, token: BootstrapToken, now: datetime) -> KubeObject:
    """A token that is there already and holds keeps its expiry, unless the configuration names a moment."""
    if live is None or token.expires is not None or not _holds(live, now):
        return wanted
    kept = {name: value for name, value in (live.get("data") or {}).items() if name == "expiration"}
    return wanted | {"data": {name: value for name, value in wanted["data"].items() if name != "expiration"} | kept}


def _reusable(wanted: KubeObject, present: Iterable[KubeObject], now: datetime) -> KubeObject | None:
    """Of the tokens that are there the one that is like `wanted` but for id, secret and expiry, and holds longest."""
    own = ("token-id", "token-secret", "expiration")

    def likeness(secret: KubeObject) -> dict[str, str]:
        return {name: value for name, value in (secret.get("data") or {}).items() if name not in own}

    same = [secret for secret in present if likeness(secret) == likeness(wanted) and _holds(secret, now)]
    if not same:
        return None
    found = max(same, key=lambda secret: _value(secret, "expiration") or "never")
    metadata = {name: found["metadata"][name] for name in ("name", "namespace")}
    return wanted | {"metadata": metadata, "data": found["data"]}


def _holds(secret: KubeObject, now: datetime) -> bool:
    """Whether the token can be used still; one whose expiry is no time cannot (kubernetes: cluster-bootstrap/util/secrets)."""
    try:
        expiration = _value(secret, "expiration")
        return not expiration or parse_timestamp(expiration) > now
    except ValueError:
        return False


def _token_text(secret: KubeObject) -> str:
    return f"{_value(secret, 'token-id')}.{_value(secret, 'token-secret')}"


def _value(secret: KubeObject, name: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(name) or "").decode()


bootstrap_token: Phase[InitRun] = Phase(
    name="bootstrap-token",
    summary="Make bootstrap tokens and let nodes join with them",
    apply=_apply,
    flags=("config", "kubeconfig", "skip-token-print", "dry-run"),
)
