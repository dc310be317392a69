"""`certs rotate-ca`, from options to the end of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.phases import STEPS
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import ETCD, NAMES
from pykubeadm.commands.execute import execute
from pykubeadm.commands.existing import connect, existing
from pykubeadm.config.model import Timeouts
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.errors import PhaseError, UsageError
from pykubeadm.kube.apply import retrying
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.tokens.certificate_key import parse_certificate_key
from pykubeadm.workflow.events import Note

if TYPE_CHECKING:
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

NAME: Final = "certs rotate-ca"
_KUBELET_CONF: Final = f"{KUBERNETES_DIR}/kubelet.conf"


def rotate_ca(names: Sequence[str], options: Mapping[str, Any], emit: Subscriber, *, machine: Node) -> None:
    """Begin to rotate on `machine` what `names` say ("all", or some of `NAMES`), or with none go on with what is under way.
    `options`: abort, certificate_key, finish, kubeconfig, restart_workloads."""
    run = _begin(_chosen(names), options, emit, machine)
    execute(NAME, STEPS, run, node_name=run.node_name)


def _chosen(names: Sequence[str]) -> tuple[str, ...]:
    return NAMES if "all" in names else tuple(name for name in NAMES if name in names)


def _begin(names: tuple[str, ...], options: Mapping[str, Any], emit: Subscriber, machine: Node) -> RotationRun:
    if options.get("abort") and (options.get("finish") or names):
        raise UsageError("--abort goes back: it takes neither names nor --finish")
    if key := options.get("certificate_key") or "":
        try:
            parse_certificate_key(key)
        except ValueError as error:
            raise UsageError(f"--certificate-key: {error}") from error
    has_control_plane = machine.stat(manifest_path("kube-apiserver")) is not None
    kubeconfig = os.path.abspath(options.get("kubeconfig") or (ADMIN_KUBECONFIG if has_control_plane else _KUBELET_CONF))
    _await_cluster(machine, kubeconfig, emit)
    found = existing({"kubeconfig": kubeconfig}, emit, machine=machine)
    if not found.known:
        raise PhaseError("without the cluster's configuration it is not known what its CAs have signed, so nothing is rotated")
    chosen = tuple(name for name in names if not (name == ETCD and found.configuration.cluster.etcd.external))
    if names and not chosen:
        raise PhaseError("this cluster's etcd is external: its CA is rotated where it runs")
    journal = Journal(found.node)
    return RotationRun(
        configuration=found.configuration,
        node=JournaledNode(found.node, journal),
        host=found.host,
        journal=journal,
        emit=emit,
        now=machine.now,
        kubeconfig_path=found.kubeconfig,
        has_control_plane=has_control_plane,
        names=chosen,
        finish=bool(options.get("finish")),
        abort=bool(options.get("abort")),
        restart_workloads=bool(options.get("restart_workloads")),
        certificate_key=key,
    )


def _await_cluster(machine: Node, kubeconfig: str, emit: Subscriber) -> None:
    """A run before this one may have been killed while the API server was starting again."""

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="", message=message))

    if machine.stat(kubeconfig) is None:
        raise PhaseError(f"{kubeconfig} does not exist, so the cluster cannot be asked how far the rotation is (--kubeconfig)")
    api = connect(machine, kubeconfig, warn)
    retrying(lambda: api.get("v1", "ConfigMap", "kubeadm-config", "kube-system"), Timeouts().kubernetes_api_call)
