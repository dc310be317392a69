"""`upgrade plan`: which versions the cluster can be upgraded to, and what would be in the way. Changes nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.ansible.assets import held_versions
from pykubeadm.commands.existing import connect
from pykubeadm.commands.upgrade.before_node import machine_checks
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.checks.every import cluster_checks
from pykubeadm.commands.upgrade.checks.job import admission_check
from pykubeadm.commands.upgrade.offers import Offer, known_versions, offer_of, offers
from pykubeadm.commands.upgrade.planned import ConfigVersion, PlannedComponent, components, config_versions
from pykubeadm.commands.upgrade.policy import Allowed, Refusal, refusals
from pykubeadm.commands.upgrade.preview import warn_of_interrupted, with_patches
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.release import LookUp, is_online, look_up
from pykubeadm.config.versions import Version, parse_version, pause_image
from pykubeadm.errors import PhaseError
from pykubeadm.phases.cluster.state import ClusterState, look_at
from pykubeadm.phases.preflight import system
from pykubeadm.phases.preflight.check import Check, look_all
from pykubeadm.phases.preflight.machine import Machine, Once
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Subscriber

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A version to upgrade to, what it brings, and why the policy is against it."""

    offer: Offer
    components: tuple[PlannedComponent, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`errors` are those of the checks, in the words in which `apply` would stop at them; `configuration` is the cluster's, ""
    where it is not to be shown."""

    cluster: Version
    upgrades: tuple[Upgrade, ...]
    config_versions: tuple[ConfigVersion, ...]
    errors: tuple[str, ...] = ()
    configuration: str = ""


def plan(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> Plan:
    """By kubeadm's flags, with underscores, and `kubernetes_version`; `source` is what --config names. Warnings go to `emit`."""
    online = Once(is_online)
    threading.Thread(target=online, daemon=True).start()  # while the cluster is asked
    run = begin("plan", options, emit, machine=machine, source=source)
    return plan_of(run, lambda label: look_up(label) if online() else None, rehearsing=lambda: _rehearsing(run))


def plan_of(run: UpgradeRun, ask: LookUp, *, rehearsing: Callable[[], Api]) -> Plan:
    """`ask` knows the release labels, `rehearsing` gives the API server that stores nothing."""
    api = run.api
    if api is None:
        raise PhaseError("there is no connection to the cluster")
    warn_of_interrupted(run)
    run = with_patches(run)
    state = look_at(api)
    found = _offers(run, state, ask)
    versions = state.versions
    section = run.upgrade.plan
    allowed = Allowed(section.allow_experimental_upgrades, section.allow_rc_upgrades)
    upgrades = tuple(
        Upgrade(
            offer,
            components(state, run.stored, offer, etcd_upgrade=section.etcd_upgrade),
            refusals(offer.target, versions, allowed),
        )
        for offer in found
    )
    return Plan(
        cluster=versions.newest,
        upgrades=upgrades,
        config_versions=config_versions(state),
        errors=_look(run, state, [offer.target for offer in found], rehearsing),
        configuration=to_yaml(run.stored.document()) if section.print_config else "",
    )


def _offers(run: UpgradeRun, state: ClusterState, ask: LookUp) -> tuple[Offer, ...]:
    cluster = state.versions.newest
    section = run.upgrade.plan
    if section.kubernetes_version:
        return (offer_of(cluster, parse_version(section.kubernetes_version)),)
    allowed = Allowed(section.allow_experimental_upgrades, section.allow_rc_upgrades)
    known = known_versions(held_versions(os.environ))
    return offers(cluster, ask, known, allowed, lambda text: run.note("warning", text, topic="upgrade/versions"))


def _look(run: UpgradeRun, state: ClusterState, targets: Sequence[Version], rehearsing: Callable[[], Api]) -> tuple[str, ...]:
    checks: tuple[Check, ...] = (
        system.IS_PRIVILEGED_USER,
        *machine_checks(run),
        *cluster_checks(run, state, targets),
        admission_check(rehearsing, run.node_name, pause_image(run.configuration.cluster)),
    )
    machine = Machine(run.node, run.host, run.journal, run.configuration.this_node.node_registration.cri_socket)
    errors = look_all(checks, machine, run.ignore_preflight_errors, lambda text: run.note("warning", text, topic="preflight"))
    return tuple(dict.fromkeys(errors))


def _rehearsing(run: UpgradeRun) -> Api:
    server = run.api.server if run.api else ""
    return connect(run.node, run.kubeconfig_path, lambda _text: None, server=server, dry_run=True)
