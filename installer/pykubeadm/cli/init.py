"""`pykubeadm init` and `pykubeadm init phase …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.flags import flattened
from pykubeadm.cli.lazy import Globals
from pykubeadm.cli.phase_commands import Choose, Phased, PhasedGroup

if TYPE_CHECKING:
    import click

    from pykubeadm.phases.run import InitRun
    from pykubeadm.plan.phase import Phase

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
    from pykubeadm.phases.init import PHASES

    return PHASES


def _execute(ctx: click.Context, command: str, values: dict[str, Any], choose: Choose) -> None:
    """From flags and file to a run of the chosen steps."""
    from contextlib import nullcontext

    from pykubeadm.cli.config import read_source
    from pykubeadm.node.local import LocalNode
    from pykubeadm.phases.keys import begin_keys, order_keys

    settings = ctx.ensure_object(Globals)
    machine = LocalNode(settings.rootfs)
    source = read_source(values["config"], machine.root) if values.get("config") else None
    begun = begin_keys(machine, [step.path for step in choose(())], source.content if source else b"")

    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.cli.run import init_run
    from pykubeadm.node.lock import exclusive
    from pykubeadm.plan.runner import run_steps

    given = {name: flattened(value) if isinstance(value, tuple) else value for name, value in values.items()}
    quiet = bool(given.get("print_manifest"))
    emit = stamped(subscriber(settings.output, verbosity=settings.verbosity, quiet=quiet))
    run = init_run(machine, given, emit, source=source)
    run.begun_keys = begun
    steps = choose(run.configuration.init.skip_phases)
    _ = run.patches  # those that cannot be read are told before anything is changed
    changing = not run.dry_run and not run.print_manifest
    with exclusive(settings.rootfs, f"pykubeadm {command}") if changing else nullcontext():
        order_keys(run, [step.path for step in steps])
        node = run.configuration.init.node_registration.name
        run_steps(command, node, steps, run, dry_run=run.dry_run, journal=run.journal, emit=run.emit)


init = PhasedGroup(
    Phased("init", _phases, _execute),
    FLAGS,
    "Make this node the first control plane of a cluster",
    "Run it again after a failure: it goes on where it stopped.",
)
