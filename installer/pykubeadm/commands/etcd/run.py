"""What the phases share that stop, restore, rejoin and recover etcd on a node. They need no API server: there may be none."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.etcd.place import Given, decryption_of, store_of
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.store import Store
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.cluster.found import endpoint_of, find_configuration
from pykubeadm.phases.cluster.stored import administrator
from pykubeadm.phases.etcd.manifest import EtcdManifest, manifest_of
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.stopped import EVERYTHING, manifest_content, require_manifests
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.etcd.archive import Archive
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject
    from pykubeadm.workflow.events import Subscriber


@dataclass(slots=True, kw_only=True)
class EtcdRun(ClusterRun):
    """One command on this node's member of etcd. `pod` is the member's manifest, running or stopped, `manifest` what it says."""

    pod: KubeObject
    manifest: EtcdManifest
    store: Store
    given: Given  # the archive or snapshot that the user named
    force: bool = False
    archive: Archive | None = None  # what is in it, once that is known


def begin(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, given: str = "") -> EtcdRun:
    """The run by the machine's files alone. PhaseError where it is no control plane with a member of etcd."""
    require_manifests(machine, EVERYTHING)
    host = host_facts(machine)
    found = find_configuration(
        machine, host, source=None, connect=None, reader=administrator(ADMIN_KUBECONFIG), note=lambda _sentence: None
    )
    configuration = found.configuration
    endpoint = endpoint_of(_pod(machine, "kube-apiserver"))  # which may be stopped
    if endpoint is not None:
        configuration = replace(configuration, this_node=replace(configuration.this_node, local_api_endpoint=endpoint))
    journal, store = Journal(machine), store_of(machine, options.get("store"))
    pod = _pod(machine, "etcd")
    manifest = manifest_of(pod)
    certificates_dir = posixpath.dirname(manifest.certificates_dir)
    configuration = replace(configuration, cluster=replace(configuration.cluster, certificates_dir=certificates_dir))
    return EtcdRun(
        configuration=configuration,
        node=JournaledNode(machine, journal),
        host=host,
        journal=journal,
        emit=emit,
        kubeconfig_path=os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG),
        pod=pod,
        manifest=manifest,
        store=store,
        given=Given(machine, store, given, decryption_of(options, machine)),
        force=bool(options.get("force")),
    )


def _pod(node: Node, name: str) -> KubeObject:
    from pykubeadm.config.section import DocumentError, load_section

    try:
        return load_section(manifest_content(node, name) or b"").data
    except DocumentError as error:
        raise PhaseError(f"the manifest of {name} {error}") from error
