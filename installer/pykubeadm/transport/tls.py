"""TLS contexts with keys that stay in memory: Python's ssl takes them from files only, and these never touch a disk."""

from __future__ import annotations

import os
import ssl


def load_key_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Show this client certificate (both PEM). Raises ssl.SSLError where the two cannot be used together."""
    descriptor = os.memfd_create("pykubeadm", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
