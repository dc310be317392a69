"""Orders the private keys that a run will need, before its first phase: they are made while preflight looks around."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pykubeadm.constants import CERTIFICATES_DIR
from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.node.port import Node
from pykubeadm.pki.keypool import KeyPool
from pykubeadm.pki.table import BY_NAME, TABLE

if TYPE_CHECKING:
    from pykubeadm.phases.run import ClusterRun

_WITH_KEYS = ("certs/", "kubeconfig/")  # steps
DEFAULT_ALGORITHM = "RSA-2048"
# RSA keys in PEM (PKCS#1) have some 1,680, 2,460 and 3,240 bytes.
_PKCS1 = b"-----BEGIN RSA PRIVATE KEY-----"
_LONGEST = {"RSA-2048": 2000, "RSA-3072": 2800, "RSA-4096": 3600}
_NAMES_RSA = re.compile(rb"^[ \t]*encryptionAlgorithm:[ \t]*(RSA-(?:2048|3072|4096))\b", re.MULTILINE)


def begin_keys(node: Node, paths: Iterable[str], config: bytes) -> KeyPool:
    """Begin with keys before the configuration is understood, which takes as long as two of them: of the RSA keys that its text
    asks for, or of the default algorithm. Not where it may ask for others, which take no time, or where the node has its keys:
    what was begun must be finished."""
    found = _NAMES_RSA.search(config)
    pool = KeyPool(found[1].decode() if found else DEFAULT_ALGORITHM)
    others = not found and any(field in config for field in (b"encryptionAlgorithm", b"PublicKeysECDSA"))
    if not others and node.stat(f"{CERTIFICATES_DIR}/ca.crt") is None:
        pool.order(sum(path.startswith(_WITH_KEYS) for path in paths))
    return pool


def begin_keys_like(key: bytes, count: int) -> KeyPool | None:
    """Begin with `count` keys of the size that an RSA key in PEM seems to have, before the configuration is known; None where it
    is of another kind, which is made in no time, or in another form."""
    algorithm = next((name for name, longest in _LONGEST.items() if len(key) <= longest), "")
    if not key.startswith(_PKCS1) or not algorithm:
        return None
    pool = KeyPool(algorithm)
    pool.order(count)
    return pool


def order_keys(run: ClusterRun, paths: Iterable[str]) -> None:
    """Begin to make the keys that the steps at `paths` ("certs/apiserver", …) will ask `run.keys` for. Nothing depends on
    the count: a key too few is made when it is asked for, one too many is dropped."""
    paths = tuple(paths)
    if not any(path.startswith(_WITH_KEYS) for path in paths):
        return
    certificates_dir = run.configuration.cluster.certificates_dir
    keys = [f"{entry.base}.{kind}" for entry in TABLE for kind in ("crt", "key")]
    places = [posixpath.join(certificates_dir, name) for name in (*keys, "sa.key")]
    there = run.node.ahead(stat=[*places, *(posixpath.join(run.kubeconfig_dir, entry.file) for entry in KUBECONFIGS)])

    def exists(*parts: str) -> bool:
        return there.stat(posixpath.join(*parts)) is not None

    def external(ca: str) -> bool:
        base = posixpath.join(certificates_dir, BY_NAME[ca].base)
        return exists(f"{base}.crt") and not exists(f"{base}.key")

    cas = {entry.name: external(entry.name) for entry in TABLE if entry.is_ca}
    own_etcd = run.configuration.cluster.etcd.external is None
    wanted = {
        f"certs/{entry.name}": posixpath.join(certificates_dir, f"{entry.base}.key")
        for entry in TABLE
        if not cas[entry.signer or entry.name] and (own_etcd or "etcd-ca" not in (entry.name, entry.signer))
    }
    wanted["certs/sa"] = posixpath.join(certificates_dir, "sa.key")
    if not cas["ca"]:
        wanted |= {f"kubeconfig/{entry.name}": posixpath.join(run.kubeconfig_dir, entry.file) for entry in KUBECONFIGS}
    missing = sum(1 for path in paths if path in wanted and not exists(wanted[path]))
    run.keys.order(missing)
