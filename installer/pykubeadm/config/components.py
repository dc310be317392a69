"""Documents of Kubernetes' own types: unknown fields and wrong types are found, the rest is the component's business, as it
is for kubeadm."""

from __future__ import annotations

from typing import Any

from pykubeadm.config.report import Report
from pykubeadm.config.source import Document, Path

KUBELET_API: tuple[str, str] = ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")
KUBE_PROXY_API: tuple[str, str] = ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration")


def check_component(document: Document, report: Report, *, newer: bool) -> None:
    """Report unknown fields and wrong types. `newer`: the Kubernetes version is newer than the table of types, so that an
    unknown field is only noted."""
    _check(document.kind, document.data, (), report, newer=newer)


def check_env_source(value: Any, path: Path, report: Report) -> None:
    """The `valueFrom` of an environment variable (core/v1)."""
    _check("EnvVarSource", value, path, report, newer=False)


def _check(type_: str, value: Any, path: Path, report: Report, *, newer: bool) -> None:
    from pykubeadm.util.api_types import misfits

    for misfit in misfits(type_, value, path):
        if misfit.unknown and newer:
            report.note(f'{type_}: "{misfit.path[-1]}" is not a field that this pykubeadm knows; it is passed on as it is')
        elif misfit.unknown:
            report.unknown(misfit.path, misfit.sentence)
        else:
            report.problem(misfit.path, misfit.sentence)
