"""Whether CoreDNS will start with the Corefile that is there. The checks' names are kubeadm's (phases/upgrade/preflight.go).

Kubeadm refuses every plugin that its migration tool does not know; here only what CoreDNS itself would not take is an error.
"""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.addons.corefile import CorefileError, parse_corefile, removed_in, unknown_plugins
from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.versions import Version
from pykubeadm.phases.addons.coredns_image import coredns_choice
from pykubeadm.phases.cluster.state import ClusterState
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.util.kube_object import KubeObject


def dns_checks(state: ClusterState, cluster: ClusterConfiguration, target: Version) -> tuple[Check, ...]:
    """None where the cluster's name server is not ours."""
    if cluster.dns.disabled or state.dns is None:
        return ()
    deployment = state.dns
    return (
        Check("CoreDNSUnsupportedPlugins", lambda _machine: plugins(state)),
        Check("CoreDNSMigration", lambda _machine: migration(deployment, cluster, target)),
    )


def plugins(state: ClusterState) -> Findings:
    text = ((state.config_maps.get("coredns") or {}).get("data") or {}).get("Corefile", "")
    try:
        servers = parse_corefile(text)
    except CorefileError as wrong:
        return error(f"the Corefile in ConfigMap kube-system/coredns cannot be read: {wrong}; CoreDNS would not start with it")
    where = "in the Corefile of ConfigMap kube-system/coredns "
    unknown = unknown_plugins(servers)
    return Findings(
        errors=tuple(f"{where}{sentence}" for sentence in removed_in(servers)),
        warnings=(f"{where}there are plugins that CoreDNS does not come with, so its image must have them: {', '.join(unknown)}",)
        if unknown
        else (),
    )


def migration(deployment: KubeObject, cluster: ClusterConfiguration, target: Version) -> Findings:
    """An image that we do not know is kept, and its Corefile with it."""
    choice = coredns_choice(deployment, replace(cluster, kubernetes_version=str(target)))
    return warning(choice.reason) if choice.reason else FINE
