"""`pykubeadm upgrade plan [version]`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.cli.options import document_options, flattened, option
from pykubeadm.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pykubeadm.commands.upgrade.plan import Plan, Upgrade
    from pykubeadm.commands.upgrade.planned import PlannedComponent
    from pykubeadm.commands.upgrade.policy import Refusal
    from pykubeadm.output.forms import Form
    from pykubeadm.workflow.events import Subscriber

_UNREADY = "the cluster is not ready to be upgraded"
# kubeadm's tables (cmd/upgrade/plan.go): Go's text/tabwriter with cells of ten characters at least and three blanks between them.
_NARROWEST, _PADDING = 10, 3
_LINE = f"{'_' * 69}\n\n"
_TITLES = ("COMPONENT", "NODE", "CURRENT", "TARGET")
_CONFIG_TITLES = ("API GROUP", "CURRENT VERSION", "PREFERRED VERSION", "MANUAL UPGRADE REQUIRED")
# kubeadm lists them elsewhere, or only for programs.
_BY_HAND, _NOT_LISTED = "kubelet", ("kubelet", "kubeadm")


def _plan(ctx: click.Context, **values: Any) -> None:
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.source import read_source
    from pykubeadm.commands.upgrade.plan import plan as make_plan
    from pykubeadm.node.local import LocalNode
    from pykubeadm.phases.preflight.check import require_fine

    settings = ctx.ensure_object(Globals)
    form = chosen_form(ctx, values)
    options = {name: flattened(value) if isinstance(value, tuple) else value for name, value in values.items()}
    machine = LocalNode(settings.rootfs)
    source = read_source(str(options["config"]), machine.root) if options.get("config") else None
    emit = stamped(subscriber("text", verbosity=settings.verbosity, quiet=True))
    found = make_plan(options, emit, machine=machine, source=source)
    click.echo(rendered_as(found, form), nl=False)
    if form.name != "text":
        _warn_of_refusals(found, emit)
    require_fine(found.errors, _UNREADY)
    if found.upgrades and all(upgrade.refusals for upgrade in found.upgrades):
        targets = " or ".join(str(upgrade.offer.target) for upgrade in found.upgrades)
        raise PreflightError(f"the cluster cannot be upgraded to {targets}, for the reasons above")


def _warn_of_refusals(plan: Plan, emit: Subscriber) -> None:
    """They have no field in kubeadm's UpgradePlan."""
    from pykubeadm.workflow.events import Note

    for upgrade in plan.upgrades:
        for refusal in upgrade.refusals:
            message = f"{upgrade.offer.target} is refused: {_refused(refusal)}"
            emit(Note(level="warning", topic="upgrade/versions", message=message))


def rendered_as(plan: Plan, form: Form) -> str:
    """What is printed: tables for the form "text", else kubeadm's UpgradePlan."""
    if form.name == "text":
        return _text(plan)
    from pykubeadm.commands.upgrade.planned import plan_document

    upgrades = [(upgrade.offer, upgrade.components) for upgrade in plan.upgrades]
    return form.printed([plan_document(upgrades, plan.config_versions)])


def _text(plan: Plan) -> str:
    from pykubeadm.config.versions import MAXIMUM_MINOR

    shown = ""
    if plan.configuration:
        shown += "[upgrade/config] Configuration used:\n"
        shown += "".join(f"\t{line}\n" for line in plan.configuration.splitlines()) + "\n"
    if not plan.upgrades:
        known = f"up to 1.{MAXIMUM_MINOR}, the newest minor that this pykubeadm knows"
        return f"{shown}The cluster is at {plan.cluster}, and there is nothing newer for it {known}.\n"
    shown += "".join(map(_upgrade, plan.upgrades))
    rows = ((each.group, each.current or "-", each.preferred, "yes" if each.manual else "no") for each in plan.config_versions)
    return f"{shown}Configuration of components, by the version it is stored in:\n\n{_table(_CONFIG_TITLES, rows)}{_LINE}"


def _upgrade(upgrade: Upgrade) -> str:
    by_hand = [each for each in upgrade.components if each.name == _BY_HAND]
    others = [each for each in upgrade.components if each.name not in _NOT_LISTED]
    target = upgrade.offer.target
    shown = ""
    if by_hand:
        shown = f"Upgrade these node by node, once the control planes are upgraded:\n{_table(_TITLES, _rows(by_hand))}\n"
    shown += f"Upgrade to the latest {upgrade.offer.description}:\n\n{_table(_TITLES, _rows(others))}\n"
    if upgrade.refusals:
        shown += f"{target} is refused:\n\n"
        shown += "".join(f"\t- {_refused(refusal)}\n" for refusal in upgrade.refusals)
    else:
        shown += f"Apply it on this node with:\n\n\tpykubeadm upgrade apply {target}{_flag(target.pre)}\n"
    return f"{shown}\n{_LINE}"


def _refused(refusal: Refusal) -> str:
    return f"{refusal.sentence} (--force passes over this)" if refusal.forceable else refusal.sentence


def _flag(pre_release: str) -> str:
    if not pre_release:
        return ""
    return " --allow-release-candidate-upgrades" if pre_release.startswith("rc") else " --allow-experimental-upgrades"


def _rows(components: Iterable[PlannedComponent]) -> Iterable[tuple[str, ...]]:
    return ((each.name, each.node, each.current, each.target) for each in components)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    every = [tuple(titles), *map(tuple, rows)]
    widths = [max(_NARROWEST, *(len(row[column]) + _PADDING for row in every)) for column in range(len(titles) - 1)]
    return "".join("".join(map(str.ljust, row[:-1], widths)) + f"{row[-1]}\n" for row in every)


plan = CliCommand(
    "plan",
    callback=click.pass_context(_plan),
    params=[
        click.Argument(["kubernetes_version"], required=False, metavar="[VERSION]"),
        *(
            option(name)
            for name in (
                "allow-experimental-upgrades",
                "allow-release-candidate-upgrades",
                "config",
                "etcd-upgrade",
                "ignore-preflight-errors",
                "kubeconfig",
                "print-config",
            )
        ),
        *document_options("text"),
    ],
    help="Show which versions the cluster can be upgraded to, and what would be in the way. Changes nothing. Ends with status 3"
    " where a check fails that `upgrade apply` would stop at.",
    short_help="Show which versions the cluster can be upgraded to",
)
