"""Bootstrap tokens in the cluster: the Secrets of kube-system that hold them (kubeadm: cmd/token.go)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from pykubeadm.constants import BOOTSTRAP_TOKEN_PATTERN, BOOTSTRAP_TOKEN_SECRET_TYPE
from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.port import Api
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.timestamp import parse_timestamp

_NAME_PREFIX = "bootstrap-token-"
_USAGE_PREFIX = "usage-bootstrap-"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as the cluster has it; `expires` is None where it never does."""

    text: str = field(repr=False)
    description: str
    expires: datetime | None
    usages: tuple[str, ...]
    groups: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As kubeadm prints it: output.kubeadm.k8s.io/v1alpha3, empty fields left out."""
        fields: dict[str, Any] = {
            "kind": "BootstrapToken",
            "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
            "token": self.text,
            "description": self.description,
            "expires": timestamp(self.expires) if self.expires else None,
            "usages": list(self.usages),
            "groups": list(self.groups),
        }
        return {name: value for name, value in fields.items() if value}


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def list_tokens(api: Api, damaged: Callable[[str], None]) -> list[StoredToken]:
    """All tokens in the order of their ids; `damaged` gets a sentence for each Secret that is none."""
    secrets = retrying(lambda: api.list("v1", "Secret", "kube-system"), api.call_timeout)
    found = []
    for secret in sorted(secrets, key=lambda secret: str(secret["metadata"]["name"])):
        if secret.get("type") == BOOTSTRAP_TOKEN_SECRET_TYPE:
            try:
                found.append(_stored(secret))
            except ValueError as error:
                damaged(f"Secret kube-system/{secret['metadata']['name']} {error}")
    return found


def create_token(api: Api, secret: KubeObject) -> None:
    """Make a token known; ApiError where one with its id is there already."""
    name = str(secret["metadata"]["name"])
    if retrying(lambda: api.get("v1", "Secret", name, "kube-system"), api.call_timeout) is not None:
        token_id = name.removeprefix(_NAME_PREFIX)
        raise ApiError(f"a token with the id {token_id} is there already: take another one, or delete that first")
    retrying(lambda: api.create(secret), api.call_timeout)


def delete_token(api: Api, token_id: str) -> None:
    """ApiError where there is none with this id."""
    if not retrying(lambda: api.delete("v1", "Secret", f"{_NAME_PREFIX}{token_id}", "kube-system"), api.call_timeout):
        raise ApiError(f"there is no bootstrap token {token_id}; `pykubeadm token list` shows those there are")


def _stored(secret: KubeObject) -> StoredToken:
    data = {name: _decoded(name, value) for name, value in (secret.get("data") or {}).items()}
    for name in ("token-id", "token-secret"):
        if not data.get(name):
            raise ValueError(f"has no {name}")
    text = f"{data['token-id']}.{data['token-secret']}"
    if not re.fullmatch(BOOTSTRAP_TOKEN_PATTERN, text):
        raise ValueError("holds no token of the form [a-z0-9]{6}.[a-z0-9]{16}")
    if secret["metadata"]["name"] != f"{_NAME_PREFIX}{data['token-id']}":
        raise ValueError(f"holds the token {data['token-id']}, which its name does not say")
    expiration = data.get("expiration")
    try:
        expires = parse_timestamp(expiration) if expiration else None
    except ValueError as error:
        raise ValueError(f'has the expiration "{expiration}", which is not an RFC 3339 time') from error
    return StoredToken(
        text=text,
        description=data.get("description", ""),
        expires=expires,
        usages=tuple(
            sorted(
                name.removeprefix(_USAGE_PREFIX)
                for name, text in data.items()
                if name.startswith(_USAGE_PREFIX) and text == "true"
            )
        ),
        groups=tuple(group for group in data.get("auth-extra-groups", "").split(",") if group),
    )


def _decoded(name: str, value: str) -> str:
    try:
        return base64.b64decode(value or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"has {name} that cannot be decoded") from error
