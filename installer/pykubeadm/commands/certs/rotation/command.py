"""`certs rotate-ca`, from options to the end of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.phases import STEPS
from pykubeadm.commands.certs.rotation.run import ON_NODE, Advice, RotationRun
from pykubeadm.commands.certs.rotation.stages import ETCD, NAMES
from pykubeadm.commands.execute import execute
from pykubeadm.commands.existing import own_api
from pykubeadm.config.model import Timeouts
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.errors import ApiError, PhaseError, UsageError
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError, UntrustedServerError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.cluster.found import node_configuration
from pykubeadm.phases.cluster.stored import stored_cluster
from pykubeadm.phases.replacing.run import reader_of
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.tokens.certificate_key import parse_certificate_key
from pykubeadm.util.retry import RanOutError, every, try_again
from pykubeadm.workflow.events import Note

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

NAME: Final = "certs rotate-ca"
_FORBIDDEN, _INTERNAL_ERROR = 403, 500
_LOOK_EVERY: Final = 0.5  # seconds
_KUBELET_CONF: Final = f"{KUBERNETES_DIR}/kubelet.conf"


def rotate_ca(
    names: Sequence[str], options: Mapping[str, Any], emit: Subscriber, *, machine: Node, advice: Advice = ON_NODE
) -> None:
    """Begin to rotate on `machine` what `names` say ("all", or some of `NAMES`), or with none continue what is under way.
    `options`: abort, certificate_key, finish, kubeconfig, restart_workloads."""
    run = _begin(_chosen(names), options, emit, machine)
    run.advice = advice
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
    host = host_facts(machine)
    configuration = replace(node_configuration(machine, host), cluster=_cluster(machine, kubeconfig, emit))
    chosen = tuple(name for name in names if not (name == ETCD and configuration.cluster.etcd.external))
    if names and not chosen:
        raise PhaseError("this cluster's etcd is external: its CA is rotated where it runs")
    journal = Journal(machine)
    return RotationRun(
        configuration=configuration,
        node=JournaledNode(machine, journal),
        host=host,
        journal=journal,
        emit=emit,
        now=machine.now,
        kubeconfig_path=kubeconfig,
        has_control_plane=has_control_plane,
        names=chosen,
        finish=bool(options.get("finish")),
        abort=bool(options.get("abort")),
        restart_workloads=bool(options.get("restart_workloads")),
        certificate_key=key,
    )


def _cluster(machine: Node, kubeconfig: str, emit: Subscriber) -> ClusterConfiguration:
    """Its configuration, waited for: a run before this one may have been killed while the API server was starting again."""

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="", message=message))

    if machine.stat(kubeconfig) is None:
        raise PhaseError(f"{kubeconfig} does not exist, so the cluster cannot be asked how far the rotation is (--kubeconfig)")
    api = own_api(machine, kubeconfig, warn, call_timeout=Timeouts().kubernetes_api_call, dry_run=False)

    def patience(error: Exception, _spent: float) -> timedelta | None:
        return api.call_timeout if _is_starting(error) else None

    with suppress(RanOutError, ApiError):  # what is wrong with it is said below
        try_again(lambda: api.get("v1", "ConfigMap", "kubeadm-config", "kube-system"), patience, pause=every(_LOOK_EVERY))
    return stored_cluster(api, reader_of(kubeconfig), warn, patient=False)


def _is_starting(error: Exception) -> bool:
    """An API server forbids for its first seconds what it allows later, when it has read its roles."""
    if isinstance(error, ApiStatusError):
        return error.code == _FORBIDDEN or error.code >= _INTERNAL_ERROR
    return isinstance(error, ApiUnreachableError) and not isinstance(error, UntrustedServerError)
