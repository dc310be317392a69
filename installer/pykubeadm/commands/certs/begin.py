"""From options to the run that the commands below `certs` get."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.commands.source import read_source
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.errors import ApiError
from pykubeadm.kube.port import Api
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Node
from pykubeadm.phases.cluster.found import Found, find_configuration
from pykubeadm.workflow.events import Note, Subscriber


def begin(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> CertsRun:
    """The run for these options (kubeadm's flags with underscores, None where not given). ConfigError with every problem of the
    file; a cluster that cannot be asked is only reported."""
    machine = LocalNode(rootfs)
    host = host_facts(machine)
    kubeconfig = os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG)

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="certs", message=message))

    found = find_configuration(
        machine,
        host,
        source=read_source(options["config"], rootfs) if options.get("config") else None,
        connect=lambda: _connect(machine, kubeconfig),
        note=warn,
    )
    journal = Journal(machine)
    return CertsRun(
        configuration=_with_directory(found, options.get("cert_dir")).configuration,
        node=JournaledNode(machine, journal),
        host=host,
        journal=journal,
        emit=emit,
        as_before=found.source == "node",
        kubeconfig_dir=os.path.abspath(options.get("kubeconfig_dir") or KUBERNETES_DIR),
        kubeconfig_path=kubeconfig,
        restart=not options.get("no_restart"),
    )


def _with_directory(found: Found, given: str | None) -> Found:
    if not given:
        return found
    cluster = replace(found.configuration.cluster, certificates_dir=os.path.abspath(given))
    return replace(found, configuration=replace(found.configuration, cluster=cluster))


def _connect(node: Node, path: str) -> Api:
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.credentials import parse_kubeconfig

    content = node.read(path)
    if content is None:
        raise ApiError(f"{path} does not exist")
    return ClusterApi(parse_kubeconfig(content, path))
