"""`certs generate-csr`: keys, and requests for everything that a control plane needs signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pykubeadm.commands.certs.begin import begin
from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.commands.execute import execute
from pykubeadm.config.defaults import NO_ADDRESS
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.node.port import Node
from pykubeadm.pki.table import TABLE, CertificateSpec
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Changes, Phase, steps

NAME = "certs generate-csr"


def generate_csr(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """By kubeadm's flags cert-dir and kubeconfig-dir, with underscores, and what --config names."""
    run = begin(options, emit, machine=machine, source=source)
    if run.configuration.this_node.local_api_endpoint.advertise_address == NO_ADDRESS:
        why = "there is no default route whose address the certificates could name; give a configuration with an advertiseAddress"
        raise ConfigError([Problem("--config", 0, 0, "", why)])
    execute(NAME, tuple(steps(PHASES)), run, node_name=run.node_name)


def _certificate(spec: CertificateSpec, run: CertsRun) -> Changes:
    from pykubeadm.phases.certs.requests import request_certificate

    return request_certificate(run, spec)


def _kubeconfig(entry: KubeconfigFile, run: CertsRun) -> Changes:
    from pykubeadm.phases.certs.requests import request_kubeconfig

    return request_kubeconfig(run, entry)


def _is_wanted(spec: CertificateSpec) -> Callable[[CertsRun], bool]:
    """An external etcd brings its own certificates."""
    return lambda run: not (spec.signer == "etcd-ca" and run.configuration.cluster.etcd.external)


PHASES: tuple[Phase[CertsRun], ...] = (
    Phase(
        name="certs",
        summary="Make keys and requests for certificates",
        phases=tuple(
            Phase(
                name=spec.name, summary=f"Make {spec.base}.key and .csr", apply=partial(_certificate, spec), when=_is_wanted(spec)
            )
            for spec in TABLE
            if not spec.is_ca
        ),
    ),
    Phase(
        name="kubeconfig",
        summary="Make kubeconfigs without certificates, and requests for them",
        phases=tuple(
            Phase(name=entry.name, summary=f"Make {entry.file} and its request", apply=partial(_kubeconfig, entry))
            for entry in KUBECONFIGS
        ),
    ),
)
