"""All checks of an upgrade, for each command that makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pykubeadm.commands.upgrade.checks.certificates import certificate_checks
from pykubeadm.commands.upgrade.checks.deprecated import deprecated_checks
from pykubeadm.commands.upgrade.checks.disk import disk_checks
from pykubeadm.commands.upgrade.checks.disruption import disruption_checks
from pykubeadm.commands.upgrade.checks.dns import dns_checks
from pykubeadm.commands.upgrade.checks.etcd import etcd_checks
from pykubeadm.commands.upgrade.checks.flags import flag_checks, kubelet_checks
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.model import LocalEtcd
from pykubeadm.config.versions import Version, parse_version
from pykubeadm.errors import PhaseError
from pykubeadm.phases.addons.checks import addon_changes, addon_checks
from pykubeadm.phases.addons.rendered import is_missing
from pykubeadm.phases.cluster.connection import admin_credentials, cluster_api
from pykubeadm.phases.cluster.state import ClusterState, look_at
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.phases.preflight.health import health_checks, no_rotation
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.replacing.checks import manifest_checks, own_versions

_VERSION: Final = "ControlPlaneVersion"


def cluster_checks(run: UpgradeRun, state: ClusterState, targets: Sequence[Version]) -> tuple[Check, ...]:
    """What is asked of the cluster and of this control plane, for an upgrade to any of `targets`; () for its health alone. None
    changes anything."""
    found = [
        Check("AddonChanges", lambda _machine: _brought(run, state)),
        *health_checks(state, run.node, local_etcd=run.has_local_etcd),
        *etcd_checks(run, targets),
        *local_checks(run),
        *disruption_checks(state),
        *deprecated_checks(_metrics(run), targets),
    ]
    for target in targets:
        found += flag_checks(state, run.stored, run.node, target, etcd_upgrade=run.etcd_upgrade)
        found += dns_checks(state, run.stored, target)
        found += addon_checks(run, state, str(target))
        found += manifest_checks(run, str(target))
    return tuple(found)


def local_checks(run: UpgradeRun) -> tuple[Check, ...]:
    """What is asked of this node alone."""
    local = run.stored.etcd.local or LocalEtcd()
    return (
        *certificate_checks(run, renewal=run.certificate_renewal),
        *disk_checks(run.node, local.data_dir if run.has_local_etcd else ""),
    )


def node_checks(run: UpgradeRun) -> tuple[Check, ...]:
    """What is asked of a control plane that comes to the cluster's version: what that would undo here, and of the add-ons, which
    the last of them upgrades."""

    def addons(_machine: Machine) -> Findings:
        state = look_at(cluster_api(run))
        changes, brought = addon_changes(run, state, run.target), _brought(run, state)
        return Findings(changes.errors, brought.warnings)

    kubelet = kubelet_checks(run.node, parse_version(run.target))
    return (
        Check(_VERSION, lambda _machine: _goes_back(run)),
        Check("CARotation", lambda _machine: no_rotation(run.node)),
        *local_checks(run),
        *kubelet,
        *manifest_checks(run, run.target),
        Check("AddonChanges", addons),
    )


def _brought(run: UpgradeRun, state: ClusterState) -> Findings:
    """A warning: kubeadm makes add-ons that the cluster does not have, and so do we."""
    cluster = run.configuration.cluster
    fields = {"coredns": ("dns.disabled", cluster.dns.disabled), "kube-proxy": ("proxy.disabled", cluster.proxy.disabled)}
    return Findings(
        warnings=tuple(
            f"the cluster has no {name}, and the last control plane that is upgraded installs it: if you do not want it, set "
            f"{field}: true in the cluster's configuration first (`pykubeadm reconfigure`)"
            for name, (field, disabled) in fields.items()
            if not disabled and is_missing(state, name)
        )
    )


def _goes_back(run: UpgradeRun) -> Findings:
    """An `upgrade apply` that was killed after the static pods of this node has not stored its version yet. To a patch release
    that is older, and which the first control plane has already, the cluster looks the same."""
    found = own_versions(run)
    if found is None or found[0] <= found[1]:
        return FINE
    running, wanted = found
    return error(
        f"kube-apiserver on this node is {running}, and the cluster's configuration names {wanted}, to which this would take it "
        f"back: finish `pykubeadm upgrade apply {running}` first; if {wanted} is what you want, give "
        f"--ignore-preflight-errors={_VERSION}"
    )


def _metrics(run: UpgradeRun) -> Callable[[], str]:
    def read() -> str:
        from pykubeadm.kube.metrics import metrics

        if run.api is None:
            raise PhaseError("there is no connection to the cluster")
        return metrics(admin_credentials(run), run.api.server)

    return read
