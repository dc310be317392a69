"""From options to the run that the phases of `reset` get."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.reset.found import look, runtime_endpoint
from pykubeadm.commands.reset.phases import PHASES
from pykubeadm.commands.reset.run import KEEPABLE, KERNELS, ResetRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import ResetConfiguration
from pykubeadm.config.read_reset import read_reset
from pykubeadm.config.reset_flags import ResetFlags
from pykubeadm.config.source import Source
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Node
from pykubeadm.workflow.events import Subscriber


def begin(
    machine: Node, options: Mapping[str, Any], emit: Subscriber, confirm: Callable[[], bool], *, source: Source | None = None
) -> ResetRun:
    """The run of `reset` for these options (kubeadm's flags with underscores, None where not given). Raises ConfigError with
    every problem of flags and file.

    The journal is only read: writing would need space, which a full disk does not have.
    """
    keep, kubeconfig = frozenset(options.get("keep") or ()), os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG)
    problems = [Problem("--keep", 0, 0, "", f"there is no {name}; choose among {', '.join(KEEPABLE)}") for name in _unknown(keep)]
    if options.get("kubeconfig") and machine.stat(kubeconfig) is None:
        problems.append(Problem("--kubeconfig", 0, 0, "", f"{kubeconfig} does not exist"))
    host = host_facts(machine)
    sockets = _sockets(runtime_endpoint(machine), host)
    reads = environment(machine, replace(host, cri_sockets=sockets[:1]), emit, PHASES, [])
    try:
        reset = read_reset(source, ResetFlags.of(options), reads)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    if problems:
        raise ConfigError(problems)
    node: Node = machine
    if reset.dry_run:
        from pykubeadm.commands.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "reset")
    journal = Journal(node)
    journal.discard()
    return ResetRun(
        node=node,
        host=host,
        journal=journal,
        emit=emit,
        reset=reset,
        found=look(machine, reset.certificates_dir),
        sockets=_asked(reset, sockets),
        confirm=confirm,
        keep=keep | KERNELS if isinstance(machine, LocalNode) and machine.root != "/" else keep,
        home=machine.route.environment.get("HOME", ""),
        kubeconfig_path=kubeconfig,
    )


def _sockets(endpoint: str, host: HostFacts) -> tuple[str, ...]:
    """Where the node's pods may be: with the kubelet's runtime, and where the kubelet says nothing with every one there is."""
    return (endpoint,) if endpoint else host.cri_sockets


def _asked(reset: ResetConfiguration, sockets: tuple[str, ...]) -> tuple[str, ...]:
    return sockets if reset.cri_socket in sockets[:1] else (reset.cri_socket,)


def _unknown(keep: frozenset[str]) -> list[str]:
    return sorted(keep.difference(KEEPABLE))
