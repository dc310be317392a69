"""`pykubeadm upgrade node` and `pykubeadm upgrade node phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.phase_commands import Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.upgrade.run import UpgradeRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

# kubeadm's flags (cmd/upgrade/node.go), and those of the phase kubelet.
FLAGS = (
    "certificate-renewal",
    "config",
    "delete-emptydir-data",
    "drain-timeout",
    "dry-run",
    "etcd-upgrade",
    "ignore-preflight-errors",
    "kubeconfig",
    "kubelet",
    "patches",
    "skip-phases",
)
_HELP = {
    "kubeconfig": "The kubeconfig to speak to the cluster with (default: admin.conf on control planes, kubelet.conf on others).",
    "skip-phases": "Phases to skip, such as addon/coredns.",
}


def _phases() -> tuple[Phase[UpgradeRun], ...]:
    from pykubeadm.commands.upgrade.phases import NODE

    return NODE


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.upgrade.command import upgrade

    upgrade("node", options, emit, choose=choose, name=name, machine=machine, source=source)


node = PhasedGroup(
    Phased("upgrade node", _phases, _run, flag_help=_HELP),
    FLAGS,
    "Bring this node to the version that `upgrade apply` gave the cluster",
    "What cannot be finished is undone: this node then runs the old version as before. Run it again after an interruption: it "
    "finishes what was started.",
)
