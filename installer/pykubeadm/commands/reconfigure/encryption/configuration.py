"""The API server's EncryptionConfiguration (apiserver.config.k8s.io/v1): who reads and who writes which resources. Pure.

Which of its providers wrote a value stands before the value in etcd (Kubernetes: apiserver/pkg/server/options/encryptionconfig
and storage/value), so that what is stored can be compared with what a configuration reads.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from pykubeadm.config.section import DocumentError, Section, load_section
from pykubeadm.util.dataclass import dataclass

KIND: Final = "EncryptionConfiguration"
API_VERSION: Final = "apiserver.config.k8s.io/v1"
IDENTITY: Final = "identity"
_MARK: Final = b"k8s:enc:"
_SIZES: Final = {"aescbc": (16, 24, 32), "aesgcm": (16, 24, 32), "secretbox": (32,)}  # bytes of a key


@dataclass(frozen=True, slots=True)
class Encryption:
    """`providers` are, by resource, names such as "aescbc:key1" in the order of the file: the first writes, all read. `keys` are
    digests of the keys' secrets by these names. A configuration that is not there reads and writes plain text."""

    providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> frozenset[str]:
        """As the file calls them, "secrets", "widgets.example.org", "*.apps", "*." for the core group, "*.*" for all."""
        return frozenset(self.providers)

    def readers(self, resource: str) -> tuple[str, ...]:
        """The names of what reads values of a resource that is no wildcard, the one that writes them first. What names it goes
        before wildcards, which the API server refuses before it."""
        _, _, group = resource.partition(".")
        for name in (resource, f"*.{group}", "*.*"):
            if name in self.providers:
                return self.providers[name]
        return (IDENTITY,)

    def writer(self, resource: str) -> str:
        return self.readers(resource)[0]


def parse_encryption(content: bytes) -> Encryption:
    """DocumentError with what the API server would not start with."""
    document = load_section(content)
    if document.text("kind") != KIND or document.text("apiVersion") != API_VERSION:
        raise document.error(f"is not an {KIND} of {API_VERSION}")
    providers: dict[str, tuple[str, ...]] = {}
    keys: dict[str, str] = {}
    for entry in document.sections("resources"):
        found = tuple(_providers(entry, keys))
        if not found:
            raise entry.error("has resources without providers")
        for resource in entry.texts("resources"):
            providers.setdefault(resource, found)
    if not providers:
        raise document.error("names no resources to encrypt", "resources")
    return Encryption(providers, keys)


def writer_of(value: bytes) -> str:
    """What wrote a value in etcd, as `Encryption` calls it."""
    if not value.startswith(_MARK):
        return IDENTITY
    parts = value[len(_MARK) : len(_MARK) + 512].split(b":")
    return f"{parts[0].decode(errors='replace')}:{parts[2].decode(errors='replace')}" if len(parts) > 3 else "unknown"


def _providers(entry: Section, keys: dict[str, str]) -> Iterator[str]:
    for provider in entry.sections("providers"):
        kinds = [name for name in provider.data if name in (*_SIZES, "kms", IDENTITY)]
        if len(provider.data) != 1 or not kinds:
            names = ", ".join(map(str, provider.data)) or "nothing"
            raise provider.error(f"has a provider that is {names}, and not one of {', '.join((*_SIZES, 'kms', IDENTITY))}")
        kind = kinds[0]
        if kind == IDENTITY:
            yield IDENTITY
        elif kind == "kms":
            name = provider.section("kms").text("name")
            if not name:
                raise provider.error("has a kms provider without a name")
            yield f"kms:{name}"
        else:
            yield from _keys(kind, provider.section(kind), keys)


def _keys(kind: str, provider: Section, keys: dict[str, str]) -> Iterator[str]:
    """The secrets themselves are neither kept nor shown."""
    found = provider.sections("keys")
    if not found:
        raise provider.error(f"has no keys for {kind}")
    for key in found:
        name = f"{kind}:{key.text('name')}"
        if not key.text("name") or ":" in key.text("name"):
            raise key.error(f"has a key of {kind} without a name, or with a colon in it")
        try:
            secret = base64.b64decode(key.text("secret"), validate=True)
        except ValueError:
            raise key.error(f"has a secret for the key {key.text('name')} that is not base64") from None
        if len(secret) not in _SIZES[kind]:
            sizes = " or ".join(map(str, _SIZES[kind]))
            raise key.error(f"has a secret of {len(secret)} bytes for the key {key.text('name')}, and {kind} takes {sizes}")
        digest = hashlib.sha256(secret).hexdigest()
        if keys.setdefault(name, digest) != digest:
            raise key.error(f"has two different secrets for the key {key.text('name')}")
        yield name


def read_encryption(content: bytes | None, path: str) -> Encryption:
    """Of the file at `path`; DocumentError names it."""
    if content is None:
        raise DocumentError(f"{path} does not exist on this node")
    try:
        return parse_encryption(content)
    except DocumentError as error:
        raise DocumentError(f"{path} {error}") from error
