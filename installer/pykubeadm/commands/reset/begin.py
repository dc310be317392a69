"""From options to the run that the phases of `reset` get."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.reset.found import look
from pykubeadm.commands.reset.phases import PHASES
from pykubeadm.commands.reset.run import KEEPABLE, ResetRun
from pykubeadm.commands.source import read_source
from pykubeadm.config.read import read_reset
from pykubeadm.config.reset_flags import ResetFlags
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import UsageError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Node
from pykubeadm.workflow.events import Subscriber


def begin(rootfs: str, options: Mapping[str, Any], emit: Subscriber, confirm: Callable[[], bool]) -> ResetRun:
    """The run of `reset` for these options (kubeadm's flags with underscores, None where not given). Raises ConfigError with
    every problem of flags and file."""
    machine = LocalNode(rootfs)
    host = host_facts(machine)
    source = read_source(options["config"], machine.root) if options.get("config") else None
    reset = read_reset(source, ResetFlags.of(options), environment(machine, host, emit, PHASES, []))
    node: Node = machine
    if reset.dry_run:
        from pykubeadm.commands.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "reset")
    journal = Journal(node)
    return ResetRun(
        node=JournaledNode(node, journal),
        host=host,
        journal=journal,
        emit=emit,
        reset=reset,
        found=look(machine, reset.certificates_dir),
        confirm=confirm,
        keep=_kept(options.get("keep") or ()),
        home=os.environ.get("HOME", ""),
        kubeconfig_path=os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG),
    )


def _kept(names: tuple[str, ...]) -> frozenset[str]:
    unknown = [name for name in names if name not in KEEPABLE]
    if unknown:
        raise UsageError(f"--keep: there is no {', '.join(unknown)}; choose among {', '.join(KEEPABLE)}")
    return frozenset(names)
