"""From options to the run that the phases of `join` get, with the cluster's answers in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.join.ask_cluster import Answers, ask_cluster
from pykubeadm.commands.join.kubelet_start import BOOTSTRAP_CONF
from pykubeadm.commands.join.phases import PHASES
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.commands.join.trust import KUBELET_CONF
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read_join import read_join
from pykubeadm.config.source import Source
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Node
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.run import patches_directory
from pykubeadm.workflow.events import Note, Planned, Subscriber

if TYPE_CHECKING:
    from pykubeadm.kube.recording import RecordingApi


def begin(
    machine: Node,
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    source: Source | None = None,
    needs_discovery: bool = True,
    look_ahead: bool = False,
) -> JoinRun:
    """The run of `join` for these options (kubeadm's flags with underscores, None where not given). With `look_ahead` the
    machine is asked what preflight wants to know while the cluster is. Raises ConfigError with every problem of flags and file,
    and what `ask_cluster` and `load_patches` raise."""
    host = host_facts(machine)
    if source is None and not needs_discovery:
        options = {**options, "discovery_file": _left_by_earlier_phases(machine)}
    join = read_join(source, JoinFlags.of(options), environment(machine, host, emit, PHASES, []))
    node: Node = machine
    if join.dry_run:
        from pykubeadm.commands.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "join")
    journal = Journal(node)
    preflight_machine = Machine(node, host, journal, join.node_registration.cri_socket)
    if look_ahead and "preflight" not in join.skip_phases:
        if not machine.remote:
            _require_root(preflight_machine, join.node_registration.ignore_preflight_errors)
        if not join.dry_run:
            preflight_machine.look_ahead()
    answers = ask_cluster(join, node, journal=journal, emit=emit, now=node.now)

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="patches", message=message))

    return JoinRun(
        configuration=answers.configuration,
        patches=load_patches(node, patches_directory(answers.configuration), warn),
        node=JournaledNode(node, journal),
        machine=preflight_machine,
        host=host,
        journal=journal,
        emit=emit,
        now=node.now,
        ignore_preflight_errors=frozenset(join.node_registration.ignore_preflight_errors),
        api=_recording_api(answers, emit) if join.dry_run else None,
        join=join,
        trust=answers.trust,
        bootstrap_api=answers.api,
        is_member=answers.is_member,
        shared_files=answers.shared_files,
    )


def _require_root(machine: Machine, ignored: Sequence[str]) -> None:
    """Preflight's first check, before the cluster is asked: that may take minutes, and would be for nothing."""
    from pykubeadm.phases.preflight.check import run_checks
    from pykubeadm.phases.preflight.system import IS_PRIVILEGED_USER

    run_checks((IS_PRIVILEGED_USER,), machine, ignored, lambda _ignored: None)  # the phase says what is ignored


def _left_by_earlier_phases(node: Node) -> str:
    for path in (ADMIN_KUBECONFIG, BOOTSTRAP_CONF, KUBELET_CONF):
        if node.stat(path) is not None:
            return path
    raise PhaseError(
        f"this phase continues where earlier ones stopped, but there is neither {ADMIN_KUBECONFIG} nor {BOOTSTRAP_CONF} here: "
        "run the phases before it, or give --config"
    )


def _recording_api(answers: Answers, emit: Subscriber) -> RecordingApi:
    """For a dry run: what would be written is shown; the node is taken to be registered."""
    from pykubeadm.kube.recording import RecordingApi

    name = answers.configuration.this_node.node_registration.name
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
    }
    return RecordingApi(None, lambda text: emit(Planned(phase="", text=text)), assumed=[node], server=answers.api.server)
