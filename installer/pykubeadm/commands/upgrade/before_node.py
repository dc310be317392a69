"""Preflight of `upgrade node` (kubeadm: cmd/phases/upgrade/node/preflight.go), and what that of `upgrade apply` has in common."""

from __future__ import annotations

from collections.abc import Sequence

from pykubeadm.commands.upgrade.checks.flags import kubelet_checks
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.versions import is_supported, parse_version, pause_image
from pykubeadm.constants import KUBELET_CONFIG
from pykubeadm.errors import PreflightError
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.preflight import runtime, system
from pykubeadm.phases.preflight.check import Check, run_checks
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.workflow.phase import Changes


def run_node_preflight(run: UpgradeRun) -> Changes:
    """Raises PreflightError with everything that is in the way. Returns the images that were pulled."""
    if not is_supported(parse_version(run.target)):
        raise PreflightError(f"the cluster is at {run.target}, which this pykubeadm does not know: upgrade pykubeadm first")
    checked(run, (*machine_checks(run), *(() if run.resumed else (*_checks(run), *_drain_checks(run)))))
    return pulled(run)


def _checks(run: UpgradeRun) -> Sequence[Check]:
    """What a worker is not asked is not loaded for it: the command takes less time there than that would."""
    if not run.is_control_plane:
        return kubelet_checks(run.node, parse_version(run.target))
    from pykubeadm.commands.upgrade.checks.every import node_checks

    return node_checks(run)


def _drain_checks(run: UpgradeRun) -> Sequence[Check]:
    if not run.replaces_kubelet:
        return ()
    from pykubeadm.commands.upgrade.before_kubelet import drain_checks

    return drain_checks(run)


def machine_checks(run: UpgradeRun) -> tuple[Check, ...]:
    """Whether the new version runs on this machine."""
    kubelet = read_document(run.node, KUBELET_CONFIG)
    given = kubelet.data.get("failCgroupV1") if kubelet else None
    fail_cgroup_v1 = given if isinstance(given, bool) else None
    return (
        runtime.CONTAINER_RUNTIME_VERSION,
        system.system_verification(kubernetes_version=run.target, fail_cgroup_v1=fail_cgroup_v1),
    )


def checked(run: UpgradeRun, checks: tuple[Check, ...]) -> None:
    """Side by side, after the one that decides whether the others can look."""
    found = machine(run)
    run_checks((system.IS_PRIVILEGED_USER,), found, run.ignore_preflight_errors, lambda text: warn(run, text))
    run_checks(checks, found, run.ignore_preflight_errors, lambda text: warn(run, text))


def pulled(run: UpgradeRun) -> Changes:
    """A control plane's images on the node before anything changes; workers get theirs with their pods. Where something has
    changed already, in a run that was interrupted, they are there, and what is put back needs none."""
    if not run.is_control_plane or run.resumed:
        return ()
    from pykubeadm.phases.preflight.control_plane import pull_images

    found = machine(run)
    sandbox = (runtime.sandbox_image(pause_image(run.configuration.cluster)),)
    run_checks(sandbox, found, run.ignore_preflight_errors, lambda text: warn(run, text))
    return pull_images(run, found, lambda text: warn(run, text))


def machine(run: UpgradeRun) -> Machine:
    if run.machine is None:
        socket = run.configuration.this_node.node_registration.cri_socket
        run.machine = Machine(run.node, run.host, run.journal, socket)
    return run.machine


def warn(run: UpgradeRun, text: str) -> None:
    run.note("warning", text, topic="preflight")
