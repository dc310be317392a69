"""kubeconfig: the files with which the administrator, the kubelet and the control plane's components reach the API server.

The work is in `phases.kubeconfig.files`, which is imported when a phase runs: it brings cryptography along.
"""

from __future__ import annotations

from functools import partial

from pykubeadm.kubeconfig.table import TABLE, KubeconfigFile
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes, Phase

_FLAGS = (
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-bind-port",
    "cert-dir",
    "config",
    "kubeconfig-dir",
    "kubernetes-version",
    "dry-run",
)


def _check(entry: KubeconfigFile, run: ClusterRun) -> str | None:
    from pykubeadm.phases.kubeconfig.files import check_kubeconfig

    return check_kubeconfig(run, entry)


def _apply(entry: KubeconfigFile, run: ClusterRun) -> Changes:
    from pykubeadm.phases.kubeconfig.files import make_kubeconfig

    return make_kubeconfig(run, entry)


kubeconfig: Phase[ClusterRun] = Phase(
    name="kubeconfig",
    summary="Write the kubeconfig files",
    flags=(*_FLAGS, "node-name"),
    phases=tuple(
        Phase(
            name=entry.name,
            summary=entry.summary,
            check=partial(_check, entry),
            apply=partial(_apply, entry),
            flags=(*_FLAGS, "node-name") if entry.name == "kubelet" else _FLAGS,
        )
        for entry in TABLE
    ),
)
