"""`pykubeadm join` and `pykubeadm join phase …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.flags import flattened
from pykubeadm.cli.lazy import Globals, as_click_has_it
from pykubeadm.cli.phase_commands import Choose, Phased, PhasedGroup

if TYPE_CHECKING:
    from pykubeadm.phases.joining.run import JoinRun
    from pykubeadm.plan.phase import Phase

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

_WORKER_JOINED = """\
This node has joined the cluster as {node}: its kubelet has a certificate of its own.

See it come up with `kubectl get nodes` on a control plane."""

_CONTROL_PLANE_JOINED = """\
This node has joined the cluster as {node} and is one of its control planes{etcd}.

To use the cluster from here as a regular user:

  mkdir -p $HOME/.kube
  sudo cp -i /etc/kubernetes/admin.conf $HOME/.kube/config
  sudo chown $(id -u):$(id -g) $HOME/.kube/config"""


def _phases() -> tuple[Phase[JoinRun], ...]:
    from pykubeadm.phases.join import PHASES

    return PHASES


def _execute(ctx: click.Context, command: str, values: dict[str, Any], choose: Choose) -> None:
    """From flags and file to a run of the chosen steps; the cluster is asked before the node is locked or changed."""
    from contextlib import nullcontext

    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.cli.join_run import join_run
    from pykubeadm.node.lock import exclusive
    from pykubeadm.phases.joining.control_plane_prepare import steps_with_keys
    from pykubeadm.phases.keys import order_keys
    from pykubeadm.plan.runner import run_steps

    settings = ctx.ensure_object(Globals)
    given = {name: flattened(value) if isinstance(value, tuple) else value for name, value in values.items()}
    emit = stamped(subscriber(settings.output, verbosity=settings.verbosity))
    # Phases that have no flags for discovery go on with what the ones before them wrote.
    run = join_run(settings.rootfs, given, emit, needs_discovery="discovery_file" in values, look_ahead=command == "join")
    steps = choose(run.join.skip_phases)
    _ = run.patches  # those that cannot be read are told before anything is changed
    with nullcontext() if run.dry_run else exclusive(settings.rootfs, f"pykubeadm {command}"):
        order_keys(run, steps_with_keys(run))
        run_steps(command, run.node_name, steps, run, dry_run=run.dry_run, journal=run.journal, emit=run.emit)
    if command == "join" and not run.dry_run:
        etcd = ", with a member of etcd" if run.has_local_etcd else ""
        text = _CONTROL_PLANE_JOINED if run.is_control_plane else _WORKER_JOINED
        run.result("joined", text.format(node=run.kubelet_name, etcd=etcd), node=run.kubelet_name)


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
    Phased("join", _phases, _execute, _arguments, _HELP),
    FLAGS,
    "Make this node a part of a cluster: a worker, or with --control-plane a further control plane",
    "`pykubeadm token create --print-join-command` on a control plane prints the whole command. Run it again after a failure: "
    "it goes on where it stopped.",
)
