"""`pykubeadm reset` and `pykubeadm reset phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.confirm import confirmed
from pykubeadm.cli.phase_commands import Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.reset.run import ResetRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

# kubeadm's flags (cmd/reset.go), and `keep`, which is ours.
FLAGS = (
    "cert-dir",
    "cleanup-tmp-dir",
    "config",
    "cri-socket",
    "dry-run",
    "force",
    "ignore-preflight-errors",
    "keep",
    "kubeconfig",
    "skip-phases",
)
_HELP = {
    "cert-dir": "Where certificates and keys are (default: where the node's files say, and /etc/kubernetes/pki).",
    "dry-run": "List everything that would be removed; change nothing.",
    "force": "Do not ask for confirmation, and let etcd lose its majority.",
    "kubeconfig": "The kubeconfig to find etcd's other members with (default: /etc/kubernetes/admin.conf).",
    "skip-phases": "Phases to skip, such as remove-etcd-member.",
}


def _phases() -> tuple[Phase[ResetRun], ...]:
    from pykubeadm.commands.reset.phases import PHASES

    return PHASES


def _confirm() -> bool:
    """The question that kubeadm asks, too."""
    click.echo("This takes the node out of its cluster and removes what `init` or `join` made on it.", err=True)
    return confirmed("[reset] Are you sure you want to proceed?")


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.reset.command import reset as run_reset

    run_reset(options, emit, confirm=_confirm, choose=choose, name=name, machine=machine, source=source)


reset = PhasedGroup(
    Phased("reset", _phases, _run, flag_help=_HELP),
    FLAGS,
    "Take this node out of its cluster and remove what `init` or `join` made on it",
    "What belongs to others stays. Run it again after a failure: it continues where it stopped.",
)
