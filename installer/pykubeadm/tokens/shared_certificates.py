"""The Secret kubeadm-certs: what further control planes need, encrypted with AES-256-GCM (kubeadm: phases/copycerts).

Each value is nonce ‖ ciphertext ‖ tag; an empty one stands for a file that did not exist.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.tokens.documents import encode_data, role, role_binding
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration

SECRET_NAME: Final = "kubeadm-certs"  # noqa: S105 - a name, not a password
LIFETIME: Final = timedelta(hours=2)

_NONCE_SIZE: Final = 12
_RBAC_NAME: Final = "kubeadm:kubeadm-certs"
_BOOTSTRAPPERS: Final = "system:bootstrappers:kubeadm:default-node-token"


def shared_files(cluster: ClusterConfiguration) -> dict[str, str]:
    """Names in the Secret and paths on the node of what control planes share."""
    names = ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key"]
    if cluster.etcd.external is None:
        names += ["etcd/ca.crt", "etcd/ca.key"]
    files = {name.replace("/", "-"): posixpath.join(cluster.certificates_dir, name) for name in names}
    if (external := cluster.etcd.external) is not None:
        files["external-etcd-ca.crt"] = external.ca_file
        files["external-etcd.crt"] = external.cert_file
        files["external-etcd.key"] = external.key_file
    return files


def encrypt_files(
    contents: Mapping[str, bytes | None], key: bytes, random: Callable[[int], bytes] = secrets.token_bytes
) -> dict[str, str]:
    """The Secret's `data` for files by name; None is a file that does not exist. `key` has 32 bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key)

    def seal(content: bytes) -> bytes:
        nonce = random(_NONCE_SIZE)
        return nonce + cipher.encrypt(nonce, content, None)

    return encode_data({name: b"" if content is None else seal(content) for name, content in contents.items()})


def decrypt_files(data: Mapping[str, str], key: bytes, secret: str = SECRET_NAME) -> dict[str, bytes | None]:
    """The reverse of `encrypt_files`; raises ValueError with a sentence that names `secret` where the key is another one or data
    was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher, contents = AESGCM(key), dict[str, bytes | None]()
    for name, encoded in data.items():
        try:
            sealed = base64.b64decode(encoded or "", validate=True)
            contents[name] = cipher.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], None) if sealed else None
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise ValueError(
                f"{name} in the Secret {secret} cannot be decrypted: it was encrypted with another key, or changed"
            ) from error
    return contents


def shared_certificates_secret(data: Mapping[str, str], owner_name: str, owner_uid: str) -> KubeObject:
    """The Secret, owned by the Secret of a bootstrap token, with whose expiry it is removed."""
    owner = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": owner_name,
        "uid": owner_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME, "namespace": "kube-system", "ownerReferences": [owner]},
        "type": "Opaque",
        "data": dict(data),
    }


def shared_certificates_rbac() -> tuple[KubeObject, ...]:
    """Nodes with a bootstrap token may read the Secret."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET_NAME], "verbs": ["get"]}
    return (
        role(_RBAC_NAME, "kube-system", rule),
        role_binding(_RBAC_NAME, "kube-system", "Group", _BOOTSTRAPPERS),
    )
