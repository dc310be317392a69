"""From options to the run that the phases of `upgrade` get, with the cluster's configuration in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.existing import has_control_plane, own_api, stored_or_begun
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.model import NodeRegistration, ThisNode, UpgradeApply, UpgradeNode
from pykubeadm.config.read_upgrade import read_upgrade
from pykubeadm.config.upgrade_flags import Part, UpgradeFlags
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PreflightError, UsageError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.cluster.drain_timeout import drain_timeout
from pykubeadm.phases.cluster.found import node_configuration
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.phases.replacing.run import KUBELET_KUBECONFIG
from pykubeadm.phases.run import patches_directory
from pykubeadm.workflow.events import Note, Planned, Subscriber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.config.model import UpgradeConfiguration
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.phases.replacing.record import Record
    from pykubeadm.workflow.phase import Phase


def begin(
    part: Part,
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    machine: Node,
    source: Source | None = None,
    phases: Sequence[Phase[UpgradeRun]] = (),
    confirm: Callable[[], bool] = lambda: False,
) -> UpgradeRun:
    """The run of `upgrade PART` for these options (kubeadm's flags with underscores, None where not given). The cluster is asked
    for its configuration, the node is only read. Raises ConfigError with every problem of flags, file or stored configuration,
    UsageError, PreflightError, PhaseError, ApiError."""
    timeout = drain_timeout(options.get("drain_timeout"))
    host = host_facts(machine)
    upgrade = read_upgrade(source, part, UpgradeFlags.of(options), environment(machine, host, emit, phases, []))
    section = getattr(upgrade, part)
    if part == "apply" and not section.kubernetes_version:
        raise UsageError("the version to upgrade to is missing: `pykubeadm upgrade apply v1.36.2`")
    is_control_plane = has_control_plane(machine)
    if part != "node" and not is_control_plane:
        raise PreflightError(f"this node is not a control plane; `upgrade {part}` runs on one; run `upgrade node` on this node")
    node: Node = machine
    dry_run = part in ("apply", "node") and section.dry_run
    if dry_run:
        from pykubeadm.commands.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "upgrade")

    def warn(message: str, topic: str = "upgrade") -> None:
        emit(Note(level="warning", topic=topic, message=message))

    chosen = options.get("kubeconfig") or (ADMIN_KUBECONFIG if is_control_plane else KUBELET_KUBECONFIG)
    kubeconfig = os.path.abspath(chosen)
    api = own_api(machine, kubeconfig, warn, call_timeout=upgrade.timeouts.kubernetes_api_call, dry_run=dry_run)
    if dry_run:
        from pykubeadm.kube.recording import RecordingApi

        api = RecordingApi(api, lambda text: emit(Planned(phase="", text=text)))
    record = _begun(machine, part, getattr(section, "kubernetes_version", ""))
    stored = stored_or_begun(api, kubeconfig, record, warn)
    configuration = node_configuration(machine, host)
    version = stored.kubernetes_version if part == "node" else section.kubernetes_version or stored.kubernetes_version
    if record and part == "node":
        version = record.target
    configuration = replace(
        configuration,
        cluster=replace(stored, kubernetes_version=version),
        this_node=_this_node(configuration.this_node, upgrade, section),
    )
    journal = Journal(node)
    return UpgradeRun(
        configuration=configuration,
        patches=load_patches(node, patches_directory(configuration), lambda message: warn(message, "patches")),
        node=JournaledNode(node, journal),
        host=host,
        journal=journal,
        emit=emit,
        now=node.now,
        ignore_preflight_errors=frozenset(getattr(section, "ignore_preflight_errors", ())),
        kubeconfig_path=kubeconfig,
        api=api,
        command=f"upgrade {part}",
        part=part,
        upgrade=upgrade,
        stored=stored,
        has_control_plane=is_control_plane,
        replaces_kubelet=bool(options.get("kubelet")),
        resumed=record is not None,
        confirm=confirm,
        interactive=part == "apply" and not (options.get("yes") or section.force_upgrade or dry_run or record),
        certificate_renewal=getattr(section, "certificate_renewal", True),
        etcd_upgrade=getattr(section, "etcd_upgrade", True),
        delete_emptydir_data=bool(options.get("delete_emptydir_data")),
        drain_timeout=timeout,
    )


def _begun(machine: Node, part: Part, version: str) -> Record | None:
    """What an interrupted upgrade of this node has begun, for `upgrade PART` to finish; PreflightError where another is to.
    What continues is not judged again: it was, for the version that it was begun for."""
    if part not in ("apply", "node") or (record := read_record(machine, "upgrade")) is None:
        return None
    command = f"pykubeadm {record.command}" + (f" {record.target}" if record.command == "upgrade apply" else "")
    if part == "apply" and record.target != version:
        raise PreflightError(
            f"an upgrade to {record.target} was interrupted on this node, so that it cannot be upgraded to {version} now: finish "
            f"what was begun first (`{command}`)"
        )
    if part == "node" and record.command == "upgrade apply":
        raise PreflightError(
            f"`{command}` was interrupted on this node: run that again first, which also brings the cluster's configuration to "
            f"{record.target}; `upgrade node` is for the other nodes"
        )
    return record


def _this_node(found: ThisNode, upgrade: UpgradeConfiguration, section: object) -> ThisNode:
    """What the node's files say of it, with the UpgradeConfiguration's patches, timeouts and way to pull images."""
    registration: NodeRegistration = found.node_registration
    if not isinstance(section, UpgradeApply | UpgradeNode):
        return replace(found, timeouts=upgrade.timeouts)
    registration = replace(registration, image_pull_policy=section.image_pull_policy, image_pull_serial=section.image_pull_serial)
    return replace(found, node_registration=registration, patches=section.patches, timeouts=upgrade.timeouts)
