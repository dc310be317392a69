"""Requests for certificates that wait, and tokens that lie about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, warning
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.kube.bootstrap_tokens import list_tokens

_GROUP: Final = "certificates.k8s.io/v1"


def _signing_requests(view: ClusterView) -> Iterable[Remark]:
    waiting = [
        found for found in view.api.list(_GROUP, "CertificateSigningRequest") if not (found.get("status") or {}).get("conditions")
    ]
    of_kubelets = [found for found in waiting if found["spec"].get("signerName") == "kubernetes.io/kubelet-serving"]
    if of_kubelets:
        yield warning(
            f"{len(of_kubelets)} kubelets wait for their serving certificates: without them there are no logs, exec or metrics",
            "pykubeadm certs approve-kubelet-serving",
        )
    if others := [found["metadata"]["name"] for found in waiting if found not in of_kubelets]:
        yield warning(
            f"{len(others)} certificate signing requests wait for approval ({', '.join(others[:3])})",
            "kubectl get csr; kubectl certificate approve NAME",
        )


def _tokens(view: ClusterView) -> Iterable[Remark]:
    broken: list[str] = []
    for token in list_tokens(view.api, broken.append):
        if token.expires is None:
            yield warning(
                f"the bootstrap token {token.text.partition('.')[0]} never expires: who has it can join nodes",
                f"pykubeadm token delete {token.text.partition('.')[0]}",
            )
        elif token.expires < view.now:
            yield warning(
                f"the bootstrap token {token.text.partition('.')[0]} has expired and is still there: is the"
                " controller manager running?",
                f"pykubeadm token delete {token.text.partition('.')[0]}",
            )


CHECKS: Final = (
    Check("cluster/signing-requests", "a kubelet waits for its certificate", _signing_requests),
    Check("cluster/tokens", "a bootstrap token lets nodes join", _tokens),
)
