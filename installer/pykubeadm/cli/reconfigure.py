"""`pykubeadm reconfigure` and `pykubeadm reconfigure phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.phase_commands import Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.reconfigure.run import ReconfigureRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

FLAGS = ("config", "dry-run", "ignore-preflight-errors", "kubeconfig", "patches", "skip-phases")
_HELP = {
    "config": "A kubeadm configuration file with what the cluster is to be; on a control plane. Without, this node gets what the "
    "cluster holds.",
    "dry-run": "Show as unified diffs what would change; change nothing.",
    "kubeconfig": "The kubeconfig to speak to the cluster with (default: admin.conf on control planes, kubelet.conf on others).",
    "skip-phases": "Phases to skip, such as addon/coredns.",
}


def _phases() -> tuple[Phase[ReconfigureRun], ...]:
    from pykubeadm.commands.reconfigure.phases import PHASES

    return PHASES


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.reconfigure.command import reconfigure as run_reconfigure

    run_reconfigure(options, emit, choose=choose, name=name, machine=machine, source=source)


reconfigure = PhasedGroup(
    Phased("reconfigure", _phases, _run, flag_help=_HELP),
    FLAGS,
    "Bring the running cluster to another configuration, node by node",
    "First on one control plane with --config, then without it on every other node. What cannot be finished is undone: this node "
    "then runs as before. Run it again after an interruption: it finishes what was started.",
)
