"""What is looked at before anything is changed. A run that was interrupted has passed it, and what it began is finished first:
then only that is looked at which another file might make dangerous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reconfigure.addon import with_stored_kube_proxy
from pykubeadm.commands.reconfigure.certificates import names_missing
from pykubeadm.commands.reconfigure.encryption.check import encryption_check
from pykubeadm.commands.reconfigure.files import file_checks
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.addons.checks import addon_checks
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.cluster.state import look_at
from pykubeadm.phases.preflight import system
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, look_all, require_fine, run_checks
from pykubeadm.phases.preflight.health import health_checks
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.replacing.checks import manifest_checks, own_versions
from pykubeadm.phases.replacing.components import components
from pykubeadm.phases.replacing.pods_before import looking
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.phases.static_pods.present import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIXED_FLAGS: Final = {
    "kube-apiserver": ("service-cluster-ip-range", "service-account-issuer"),
    "kube-controller-manager": ("cluster-cidr", "service-cluster-ip-range"),
    "etcd": ("data-dir",),
}


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
        every = (*file_checks(run), encryption_check(run)) if run.resumed else tuple(checks(run))
        require_fine(look_all(every, run.machine, run.ignore_preflight_errors, warn), "nothing was changed")


def checks(run: ReconfigureRun) -> Iterator[Check]:
    """Of a control plane, and of the cluster."""
    state = look_at(cluster_api(run))
    yield from health_checks(state, run.node, local_etcd=run.has_local_etcd)
    yield from file_checks(run)
    yield Check("StoredConfiguration", lambda _machine: Findings(errors=tuple(edited_where_fixed(run))))
    yield Check("ControlPlaneVersion", lambda _machine: _version(run))
    yield Check("Certificates", lambda _machine: _certificates(run))
    yield encryption_check(run)
    if run.for_cluster:  # else nobody knows what this node's configuration was before
        yield from manifest_checks(run, run.target)
        yield from addon_checks(with_stored_kube_proxy(run), state, run.target)


def edited_where_fixed(run: ReconfigureRun) -> Iterator[str]:
    """Of what cannot be changed, and is refused in a file: where somebody did so in the cluster's ConfigMap, by hand. What users
    set by extraArgs, now or before, is their business."""
    cluster = run.configuration.cluster, run.stored
    given = {arg.name for each in cluster for part in (each.api_server, each.controller_manager) for arg in part.extra_args}
    for component in components(looking(run)):
        before, after = arguments(component.former), arguments(component.wanted)
        for name in _FIXED_FLAGS.get(component.name, ()):
            old, new = (flags.get(name) or "not set" for flags in (before, after))
            if old != new and name not in given:
                yield (
                    f"{component.name}'s --{name} is {old} and would become {new}, which cannot change in a running cluster: put "
                    "back what was changed in ConfigMap kube-system/kubeadm-config"
                )


def _version(run: ReconfigureRun) -> Findings:
    """A change of settings must not be an upgrade, nor the way back."""
    found = own_versions(run)
    if found is None or found[0] == found[1]:
        return FINE
    running, wanted = found
    first = f"finish `pykubeadm upgrade apply {running}`" if running > wanted else "run `pykubeadm upgrade node`"
    return error(f"kube-apiserver on this node is {running}, and the cluster's configuration names {wanted}: {first} first")


def _certificates(run: ReconfigureRun) -> Findings:
    """Those that are to have more names, and cannot be issued here."""
    return Findings(errors=tuple(names_missing(run)[1]))
