"""What is on a node after the offline phases of `init`, as plain data: certificates, kubeconfigs, static pods, modes, addons."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Facts = dict[str, Any]

_PURPOSES = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}
_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign")
_KUBELET = ("config.yaml", "instance-config.yaml")


def node_facts(root: Path) -> Facts:
    """The files below /etc/kubernetes, /opt and /var/lib/kubelet."""
    facts: Facts = {"certs": {}, "kubeconfigs": {}, "manifests": {}, "modes": {}, "kubelet": {}}
    for path in sorted(path for top in ("etc/kubernetes", "opt") for path in (root / top).rglob("*") if path.is_file()):
        name = f"/{path.relative_to(root)}"
        facts["modes"][name] = oct(stat.S_IMODE(path.stat().st_mode))
        if path.suffix == ".crt":
            facts["certs"][name] = certificate_facts(path.read_bytes())
        elif path.suffix == ".conf":
            facts["kubeconfigs"][name] = kubeconfig_facts(path.read_text())
        elif path.suffix == ".yaml":
            facts["manifests"][name] = pod_facts(yaml.safe_load(path.read_text()))
    kubelet = root / "var/lib/kubelet"
    for file in _KUBELET:
        if (kubelet / file).exists():
            facts["kubelet"][file] = without_zeros(yaml.safe_load((kubelet / file).read_text()))
    if (kubelet / "kubeadm-flags.env").exists():
        facts["kubelet"]["flags"] = (kubelet / "kubeadm-flags.env").read_text().strip()
    return facts


def certificate_facts(pem: bytes) -> Facts:
    certificate = x509.load_pem_x509_certificate(pem)
    names = extension(certificate, x509.SubjectAlternativeName)
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    usage = extension(certificate, x509.KeyUsage)
    constraints = extension(certificate, x509.BasicConstraints)
    key = certificate.public_key()
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return {
        "cn": texts(certificate.subject, NameOID.COMMON_NAME),
        "o": sorted(texts(certificate.subject, NameOID.ORGANIZATION_NAME)),
        "issuer": texts(certificate.issuer, NameOID.COMMON_NAME),
        "dns": sorted(names.value.get_values_for_type(x509.DNSName)) if names else [],
        "ips": sorted(str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)) if names else [],
        "eku": sorted(_PURPOSES[purpose] for purpose in purposes.value) if purposes else [],
        "ku": [name for name in _USAGES if usage and getattr(usage.value, name)],
        "ku_critical": bool(usage and usage.critical),
        "bc_critical": bool(constraints and constraints.critical),
        "ca": bool(constraints and constraints.value.ca),
        "has_bc": bool(constraints),
        "key": f"RSA-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else f"ECDSA-{key.curve.name}",
        "sig": certificate.signature_hash_algorithm.name,
        "hours": round(lifetime.total_seconds() / 3600, 1),
    }


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def texts(name: x509.Name, oid: x509.ObjectIdentifier) -> list[Any]:
    return [attribute.value for attribute in name.get_attributes_for_oid(oid)]


def kubeconfig_facts(text: str) -> Facts:
    document = yaml.safe_load(text)
    user, cluster, context = document["users"][0], document["clusters"][0], document["contexts"][0]
    return {
        "server": cluster["cluster"]["server"],
        "cluster": cluster["name"],
        "user": user["name"],
        "context": context["name"],
        "current": document["current-context"],
        "ctx_cluster": context["context"]["cluster"],
        "ctx_user": context["context"]["user"],
        "ca": certificate_facts(base64.b64decode(cluster["cluster"]["certificate-authority-data"]))["cn"],
        "cert": certificate_facts(base64.b64decode(user["user"]["client-certificate-data"])),
    }


def pod_facts(pod: Facts) -> Facts:
    """A static pod; its empty status says nothing."""
    return {key: value for key, value in pod.items() if key != "status"}


def addon_facts(text: str) -> Facts:
    """What --print-manifest prints, by kind and name; configuration inside of ConfigMaps is read as well."""
    documents = [without_zeros(document) for document in yaml.safe_load_all(text) if document]
    for document in documents:
        for key in {"config.conf", "kubeconfig.conf"} & set(document.get("data", {})):
            document["data"][key] = without_zeros(yaml.safe_load(document["data"][key]))
    return {f"{document['kind']}/{document['metadata']['name']}": document for document in documents}


def without_zeros(value: Any) -> Any:
    """Without what says nothing: kubeadm prints empty and zero values that others need not."""
    if isinstance(value, dict):
        cleaned = {name: without_zeros(item) for name, item in value.items()}
        return {
            name: item
            for name, item in cleaned.items()
            if item is False or name == "value" or item not in (None, "", {}, [], "0s", 0, "0")
        }
    return [without_zeros(item) for item in value] if isinstance(value, list) else value


def keyed(value: Any) -> Any:
    """With lists of named objects (containers, volumes, …) as mappings by place, so that a difference names its place;
    null becomes a word, as a difference uses it for what is gone."""
    if isinstance(value, dict):
        return {str(name): keyed(item) for name, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return {str(index): keyed(item) for index, item in enumerate(value)}
    return "<null>" if value is None else value


def differences(want: Any, got: Any, path: str = "") -> Iterable[str]:
    """A line for each place where they are not the same."""
    if isinstance(want, dict) and isinstance(got, dict):
        for name in sorted(want.keys() | got.keys()):
            if name not in got:
                yield f"{path}/{name}: missing, want {want[name]}"
            elif name not in want:
                yield f"{path}/{name}: not wanted, got {got[name]}"
            else:
                yield from differences(want[name], got[name], f"{path}/{name}")
    elif want != got:
        yield f"{path}: want {want!r}, got {got!r}"
