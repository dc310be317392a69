"""Whose node is this? Preflight of `init` asks before it takes files, ports and etcd's data for somebody else's.

What the journal knows as ours is ours. Where it does not know (it was lost, damaged, or somebody else's cluster was made here
after ours), the node is looked at: do the CA's key, the certificates, the kubeconfigs, the static pods and the API server that
runs belong together, and to this configuration? The bytes of a single file say nothing: it may have been touched or damaged.
"""

from __future__ import annotations

import posixpath
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from pykubeadm.constants import KUBERNETES_DIR, MANIFESTS_DIR
from pykubeadm.errors import PykubeadmError
from pykubeadm.phases.preflight.machine import Once
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.tls import client_context
from pykubeadm.transport.route import Dial
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from cryptography import x509

_PATIENCE = 3.0  # seconds for the API server of this machine to say hello
_KUBECONFIGS = ("admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf")
# X.509 errors that are about the time (openssl: x509_vfy.h): they say nothing about whose certificate it is.
_NOT_YET_VALID, _EXPIRED = 9, 10


@dataclass
class ControlPlane:
    """The owner of what lies on the node of `run`, which is or becomes a control plane with its own configuration."""

    run: ClusterRun
    _contradiction: Once[str] = field(init=False)
    _was_replaced: Once[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._contradiction = Once(lambda: next(self._contradictions(), ""))
        self._was_replaced = Once(self._has_another_ca)

    def owns(self, path: str) -> bool:
        """Whether `path` is from an earlier run of ours, or a part of the cluster that this configuration describes."""
        if self.run.journal.owns(path) and not self._was_replaced():
            return True
        return self.run.node.stat(path) is not None and not self._contradiction()

    def started_kubelet(self) -> bool:
        if self.run.journal.started_kubelet() and not self._was_replaced():
            return True
        return self.run.node.stat(f"{KUBERNETES_DIR}/kubelet.conf") is not None and not self._contradiction()

    def why_not(self) -> str:
        """Why something here is not taken for ours, as the end of a sentence."""
        replaced = "the CA on this node is not the one that this tool made"
        why = replaced if self._was_replaced() else self.run.journal.why_not()
        return f"{why} ({contradiction})" if (contradiction := self._contradiction()) else why

    def _has_another_ca(self) -> bool:
        """Whether a whole CA, certificate and key, is in the place of the one that we made: somebody else's cluster. A file that
        was touched, damaged, or exchanged alone does not make the node another's."""
        from pykubeadm.pki.check import is_for_key, load_certificates
        from pykubeadm.pki.issue import encode_certificate
        from pykubeadm.pki.keys import load_private_key

        journal, path, key_path = self.run.journal, self._pki("ca.crt"), self._pki("ca.key")
        pem, key_pem = self.run.node.read(path), self.run.node.read(key_path)
        if not journal.owns(path) or not pem or not key_pem or journal.is_as_written(path, pem):
            return False
        try:
            certificate, key = load_certificates(pem)[0], load_private_key(key_pem)
        except ValueError:
            return False
        same = journal.is_as_written(path, encode_certificate(certificate)) or journal.is_as_written(key_path, key_pem)
        return not same and is_for_key(certificate, key)

    def _contradictions(self) -> Iterator[str]:
        """What speaks against this node being a control plane of this configuration's cluster, the cheapest looks first."""
        try:
            yield from self._in_pods()
            authority = self._authority("ca")
            if isinstance(authority, str):
                yield authority
                return
            yield from self._in_certificates(authority)
            yield from self._in_kubeconfigs(authority)
            yield from self._in_api_server(authority)
        except PykubeadmError as error:
            yield f"it cannot be checked as a whole: {error}"

    def _in_pods(self) -> Iterator[str]:
        """The static pods that are there use this configuration's keys, address and data."""
        cluster, endpoint = self.run.configuration.cluster, self.run.configuration.this_node.local_api_endpoint
        wanted = {
            "kube-apiserver": {"client-ca-file": self._pki("ca.crt"), "advertise-address": endpoint.advertise_address},
            "kube-controller-manager": {"root-ca-file": self._pki("ca.crt")},
            "kube-scheduler": {},
            "etcd": {"data-dir": cluster.etcd.local.data_dir} if cluster.etcd.local else {},
        }
        for name, flags in wanted.items():
            path = f"{MANIFESTS_DIR}/{name}.yaml"
            content = self.run.node.read(path)
            if content is None:
                continue
            found = _flags(content, name)
            if found is None:
                yield f"{path} is not a static pod of {name}"
            for flag, value in flags.items():
                if found is not None and found.get(flag, value) != value:
                    yield f"{path} has --{flag}={found[flag]} where this configuration has {value}"

    def _authority(self, name: str) -> x509.Certificate | str:
        """The CA with that name below certificatesDir, or what is wrong with it."""
        from pykubeadm.pki.check import is_for_key, load_certificates
        from pykubeadm.pki.keys import load_private_key

        path, key_path = self._pki(f"{name}.crt"), self._pki(f"{name}.key")
        pem, key_pem = self.run.node.read(path), self.run.node.read(key_path)
        if pem is None:
            return f"there is no {path}"
        try:
            certificate = load_certificates(pem)[0]
        except ValueError as error:
            return f"{path} {error}"
        try:
            matches = key_pem is None or is_for_key(certificate, load_private_key(key_pem))
        except ValueError as error:
            return f"{key_path} {error}"
        return certificate if matches else f"{path} does not belong to {key_path}"

    def _in_certificates(self, authority: x509.Certificate) -> Iterator[str]:
        """What the components show is signed by the CAs that are here."""
        etcd = () if self.run.configuration.cluster.etcd.external else (("etcd/server.crt", "etcd/ca"),)
        for name, signer in (("apiserver.crt", "ca"), *etcd):
            content = self.run.node.read(self._pki(name))
            if content is None:
                continue
            ca = authority if signer == "ca" else self._authority(signer)
            if isinstance(ca, str):
                yield ca
            elif not _signs(ca, content):
                yield f"{self._pki(name)} is not signed by {self._pki(f'{signer}.crt')}"

    def _in_kubeconfigs(self, authority: x509.Certificate) -> Iterator[str]:
        """They trust the CA that is here."""
        from pykubeadm.kubeconfig.read import read_kubeconfig
        from pykubeadm.pki.check import load_certificates

        for name in _KUBECONFIGS:
            path = posixpath.join(self.run.kubeconfig_dir, name)
            content = self.run.node.read(path)
            if content is None:
                continue
            try:
                kubeconfig = read_kubeconfig(content)
                pem = kubeconfig.ca or (self.run.node.read(kubeconfig.ca_path) if kubeconfig.ca_path else None) or b""
                keys = [certificate.public_key() for certificate in load_certificates(pem)]
            except ValueError:
                continue  # damaged; its own phase says so
            if authority.public_key() not in keys:
                yield f"{path} trusts another CA than {self._pki('ca.crt')}"

    def _in_api_server(self, authority: x509.Certificate) -> Iterator[str]:
        """The one that answers at this machine's address, if one does, shows a certificate of the CA that is here."""
        from pykubeadm.pki.issue import encode_certificate
        from pykubeadm.util.ip import join_host_port

        endpoint = self.run.configuration.this_node.local_api_endpoint
        if endpoint.advertise_address not in self.run.host.addresses:
            return  # a load balancer's, or one that is yet to come
        dial = self.run.node.route.dial or _dial
        if not _is_trusted(dial, endpoint.advertise_address, endpoint.bind_port, encode_certificate(authority)):
            address = join_host_port(endpoint.advertise_address, endpoint.bind_port)
            yield f"the API server that runs at {address} has a certificate of another CA than {self._pki('ca.crt')}"

    def _pki(self, name: str) -> str:
        return posixpath.join(self.run.configuration.cluster.certificates_dir, name)


def _flags(manifest: bytes, name: str) -> Mapping[str, str] | None:
    """The flags of the container `name` of a static pod; None where it has no such container."""
    from pykubeadm.config.section import DocumentError, load_section

    try:
        for container in load_section(manifest).section("spec").sections("containers"):
            if container.text("name") == name:
                pairs = (word.removeprefix("--").partition("=") for word in container.texts("command")[1:])
                return {flag: value for flag, _, value in pairs}
    except DocumentError:
        return None
    return None


def _signs(ca: x509.Certificate, pem: bytes) -> bool:
    """Whether `ca` signed the certificate in `pem`; one that cannot be read says nothing against it."""
    from pykubeadm.pki.check import is_signed_by, load_certificates

    try:
        first, *intermediates = load_certificates(pem)
    except ValueError:
        return True
    return is_signed_by(first, intermediates, ca)


def _dial(host: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((host, port), timeout)


def _is_trusted(dial: Dial, address: str, port: int, ca: bytes) -> bool:
    """Whether what listens there shows a certificate of `ca` (PEM), or nothing does."""
    try:
        context = client_context(ca)
        context.check_hostname = False
        with dial(address, port, _PATIENCE) as plain, context.wrap_socket(plain):
            return True
    except ssl.SSLCertVerificationError as error:
        return error.verify_code in (_NOT_YET_VALID, _EXPIRED)
    except (OSError, ValueError):  # the latter of a file that holds no CA
        return True
