"""The certificates and kubeconfigs of a control plane below a directory, with periods that tests choose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pykubeadm.kubeconfig.document import build_kubeconfig
from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names, names_of
from pykubeadm.pki.table import TABLE, Usage

CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.0.0.9}
nodeRegistration: {name: cp1, criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
encryptionAlgorithm: ECDSA-P256
"""


def write_control_plane(
    root: Path, ends: Mapping[str, datetime], *, begin: datetime, external: Collection[str] = (), node: str = "cp1"
) -> dict[str, Authority]:
    """What `ends` names ("apiserver", "admin.conf", "ca"), valid from `begin`; keys of the CAs in `external` are left out."""
    kubernetes = root / "etc/kubernetes"
    (kubernetes / "pki/etcd").mkdir(parents=True, exist_ok=True)
    authorities: dict[str, Authority] = {}
    for spec in TABLE:
        if spec.name not in ends:
            continue
        key = generate_key("ECDSA-P256")
        subject = Subject(
            spec.common_name or node,
            begin,
            ends[spec.name],
            usages=spec.usages,
            names=Names(dns=(spec.common_name,)) if spec.is_ca else names_of([node] if spec.names else []),
        )
        if spec.is_ca:
            certificate = issue_ca(subject, key)
            authorities[spec.name] = Authority(certificate, key)
        else:
            certificate = issue_leaf(subject, key.public_key(), authorities[spec.signer])
        (kubernetes / f"pki/{spec.base}.crt").write_bytes(encode_certificate(certificate))
        if spec.name not in external:
            write_secret(kubernetes / f"pki/{spec.base}.key", encode_private_key(key))
    for entry in KUBECONFIGS:
        if entry.file in ends:
            user = f"{entry.user}{node}" if entry.user.endswith(":") else entry.user
            content = kubeconfig(authorities["ca"], user, begin, ends[entry.file], entry.organizations)
            write_secret(kubernetes / entry.file, content)
    return authorities


def kubeconfig(ca: Authority, user: str, begin: datetime, end: datetime, organizations: tuple[str, ...] = ()) -> bytes:
    key = generate_key("ECDSA-P256")
    subject = Subject(user, begin, end, organizations, usages=(Usage.CLIENT_AUTH,))
    return build_kubeconfig(
        server="https://10.0.0.9:6443",
        cluster="kubernetes",
        user=user,
        ca=encode_certificate(ca.certificate),
        certificate=encode_certificate(issue_leaf(subject, key.public_key(), ca)),
        key=encode_private_key(key),
    )


def write_secret(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_bytes(content)


def all_ends(now: datetime, leaf: timedelta = timedelta(days=365), ca: timedelta = timedelta(days=3650)) -> dict[str, datetime]:
    """Of everything, the kubelet's kubeconfig included."""
    return {spec.name: now + (ca if spec.is_ca else leaf) for spec in TABLE} | {entry.file: now + leaf for entry in KUBECONFIGS}
