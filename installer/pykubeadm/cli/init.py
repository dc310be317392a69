"""`pykubeadm init` and `pykubeadm init phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.phase_commands import Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.init.run import InitRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

# kubeadm's flags of `init` itself (cmd/init.go); the phases' own flags come with the phases.
FLAGS = (
    "apiserver-advertise-address",
    "apiserver-bind-port",
    "apiserver-cert-extra-sans",
    "cert-dir",
    "certificate-key",
    "config",
    "control-plane-endpoint",
    "cri-socket",
    "dry-run",
    "feature-gates",
    "ignore-preflight-errors",
    "image-repository",
    "kubernetes-version",
    "node-name",
    "patches",
    "pod-network-cidr",
    "service-cidr",
    "service-dns-domain",
    "skip-certificate-key-print",
    "skip-phases",
    "skip-token-print",
    "token",
    "token-ttl",
    "upload-certs",
)


def _phases() -> tuple[Phase[InitRun], ...]:
    from pykubeadm.commands.init.phases import PHASES

    return PHASES


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.init.command import init as run_init

    run_init(options, emit, choose=choose, name=name, machine=machine, source=source)


init = PhasedGroup(
    Phased("init", _phases, _run),
    FLAGS,
    "Make this node the first control plane of a cluster",
    "Run it again after a failure: it continues where it stopped.",
)
