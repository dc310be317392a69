"""From options to the run that the phases of `reconfigure` get, with both configurations in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.existing import has_control_plane, own_api, stored_or_begun
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.config.model import Patches, Timeouts
from pykubeadm.config.read_change import read_change
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBELET_CONFIG
from pykubeadm.errors import ApiError, PreflightError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.cluster.found import node_configuration
from pykubeadm.phases.cluster.stored import stored_kubelet
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.phases.replacing.run import KUBELET_KUBECONFIG, reader_of
from pykubeadm.phases.run import patches_directory
from pykubeadm.workflow.events import Note, Subscriber

if TYPE_CHECKING:
    from pykubeadm.config.model import Configuration
    from pykubeadm.config.source import Source
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node


def begin(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> ReconfigureRun:
    """The run for these options (flags with underscores, None where not given; `kubelet_extra_args` are as in an
    InitConfiguration, which `source`, what --config names, need not have then). The cluster is asked for its configuration, the
    node is only read. Raises ConfigError with every problem of the file, PreflightError, PhaseError, ApiError."""

    def warn(message: str, topic: str = "reconfigure") -> None:
        emit(Note(level="warning", topic=topic, message=message))

    host = host_facts(machine)
    is_control_plane = has_control_plane(machine)
    if source is not None and not is_control_plane:
        raise PreflightError(
            "this node is not a control plane: `reconfigure --config` runs on one; then run `reconfigure` without it on this node"
        )
    kubeconfig = os.path.abspath(options.get("kubeconfig") or (ADMIN_KUBECONFIG if is_control_plane else KUBELET_KUBECONFIG))
    api = own_api(machine, kubeconfig, warn, call_timeout=Timeouts().kubernetes_api_call, dry_run=bool(options.get("dry_run")))
    record = read_record(machine, "reconfigure")
    stored = stored_or_begun(api, kubeconfig, record, warn)
    known = replace(node_configuration(machine, host), cluster=stored)
    configuration = known
    if source is not None:
        kubelet = partial(_kubelet, machine, api, kubeconfig, begun=record is not None)
        configuration = read_change(source, stored, kubelet, known.this_node, environment(machine, host, emit, (), []))
    if arguments := options.get("kubelet_extra_args"):
        registration = replace(configuration.this_node.node_registration, kubelet_extra_args=arguments)
        configuration = replace(configuration, this_node=replace(configuration.this_node, node_registration=registration))
    if directory := options.get("patches"):
        configuration = replace(configuration, this_node=replace(configuration.this_node, patches=Patches(directory=directory)))
    journal = Journal(machine)
    ignored = (*(options.get("ignore_preflight_errors") or ()), *_ignored(configuration))
    return ReconfigureRun(
        configuration=configuration,
        patches=load_patches(machine, patches_directory(configuration), lambda message: warn(message, "patches")),
        node=JournaledNode(machine, journal),
        host=host,
        journal=journal,
        emit=emit,
        now=machine.now,
        ignore_preflight_errors=frozenset(name.lower() for name in ignored),
        kubeconfig_path=kubeconfig,
        api=api,
        stored=stored,
        has_control_plane=is_control_plane,
        resumed=record is not None,
        for_cluster=source is not None,
    )


def _kubelet(machine: Node, api: Api, kubeconfig: str, *, begun: bool) -> Mapping[str, Any]:
    """The KubeletConfiguration of the cluster, to judge another by; where an earlier run left the API away, this node's."""
    try:
        return stored_kubelet(api, reader_of(kubeconfig))
    except ApiError:
        if not begun:
            raise
        document = read_document(machine, KUBELET_CONFIG)
        return document.data if document else {}


def _ignored(configuration: Configuration) -> tuple[str, ...]:
    return configuration.this_node.node_registration.ignore_preflight_errors
