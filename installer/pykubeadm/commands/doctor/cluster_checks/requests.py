"""Requests for certificates that wait, and tokens that lie about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, warning
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.kube.bootstrap_tokens import list_tokens
from pykubeadm.util.kube_object import KubeObject

_GROUP: Final = "certificates.k8s.io/v1"
_SHOWN: Final = 3


def _signing_requests(view: ClusterView) -> Iterable[Remark]:
    waiting = [
        found for found in view.api.list(_GROUP, "CertificateSigningRequest") if not (found.get("status") or {}).get("conditions")
    ]
    serving = [found for found in waiting if found["spec"].get("signerName") == "kubernetes.io/kubelet-serving"]
    if serving:
        yield warning(
            f"kubelets wait for serving certificates, without which there are no logs, exec or metrics: {_names(serving)}",
            "pykubeadm certs approve-kubelet-serving",
        )
    if others := [found for found in waiting if found not in serving]:
        yield warning(f"requests for certificates wait for approval: {_names(others)}", "kubectl certificate approve NAME")


def _names(found: Sequence[KubeObject]) -> str:
    names = [each["metadata"]["name"] for each in found]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _tokens(view: ClusterView) -> Iterable[Remark]:
    broken: list[str] = []
    for token in list_tokens(view.api, broken.append):
        if token.expires is None:
            yield warning(
                f"the bootstrap token {token.text.partition('.')[0]} never expires: who has it can join nodes",
                f"pykubeadm token delete {token.text.partition('.')[0]}",
            )
        elif token.expires < view.now():
            yield warning(
                f"the bootstrap token {token.text.partition('.')[0]} has expired and is still there: is the"
                " controller manager running?",
                f"pykubeadm token delete {token.text.partition('.')[0]}",
            )


CHECKS: Final = (
    Check("cluster/signing-requests", "a kubelet waits for its certificate", _signing_requests),
    Check("cluster/tokens", "a bootstrap token lets nodes join", _tokens),
)
