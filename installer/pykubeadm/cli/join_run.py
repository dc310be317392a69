"""From flags to the run that the phases of `join` get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.cli.config import read_source
from pykubeadm.cli.run import surroundings
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read import read_join
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Node
from pykubeadm.phases.joining.discovery import Answers, ask_cluster
from pykubeadm.phases.joining.kubelet_start import BOOTSTRAP_CONF
from pykubeadm.phases.joining.run import JoinRun
from pykubeadm.phases.joining.trust import KUBELET_CONF
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.run import utc_now
from pykubeadm.plan.events import Planned, Subscriber
from pykubeadm.plan.journal import Journal
from pykubeadm.plan.node import JournaledNode

if TYPE_CHECKING:
    from pykubeadm.kube.recording import RecordingApi


def join_run(
    rootfs: str, given: Mapping[str, Any], emit: Subscriber, *, needs_discovery: bool = True, look_ahead: bool = False
) -> JoinRun:
    """The run of `join` for these flags (names as click has them, None where not given), with the cluster's answers in it. With
    `look_ahead` the machine is asked what preflight wants to know while the cluster is. Raises ConfigError with every problem of
    flags and file, and what `ask_cluster` raises."""
    machine = LocalNode(rootfs)
    host = host_facts(machine)
    source = read_source(given["config"], rootfs) if given.get("config") else None
    if source is None and not needs_discovery:
        given = {**given, "discovery_file": _left_by_earlier_phases(machine)}
    join = read_join(source, JoinFlags.of(given), surroundings(machine, host, emit, []))
    node: Node = machine
    if join.dry_run:
        from pykubeadm.cli.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "join")
    journal = Journal(node)
    looked_at = Machine(node, host, journal, join.node_registration.cri_socket)
    if look_ahead and not join.dry_run and "preflight" not in join.skip_phases:
        looked_at.look_ahead()
    answers = ask_cluster(join, node, journal=journal, emit=emit, now=utc_now)
    return JoinRun(
        configuration=answers.configuration,
        node=JournaledNode(node, journal),
        looked_at=looked_at,
        host=host,
        journal=journal,
        emit=emit,
        ignore_preflight_errors=frozenset(join.node_registration.ignore_preflight_errors),
        api=_recording_api(answers, emit) if join.dry_run else None,
        join=join,
        trust=answers.trust,
        bootstrap_api=answers.api,
        shared_files=answers.shared_files,
    )


def _left_by_earlier_phases(node: Node) -> str:
    for path in (ADMIN_KUBECONFIG, BOOTSTRAP_CONF, KUBELET_CONF):
        if node.stat(path) is not None:
            return path
    raise PhaseError(
        f"this phase goes on where earlier ones stopped, but there is neither {ADMIN_KUBECONFIG} nor {BOOTSTRAP_CONF} here: "
        "run the phases before it, or give --config"
    )


def _recording_api(answers: Answers, emit: Subscriber) -> RecordingApi:
    """For a dry run: what would be written is told; the node is taken to be registered."""
    from pykubeadm.kube.recording import RecordingApi

    name = answers.configuration.init.node_registration.name
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
    }
    return RecordingApi(None, lambda text: emit(Planned(phase="", text=text)), assumed=[node], server=answers.api.server)
