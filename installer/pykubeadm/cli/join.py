"""`pykubeadm join` and `pykubeadm join phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.phase_commands import Argument, Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.join.run import JoinRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase

# kubeadm's flags of `join` itself (cmd/join.go).
FLAGS = (
    "apiserver-advertise-address",
    "apiserver-bind-port",
    "certificate-key",
    "config",
    "control-plane",
    "cri-socket",
    "discovery-file",
    "discovery-token",
    "discovery-token-ca-cert-hash",
    "discovery-token-unsafe-skip-ca-verification",
    "dry-run",
    "ignore-preflight-errors",
    "node-name",
    "patches",
    "skip-phases",
    "tls-bootstrap-token",
    "token",
)
_ENDPOINT = Argument("api_server_endpoint", "API server endpoint", lambda flags: "discovery-file" in flags)
_HELP = {
    "certificate-key": "The key that `init --upload-certs` printed: opens the certificates that control planes share.",
    "skip-phases": "Phases to skip, such as preflight.",
    "token": "The bootstrap token, for --discovery-token and --tls-bootstrap-token where they are not given.",
}


def _phases() -> tuple[Phase[JoinRun], ...]:
    from pykubeadm.commands.join.phases import PHASES

    return PHASES


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None) -> None:
    from pykubeadm.commands.join.command import join as run_join

    run_join(options, emit, choose=choose, name=name, machine=machine, source=source)


join = PhasedGroup(
    Phased("join", _phases, _run, _ENDPOINT, _HELP),
    FLAGS,
    "Make this node a part of a cluster: a worker, or with --control-plane a further control plane",
    "`pykubeadm token create --print-join-command` on a control plane prints the whole command. Run it again after a failure: "
    "it continues where it stopped.",
)
