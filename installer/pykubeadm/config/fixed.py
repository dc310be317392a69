"""What cannot be changed in a cluster that runs, and why; and what is the cluster's where a new configuration leaves it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from pykubeadm.config.model import ClusterConfiguration, InitConfiguration, LocalEtcd, ThisNode
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path
from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.duration import format_duration


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A field of the ClusterConfiguration: where it is, its value as text, and why it stays."""

    path: Path
    value: Callable[[ClusterConfiguration], str]
    why: str


_AUTHORITIES = "the CAs of the cluster were made with it"
_FIXED: Final = (
    _Fixed(("kubernetesVersion",), lambda c: c.kubernetes_version, "`pykubeadm upgrade apply` changes the version"),
    _Fixed(
        ("networking", "serviceSubnet"), lambda c: c.networking.service_subnet, "Services and their clients have addresses of it"
    ),
    _Fixed(("networking", "podSubnet"), lambda c: c.networking.pod_subnet, "nodes and the pod network have their parts of it"),
    _Fixed(
        ("networking", "dnsDomain"), lambda c: c.networking.dns_domain, "it is in the names that running pods use, and in tokens"
    ),
    _Fixed(("certificatesDir",), lambda c: c.certificates_dir, "nodes, kubelets and other tools look for the CAs there"),
    _Fixed(("clusterName",), lambda c: c.cluster_name, "kubeconfigs and what cloud providers made are called by it"),
    _Fixed(("encryptionAlgorithm",), lambda c: c.encryption_algorithm, _AUTHORITIES),
    _Fixed(("caCertificateValidityPeriod",), lambda c: format_duration(c.ca_certificate_validity_period), _AUTHORITIES),
    _Fixed(
        ("featureGates", "RootlessControlPlane"),
        lambda c: str(c.feature_gates.get("RootlessControlPlane", False)).lower(),
        "the files of all control planes would have to belong to others",
    ),
)
# Of the KubeletConfiguration, with what else a field that is left out means.
_FIXED_KUBELET: Final = {
    "staticPodPath": (MANIFESTS_DIR, "the control plane's manifests are there"),
    "clusterDomain": ("", "it is the cluster's networking.dnsDomain"),
    "cgroupDriver": ("systemd", "kubelets cannot take over pods that run with another one"),
}


def with_what_is_fixed(given: ClusterConfiguration, stored: ClusterConfiguration, report: Report) -> ClusterConfiguration:
    """`given` with the stored value of each field that cannot be changed and was left out; and of controlPlaneEndpoint, which
    nodes and users know, and which is never taken away."""
    networking = replace(
        given.networking,
        service_subnet=given.networking.service_subnet
        if report.wrote(("networking", "serviceSubnet"))
        else stored.networking.service_subnet,
        pod_subnet=given.networking.pod_subnet or stored.networking.pod_subnet,
        dns_domain=given.networking.dns_domain if report.wrote(("networking", "dnsDomain")) else stored.networking.dns_domain,
    )
    fields = {
        name: getattr(stored, name)
        for name, alias in (
            ("kubernetes_version", "kubernetesVersion"),
            ("certificates_dir", "certificatesDir"),
            ("cluster_name", "clusterName"),
            ("encryption_algorithm", "encryptionAlgorithm"),
            ("ca_certificate_validity_period", "caCertificateValidityPeriod"),
        )
        if not report.wrote((alias,))
    }
    gates = given.feature_gates
    if "RootlessControlPlane" not in gates and stored.feature_gates.get("RootlessControlPlane"):
        gates = {**gates, "RootlessControlPlane": True}
    return replace(
        given,
        **fields,
        networking=networking,
        feature_gates=gates,
        etcd=_etcd(given, stored, report),
        control_plane_endpoint=given.control_plane_endpoint or stored.control_plane_endpoint,
    )


def _etcd(given: ClusterConfiguration, stored: ClusterConfiguration, report: Report) -> Any:
    etcd, was = given.etcd, stored.etcd
    if was.external and not etcd.external and not etcd.local:
        return was
    if was.local and not etcd.external and not report.wrote(("etcd", "local", "dataDir")):
        return replace(etcd, local=replace(etcd.local or LocalEtcd(), data_dir=was.local.data_dir))
    return etcd


def refuse_fixed(cluster: ClusterConfiguration, stored: ClusterConfiguration, report: Report) -> None:
    """Report every field whose value would have to be another one. Both configurations are complete."""
    for fixed in _FIXED:
        _refuse(fixed.path, fixed.value(cluster), fixed.value(stored), fixed.why, report)
    if bool(cluster.etcd.external) != bool(stored.etcd.external):
        now, then = ("external", "local") if stored.etcd.external else ("local", "external")
        report.problem(
            ("etcd", then), f"the cluster's etcd is {now}, and its data do not move: make a cluster, and bring them there"
        )
    elif cluster.etcd.local and stored.etcd.local:
        why = "the data of all members are there"
        _refuse(("etcd", "local", "dataDir"), cluster.etcd.local.data_dir, stored.etcd.local.data_dir, why, report)


def kubelet_with_what_is_fixed(kubelet: Mapping[str, Any], stored: Mapping[str, Any], report: Report) -> Mapping[str, Any]:
    """The same of a KubeletConfiguration: with what is stored where it was left out, and what would have to change reported."""
    kept = {}
    for name, (default, why) in _FIXED_KUBELET.items():
        if given := kubelet.get(name):
            _refuse((name,), str(given), str(stored.get(name) or default), why, report)
        elif stored.get(name):
            kept[name] = stored[name]
    return {**kubelet, **kept}


def of_this_node(init: InitConfiguration, node: ThisNode, report: Report) -> InitConfiguration:
    """The InitConfiguration with what is known of this node where it says nothing."""
    registration, endpoint = init.node_registration, init.local_api_endpoint
    known, listens = node.node_registration, node.local_api_endpoint
    return replace(
        init,
        node_registration=replace(
            registration, name=registration.name or known.name, cri_socket=registration.cri_socket or known.cri_socket
        ),
        local_api_endpoint=replace(
            endpoint,
            advertise_address=endpoint.advertise_address or listens.advertise_address,
            bind_port=endpoint.bind_port if report.wrote(("localAPIEndpoint", "bindPort")) else listens.bind_port,
        ),
    )


def refuse_other_node(init: InitConfiguration, node: ThisNode, report: Report) -> None:
    """Report what a node cannot change, or what is another node's."""
    known, listens = node.node_registration, node.local_api_endpoint
    registration, endpoint = init.node_registration, init.local_api_endpoint
    for path, new, old, why in (
        (("nodeRegistration", "name"), registration.name, known.name, "a member of a cluster keeps its name"),
        (("nodeRegistration", "criSocket"), registration.cri_socket, known.cri_socket, "its pods run there"),
        (
            ("localAPIEndpoint", "advertiseAddress"),
            endpoint.advertise_address,
            listens.advertise_address,
            "the cluster, and etcd's other members, know it by that",
        ),
        (("localAPIEndpoint", "bindPort"), str(endpoint.bind_port), str(listens.bind_port), "kubelets and kubeconfigs have it"),
    ):
        if new != old:
            report.problem(path, f"is {_shown(new)}, and this node has {_shown(old)}: {why}")


def _refuse(path: Path, new: str, old: str, why: str, report: Report) -> None:
    if new != old:
        report.problem(path, f"cannot become {_shown(new)} in a running cluster, which has {_shown(old)}: {why}")


def _shown(value: str) -> str:
    return value or "none"
