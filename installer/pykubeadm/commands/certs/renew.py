"""`certs renew`, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pykubeadm.commands.certs.begin import begin
from pykubeadm.commands.certs.phases import KUBELET, steps_of
from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.commands.execute import execute
from pykubeadm.phases.certs.leaves import LEAVES
from pykubeadm.workflow.events import Subscriber

NAME = "certs renew"


def renew(name: str, options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> None:
    """Renew the certificate of that name ("apiserver", "admin.conf", "kubelet.conf"), or "all"."""
    run = begin(options, emit, rootfs=rootfs)
    run.leaves = tuple(leaf for leaf in LEAVES if name in ("all", leaf.name))
    run.kubelet = "always" if name == KUBELET else "expired" if name == "all" else ""
    if run.as_before:
        run.note("info", "without the cluster's configuration, key algorithm and period stay as they are, and no names are added")
    _order_keys(run)
    execute(f"{NAME} {name}", steps_of((name,)), run, node_name=run.node_name, rootfs=rootfs)


def _order_keys(run: CertsRun) -> None:
    """Begin to make the keys while the first phase looks around."""
    from pykubeadm.phases.certs.present import leaf_certificate
    from pykubeadm.phases.certs.renew import why_not
    from pykubeadm.pki.renewal import algorithm_of

    leaves = [leaf for leaf in run.leaves if leaf.is_wanted(run.configuration) and why_not(run, leaf) is None]
    certificate = leaf_certificate(run, leaves[0]) if leaves else None
    if run.as_before and certificate is not None:
        cluster = replace(run.configuration.cluster, encryption_algorithm=algorithm_of(certificate))
        run.configuration = replace(run.configuration, cluster=cluster)
    run.keys.order(len(leaves))
