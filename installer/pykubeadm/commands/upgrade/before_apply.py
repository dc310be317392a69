"""Preflight of `upgrade apply` (kubeadm: cmd/phases/upgrade/apply/preflight.go): the version policy, the checks, the question,
then the images. An upgrade that was interrupted has passed them; it is finished before anything else is looked at."""

from __future__ import annotations

import time

from pykubeadm.commands.upgrade.before_node import checked, machine_checks, pulled, warn
from pykubeadm.commands.upgrade.checks.every import cluster_checks
from pykubeadm.commands.upgrade.checks.job import job_check
from pykubeadm.commands.upgrade.policy import Allowed, enforce, refusals
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.commands.upgrade.state import look_at
from pykubeadm.config.versions import parse_version, pause_image
from pykubeadm.errors import DeclinedError
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Changes


def run_apply_preflight(run: UpgradeRun) -> Changes:
    """Raises PreflightError with everything that is in the way, DeclinedError. Returns the images that were pulled."""
    section = run.upgrade.apply
    if section.print_config:
        run.result("configuration", to_yaml(run.stored.document()).rstrip("\n"))
    if run.resumed:
        run.note("info", "an upgrade was interrupted on this node: what it began is finished first", topic="preflight")
        checked(run, ())
        return ()
    api, target = cluster_api(run), parse_version(run.target)
    state = look_at(api)
    allowed = Allowed(section.allow_experimental_upgrades, section.allow_rc_upgrades)
    found = refusals(target, state.versions, allowed)
    enforce(found, force=section.force_upgrade, note=lambda text: warn(run, text))
    image = pause_image(run.configuration.cluster)
    job = () if run.dry_run else (job_check(api, run.node_name, image, str(int(time.time() * 1000))),)
    checked(run, (*machine_checks(run), *cluster_checks(run, state, (target,)), *job))
    run.note("info", f"the cluster is upgraded from {state.versions.newest} to {target}", topic="preflight")
    if run.interactive and not run.confirm():
        raise DeclinedError("nothing was upgraded: it was not confirmed; answer y, or give --yes")
    return pulled(run)
