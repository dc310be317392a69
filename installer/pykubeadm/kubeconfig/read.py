"""The one reader of kubeconfigs (v1 Config, client-go: tools/clientcmd): what the current context of one says.

`read_kubeconfig` takes whatever client-go can decode; `usable_kubeconfig` also wants what client-go wants before it connects
(clientcmd.ConfirmUsable, transport.TLSConfigFor), and nothing that pykubeadm's own client does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from pykubeadm.config.section import DocumentError, Section, load_section
from pykubeadm.util.base64_text import decode_base64
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

_CLUSTER_TEXTS = ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url")
_FILES_OF_USERS = ("client-certificate", "client-certificate-data", "client-key", "client-key-data")
_USER_TEXTS = (*_FILES_OF_USERS, "token", "tokenFile", "username", "password", "as", "as-uid")
# Fields of users that say as whom to ask, and cannot be left out.
_UNSUPPORTED = ("as", "as-groups", "as-uid", "as-user-extra", "auth-provider")


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The current context of a kubeconfig. PEM bytes are empty where the file names a path instead, which then stands, as it
    is written, in the field that ends with `_path`.

    `cluster` and `user` are the entries themselves, parts of `document`: change them and write that to rewrite the file.
    """

    document: KubeObject = field(repr=False)
    context: str
    cluster_name: str
    user_name: str
    cluster: KubeObject
    user: KubeObject = field(repr=False)
    server: str
    ca: bytes
    ca_path: str
    certificate: bytes
    certificate_path: str
    key: bytes = field(repr=False)
    key_path: str
    insecure: bool  # the server's certificate shall not be looked at

    @property
    def url(self) -> str:
        """The server's, with its scheme in lower case."""
        scheme, separator, rest = self.server.partition("://")
        return f"{scheme.lower()}{separator}{rest}"


def read_kubeconfig(content: bytes) -> Kubeconfig:
    """The current context; without one, the cluster without a name, as cluster-info has it. DocumentError with the end of a
    sentence."""
    document = load_section(content)
    if (document.text("kind") or "Config", document.text("apiVersion") or "v1") != ("Config", "v1"):
        raise document.error("is not a kubeconfig, which has apiVersion v1 and kind Config", "kind")
    clusters = _entries(document, "clusters", "cluster")
    contexts = _entries(document, "contexts", "context")
    users = _entries(document, "users", "user")
    context = document.text("current-context")
    if context and context not in contexts:
        raise document.error(f'has no context "{context}", which its current-context names', "current-context")
    nothing = Section(document.document, {})
    names = contexts.get(context, nothing)
    cluster_name, user_name = names.text("cluster"), names.text("user")
    if cluster_name not in clusters:
        if not context:
            raise DocumentError("has no current-context, so it does not say which cluster is meant")
        raise names.error(f'has no cluster "{cluster_name}", which its current context names', "cluster")
    if user_name and user_name not in users:
        raise names.error(f'has no user "{user_name}", which its current context names', "user")
    cluster, user = clusters[cluster_name], users.get(user_name, nothing)
    for name in _CLUSTER_TEXTS:
        cluster.text(name)
    for name in _USER_TEXTS:
        user.text(name)
    return Kubeconfig(
        document=document.data,
        context=context,
        cluster_name=cluster_name,
        user_name=user_name,
        cluster=cluster.data,
        user=user.data,
        server=cluster.text("server"),
        ca=_data(cluster, "certificate-authority-data"),
        ca_path=cluster.text("certificate-authority"),
        certificate=_data(user, "client-certificate-data"),
        certificate_path=user.text("client-certificate"),
        key=_data(user, "client-key-data"),
        key_path=user.text("client-key"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
    )


def usable_kubeconfig(content: bytes) -> Kubeconfig:
    """As `read_kubeconfig`, where one can connect with it; DocumentError with all that is in the way."""
    kubeconfig = read_kubeconfig(content)
    problems = list(_problems(kubeconfig))
    if problems:
        raise DocumentError(" and ".join(problems))
    return kubeconfig


def has_credentials(user: Mapping[str, Any]) -> bool:
    """Whether the API server would know who comes with this user's entry (kubeadm: HasAuthenticationCredentials)."""
    certificate, certificate_data, key, key_data = (bool(user.get(name)) for name in _FILES_OF_USERS)
    return bool(
        user.get("token")
        or user.get("tokenFile")
        or (user.get("username") and user.get("password"))
        or ((certificate or certificate_data) and (key or key_data))
        or user.get("exec")
    )


def _problems(kubeconfig: Kubeconfig) -> Iterator[str]:
    user, has_ca = kubeconfig.user, bool(kubeconfig.ca or kubeconfig.ca_path)
    if not kubeconfig.server:
        yield "names no server"
    if kubeconfig.context and not kubeconfig.user_name:
        yield f'names no user for its context "{kubeconfig.context}"'
    if kubeconfig.ca and kubeconfig.ca_path:
        yield "has both certificate-authority and certificate-authority-data, of which one must go"
    if kubeconfig.insecure and has_ca:
        yield "has a certificate authority and insecure-skip-tls-verify, which exclude each other"
    if kubeconfig.certificate or kubeconfig.certificate_path:
        if kubeconfig.certificate and kubeconfig.certificate_path:
            yield "has both client-certificate and client-certificate-data, of which one must go"
        if kubeconfig.key and kubeconfig.key_path:
            yield "has both client-key and client-key-data, of which one must go"
        if not kubeconfig.key and not kubeconfig.key_path:
            yield "has a client certificate without its key (client-key or client-key-data)"
    if user.get("token") and (user.get("username") or user.get("password")):
        yield "has a token and a user name with a password, of which one must go"
    if unsupported := [name for name in _UNSUPPORTED if user.get(name)]:
        yield f"sets {' and '.join(unsupported)}, which pykubeadm does not support"


def _entries(document: Section, group: str, item: str) -> dict[str, Section]:
    """By name; each may be there once (client-go: tools/clientcmd/api/v1/conversion.go)."""
    found: dict[str, Section] = {}
    for entry in document.sections(group):
        name = entry.text("name")
        if name in found:
            raise entry.error(f'has the {item} "{name}" twice')
        found[name] = entry.section(item)
    return found


def _data(section: Section, name: str) -> bytes:
    try:
        return decode_base64(section.text(name))
    except ValueError:
        raise section.error(f"has {name} that is not base64", name) from None
