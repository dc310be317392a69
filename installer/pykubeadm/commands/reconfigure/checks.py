"""What is looked at before anything is changed. A run that was interrupted has passed it, and what it began is finished first:
then only that is looked at which another file might make dangerous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.commands.reconfigure.addon import with_stored_kube_proxy
from pykubeadm.commands.reconfigure.certificates import lacking
from pykubeadm.commands.reconfigure.encryption.check import encryption_check
from pykubeadm.commands.reconfigure.files import file_checks
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.addons.checks import addon_checks
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.cluster.state import look_at
from pykubeadm.phases.preflight import system
from pykubeadm.phases.preflight.check import FINE, Check, Findings, run_checks
from pykubeadm.phases.preflight.health import health_checks
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.replacing.checks import manifest_checks
from pykubeadm.phases.replacing.record import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_preflight(run: ReconfigureRun) -> None:
    """PreflightError with everything that is in the way."""
    if run.resumed:
        run.note("info", "a reconfiguration was interrupted on this node: what it began is finished first", topic="preflight")
    if run.machine is None:
        run.machine = Machine(run.node, run.host, run.journal, run.configuration.this_node.node_registration.cri_socket)

    def warn(text: str) -> None:
        run.note("warning", text, topic="preflight")

    run_checks((system.IS_PRIVILEGED_USER,), run.machine, run.ignore_preflight_errors, warn)
    record = read_record(run.node)
    if run.is_control_plane and not (record and record.restoring):  # nothing is in the way of putting back
        checks = (*file_checks(run), encryption_check(run)) if run.resumed else tuple(_checks(run))
        run_checks(checks, run.machine, run.ignore_preflight_errors, warn)


def _checks(run: ReconfigureRun) -> Iterator[Check]:
    state = look_at(cluster_api(run))
    yield from health_checks(state, run.node, local_etcd=run.has_local_etcd)
    yield from file_checks(run)
    yield Check("Certificates", lambda _machine: _certificates(run))
    yield encryption_check(run)
    yield from manifest_checks(run, run.target)
    if run.for_cluster:
        yield from addon_checks(with_stored_kube_proxy(run), state, run.target)


def _certificates(run: ReconfigureRun) -> Findings:
    """Whether those that are to have more names can be issued; what cannot be is an error of the check."""
    lacking(run)
    return FINE
