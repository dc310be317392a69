"""TLS contexts of clients, from PEM as Go reads it. Keys stay in memory: Python's ssl takes them from files only.

No default contexts: their strict checks (Python 3.13) refuse CAs that Go, and so all of Kubernetes, accepts.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from typing import Any, Final

from pykubeadm.pki.pem import certificate_blocks, private_key_blocks

# X509_V_FLAG_PARTIAL_CHAIN: a certificate that is trusted need not have signed itself, as with Go. (Python has a name for it from
# 3.10 on.)
_PARTIAL_CHAIN: Final = ssl.VerifyFlags(0x80000)


class _ContextFor(ssl.SSLContext):
    """Asks the server for the certificate of another name than that in its URL."""

    server_name = ""

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*arguments, **{**options, "server_hostname": self.server_name})


def client_context(ca: bytes | None, server_name: str = "") -> ssl.SSLContext:
    """Trusts the certificates in `ca`, of which one has to be readable (Go: x509.CertPool), the system's where it is None.
    The server has to be `server_name`, where that is given, instead of its URL's host. ValueError with the end of a sentence."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if server_name:
        context = _ContextFor(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = server_name
    if ca is None:
        context.load_default_certs()
        return context
    context.verify_flags |= _PARTIAL_CHAIN
    for block in certificate_blocks(ca):
        with suppress(ssl.SSLError):
            context.load_verify_locations(cadata=block.content)
    if not context.cert_store_stats()["x509"]:
        raise ValueError("holds a certificate that cannot be read")
    return context


def unverified_context() -> ssl.SSLContext:
    """Takes whoever answers: for health endpoints on the loopback interface, which sign their own certificates, and for looking
    who is there before there is any trust. Nothing secret may be sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Show this client certificate (Go: tls.X509KeyPair, which takes the first private key). ValueError says in a sentence what
    is wrong with which of the two."""
    try:
        chain = certificate_blocks(certificate)
    except ValueError as error:
        raise ValueError(f"the client certificate {error}") from error
    try:
        first = private_key_blocks(key)[0]
    except ValueError as error:
        raise ValueError(f"the client certificate's key {error}") from error
    descriptor = os.memfd_create("pykubeadm", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.writelines(block.encoded() for block in (*chain, first))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        raise ValueError(
            "the client certificate and its key do not belong together"
            if mismatch
            else "the client certificate or its key is damaged"
        ) from error
    finally:
        os.close(descriptor)
