"""Preflight of `upgrade apply` (kubeadm: cmd/phases/upgrade/apply/preflight.go): the version policy, the checks, the question,
then the images. An upgrade that was interrupted has passed them; it is finished before anything else is looked at."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from pykubeadm.commands.upgrade.before_kubelet import drain_checks
from pykubeadm.commands.upgrade.before_node import checked, machine_checks, pulled, warn
from pykubeadm.commands.upgrade.checks.every import cluster_checks
from pykubeadm.commands.upgrade.checks.job import NAME as CREATE_JOB
from pykubeadm.commands.upgrade.checks.job import job_check
from pykubeadm.commands.upgrade.policy import Allowed, enforce, refusals
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.versions import parse_version, pause_image
from pykubeadm.errors import DeclinedError, PhaseError
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.cluster.state import ClusterState, look_at
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Changes

_RUN_JOBS: Final = ("kube-controller-manager", "kube-scheduler")
_LONGEST_PAUSE: Final = timedelta(minutes=5)  # of the kubelet before it starts a container again (MaxContainerBackOff)


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
    if not run.dry_run and not {CREATE_JOB.lower(), "all"} & run.ignore_preflight_errors:
        await_who_runs_jobs(run, state)
    image = pause_image(run.configuration.cluster)
    job = () if run.dry_run else (job_check(api, run.node_name, image, str(int(time.time() * 1000))),)
    checked(run, (*machine_checks(run), *cluster_checks(run, state, (target,)), *drain_checks(run), *job))
    run.note("info", f"the cluster is upgraded from {state.versions.newest} to {target}", topic="preflight")
    if run.interactive and not run.confirm():
        raise DeclinedError("nothing was upgraded: it was not confirmed; answer y, or give --yes")
    return pulled(run)


def await_who_runs_jobs(run: UpgradeRun, state: ClusterState) -> None:
    """On the only control plane: until controller manager and scheduler answer, or 5 minutes are over.

    They end where the API server is away for longer than their leases, as in an upgrade that is killed, and the kubelet waits
    longer each time before it starts them again: the Job that tests the cluster would not live to see it. Where they do not come
    back it fails, with its reason.
    """
    from pykubeadm.kube.waits import wait_for
    from pykubeadm.phases.static_pods.restart import component_health
    from pykubeadm.workflow.events import Waiting

    if len(list(state.control_planes())) > 1:
        return

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase="preflight", target=target, reason=f"{reason}; the kubelet starts it again within 5 minutes"))

    try:
        wait_for({name: component_health(run, name) for name in _RUN_JOBS}, _LONGEST_PAUSE, report=report)
    except PhaseError as error:
        warn(run, str(error))
