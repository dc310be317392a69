"""`pykubeadm join` and `pykubeadm join phase …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import as_click_has_it
from pykubeadm.cli.phase_commands import Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.commands.join.run import JoinRun
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
_ENDPOINT = "api_server_endpoint"
_HELP = {
    "certificate-key": "The key that `init --upload-certs` printed: opens the certificates that control planes share.",
    "skip-phases": "Phases to leave out, such as preflight.",
    "token": "The bootstrap token, for --discovery-token and --tls-bootstrap-token where they are not given.",
}


def _phases() -> tuple[Phase[JoinRun], ...]:
    from pykubeadm.commands.join.phases import PHASES

    return PHASES


def _run(options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, rootfs: str) -> None:
    from pykubeadm.commands.join.command import join as run_join

    run_join(options, emit, choose=choose, name=name, rootfs=rootfs)


def _arguments(flags: Sequence[str]) -> list[click.Argument]:
    return [click.Argument([_ENDPOINT], required=False)] if "discovery-file" in flags else []


class _JoinGroup(PhasedGroup):
    """`join [API-SERVER-ENDPOINT] [flags…]` beside `join phase …`; flags may come after the endpoint, as in the join command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = as_click_has_it(self, ctx, args)
        _options, rest, _order = self.make_parser(ctx).parse_args(list(args))
        if rest[:1] == ["phase"] or ctx.resilient_parsing:
            ctx.params[_ENDPOINT] = None
            return super().parse_args(ctx, args)
        ctx.allow_interspersed_args = True
        rest = click.Command.parse_args(self, ctx, args)
        if len(rest) > 1:
            raise click.UsageError(f"one API server endpoint is enough; there are {len(rest)}: {' '.join(rest)}", ctx)
        ctx.params[_ENDPOINT] = rest[0] if rest else None
        ctx.args = []
        return []

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[API-SERVER-ENDPOINT]", "[OPTIONS]"]


join = _JoinGroup(
    Phased("join", _phases, _run, _arguments, _HELP),
    FLAGS,
    "Make this node a part of a cluster: a worker, or with --control-plane a further control plane",
    "`pykubeadm token create --print-join-command` on a control plane prints the whole command. Run it again after a failure: "
    "it goes on where it stopped.",
)
