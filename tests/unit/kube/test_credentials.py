"""Kubeconfigs that name files: they are the node's, wherever we run."""

from __future__ import annotations

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import parse_kubeconfig

CONFIG = b"""\
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: "https://10.0.0.1:6443", certificate-authority: pki/ca.crt}}]
users: [{name: u, user: {client-certificate: /var/pair.pem, client-key: /var/pair.pem}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
"""


def test_files_are_read_where_the_kubeconfig_lies() -> None:
    files = {"/etc/kubernetes/pki/ca.crt": b"CA", "/var/pair.pem": b"PAIR"}
    found = parse_kubeconfig(CONFIG, "/etc/kubernetes/kubelet.conf", files.get)
    assert (found.ca, found.certificate, found.key) == (b"CA", b"PAIR", b"PAIR")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ApiError, match=r"^/etc/kubernetes/pki/ca\.crt, which /etc/kubernetes/kubelet\.conf names, cannot be read"
    ):
        parse_kubeconfig(CONFIG, "/etc/kubernetes/kubelet.conf", lambda _path: None)
