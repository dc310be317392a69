"""`pykubeadm upgrade apply [version]` and `pykubeadm upgrade apply phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.confirm import confirmed
from pykubeadm.cli.phase_commands import Argument, Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.upgrade.run import UpgradeRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

# kubeadm's flags (cmd/upgrade/{apply,common}.go), and those of the phase kubelet.
FLAGS = (
    "allow-experimental-upgrades",
    "allow-release-candidate-upgrades",
    "certificate-renewal",
    "config",
    "delete-emptydir-data",
    "drain-timeout",
    "dry-run",
    "etcd-upgrade",
    "force",
    "ignore-preflight-errors",
    "kubeconfig",
    "kubelet",
    "patches",
    "print-config",
    "skip-phases",
    "yes",
)
_HELP = {
    "force": "Do not ask for confirmation, and proceed if only the version policy advises against it.",
    "skip-phases": "Phases to skip, such as addon/coredns.",
}


def _phases() -> tuple[Phase[UpgradeRun], ...]:
    from pykubeadm.commands.upgrade.phases import APPLY

    return APPLY


def _confirm() -> bool:
    """The question that kubeadm asks, too."""
    return confirmed("[upgrade] Are you sure you want to proceed?")


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.upgrade.command import upgrade

    upgrade("apply", options, emit, choose=choose, name=name, confirm=_confirm, machine=machine, source=source)


apply = PhasedGroup(
    Phased("upgrade apply", _phases, _run, Argument("kubernetes_version", "version"), _HELP),
    FLAGS,
    "Upgrade the cluster to a version, beginning with this control plane",
    "What cannot be finished is undone: this node then runs the old version as before. Run it again after an interruption: it "
    "finishes what was started.",
)
