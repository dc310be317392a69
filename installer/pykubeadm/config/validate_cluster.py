"""Checks of ClusterConfiguration, with its defaults filled in (kubeadm: apis/kubeadm/validation/validation.go)."""

from __future__ import annotations

from datetime import timedelta

from pykubeadm.config import rules
from pykubeadm.config.features import check_feature_gates
from pykubeadm.config.model import (
    Arg,
    ClusterConfiguration,
    ControlPlaneComponent,
    EnvVar,
    Etcd,
    ExternalEtcd,
    HostPathMount,
    LocalEtcd,
)
from pykubeadm.config.report import Report
from pykubeadm.config.rules import Network
from pykubeadm.config.source import Path
from pykubeadm.config.validate_node import check_arguments
from pykubeadm.config.versions import MAXIMUM_MINOR, MINIMUM_MINOR, is_supported, parse_version
from pykubeadm.util.duration import format_duration
from pykubeadm.util.ip import parse_ip

MINIMUM_SERVICE_ADDRESSES = 10  # cluster DNS has the tenth
MINIMUM_POD_ADDRESSES = 14
MAXIMUM_SERVICE_BITS = 20
MAXIMUM_NODE_BITS = 16  # between the pod subnet and a node's part of it
RECOMMENDED_VALIDITY = timedelta(hours=8760)
RECOMMENDED_CA_VALIDITY = timedelta(hours=87600)


def check_cluster(cluster: ClusterConfiguration, advertise_address: str, report: Report) -> None:
    """Report every problem. `advertise_address` is this node's, "" where it does not matter."""
    _version(cluster, report)
    _networking(cluster, advertise_address, report)
    if cluster.control_plane_endpoint:
        report.problem(("controlPlaneEndpoint",), rules.endpoint(cluster.control_plane_endpoint))
    for name, component in (
        ("apiServer", cluster.api_server),
        ("controllerManager", cluster.controller_manager),
        ("scheduler", cluster.scheduler),
    ):
        _component(component, (name,), report)
    _names(cluster.api_server.cert_sans, ("apiServer", "certSANs"), report)
    _etcd(cluster.etcd, report)
    report.problem(("certificatesDir",), rules.absolute_path(cluster.certificates_dir))
    report.problem(("imageRepository",), rules.image_repository(cluster.image_repository))
    _image(cluster.dns.image_repository, cluster.dns.image_tag, ("dns",), report)
    report.problem(("encryptionAlgorithm",), rules.one_of(cluster.encryption_algorithm, rules.ENCRYPTION_ALGORITHMS))
    check_feature_gates(cluster, report)
    _validity(cluster, report)


def _version(cluster: ClusterConfiguration, report: Report) -> None:
    path: Path = ("kubernetesVersion",)
    try:
        version = parse_version(cluster.kubernetes_version)
    except ValueError:
        why = "builds of Kubernetes' CI are not supported; " if cluster.kubernetes_version.startswith("ci/") else ""
        report.problem(
            path, f'{why}"{cluster.kubernetes_version}" is neither a version such as "v1.36.2" nor a label such as "stable-1"'
        )
        return
    if not is_supported(version):
        report.problem(
            path, f"{version} is not supported; this pykubeadm deploys Kubernetes 1.{MINIMUM_MINOR} to 1.{MAXIMUM_MINOR}"
        )


def _networking(cluster: ClusterConfiguration, advertise_address: str, report: Report) -> None:
    networking = cluster.networking
    report.problem(("networking", "dnsDomain"), rules.subdomain(networking.dns_domain))
    services = _subnets(networking.service_subnet, ("networking", "serviceSubnet"), MINIMUM_SERVICE_ADDRESSES, report)
    pods = _subnets(networking.pod_subnet, ("networking", "podSubnet"), MINIMUM_POD_ADDRESSES, report)
    for subnet in services:
        if subnet.max_prefixlen - subnet.prefixlen > MAXIMUM_SERVICE_BITS:
            smallest = subnet.max_prefixlen - MAXIMUM_SERVICE_BITS
            report.problem(
                ("networking", "serviceSubnet"), f"{subnet} is too large for Services; at most a /{smallest} is possible"
            )
    if _argument(cluster.controller_manager.extra_args, "allocate-node-cidrs") != "false":
        _node_parts(pods, cluster, report)
    for pod in pods:
        for service in services:
            if pod.version == service.version and pod.overlaps(service):
                report.problem(("networking", "podSubnet"), f"{pod} overlaps the Services' {service}")
    families = {subnet.version for subnet in services}
    if pods and services and not families & {subnet.version for subnet in pods}:
        report.problem(
            ("networking", "podSubnet"), "has no IP family in common with serviceSubnet; Services could not reach pods"
        )
    address = parse_ip(advertise_address)
    if address and services and address.version != services[0].version and not address.is_unspecified:
        report.note(
            f"the API server advertises {address} (IPv{address.version}), but the first service subnet is "
            f"IPv{services[0].version}; the kube-apiserver refuses to start unless both are of one family"
        )


def _subnets(text: str, path: Path, minimum: int, report: Report) -> list[Network]:
    """The subnets; none where the text is wrong, so that nothing is reported twice."""
    if not text:
        return []
    found, why = rules.networks(text)
    report.problem(path, why)
    if why:
        return []
    for subnet in found:
        if subnet.num_addresses < minimum:
            report.problem(path, f"{subnet} has {subnet.num_addresses} addresses, at least {minimum} are needed")
        if subnet.version == 6 and subnet.is_site_local:
            report.note(f"{subnet} is in the deprecated site-local range fec0::/10 (RFC 3879)")
    for written, meant in rules.host_bits(text):
        report.note(f'"{written}" has host bits set; it means {meant}')
    return found


def _node_parts(pods: list[Network], cluster: ClusterConfiguration, report: Report) -> None:
    """Whether every node can get its part of the pods' addresses from the controller manager."""
    arguments = cluster.controller_manager.extra_args
    for subnet in pods:
        flag = f"node-cidr-mask-size-ipv{subnet.version}"
        text = _argument(arguments, flag)
        try:
            mask = int(text) if text else (24 if subnet.version == 4 else 64)
        except ValueError:
            index = max(number for number, argument in enumerate(arguments) if argument.name == flag)
            report.problem(("controllerManager", "extraArgs", index, "value"), f'{flag} must be a number, not "{text}"')
            continue
        if subnet.prefixlen > mask:
            report.problem(("networking", "podSubnet"), f"{subnet} is smaller than the /{mask} that every node gets of it")
        elif mask - subnet.prefixlen > MAXIMUM_NODE_BITS:
            report.problem(
                ("networking", "podSubnet"),
                f"{subnet} is more than {MAXIMUM_NODE_BITS} bits larger than the /{mask} that every node gets of it; "
                f"set the controller manager's {flag}",
            )


def _argument(arguments: tuple[Arg, ...], name: str) -> str:
    """The last value of a flag that the user set; "" where there is none."""
    return next((argument.value for argument in reversed(arguments) if argument.name == name), "")


def _component(component: ControlPlaneComponent, path: Path, report: Report) -> None:
    check_arguments(component.extra_args, (*path, "extraArgs"), report)
    _volumes(component.extra_volumes, (*path, "extraVolumes"), report)
    _environment(component.extra_envs, (*path, "extraEnvs"), report)


def _volumes(volumes: tuple[HostPathMount, ...], path: Path, report: Report) -> None:
    names: set[str] = set()
    places: set[str] = set()
    for index, volume in enumerate(volumes):
        where: Path = (*path, index)
        report.problem((*where, "name"), rules.dns_label(volume.name) if volume.name else "a volume needs a name")
        report.problem((*where, "hostPath"), rules.absolute_path(volume.host_path))
        report.problem((*where, "mountPath"), rules.absolute_path(volume.mount_path))
        if ":" in volume.mount_path:
            report.problem((*where, "mountPath"), f'"{volume.mount_path}" cannot hold a colon')
        report.problem((*where, "pathType"), rules.one_of(volume.path_type, rules.PATH_TYPES))
        if volume.name in names:
            report.problem((*where, "name"), f'the volume "{volume.name}" is given twice')
        if volume.mount_path in places:
            report.problem((*where, "mountPath"), f'another volume is mounted at "{volume.mount_path}" already')
        names.add(volume.name)
        places.add(volume.mount_path)


def _environment(variables: tuple[EnvVar, ...], path: Path, report: Report) -> None:
    for index, variable in enumerate(variables):
        where: Path = (*path, index)
        report.problem((*where, "name") if variable.name else where, rules.env_name(variable.name))
        if variable.value and variable.value_from:
            report.problem((*where, "valueFrom"), "value and valueFrom exclude each other")
        sources = [name for name, value in (variable.value_from or {}).items() if value is not None]
        if variable.value_from is not None and len(sources) != 1:
            report.problem((*where, "valueFrom"), "takes exactly one source, such as fieldRef")


def _names(names: tuple[str, ...], path: Path, report: Report) -> None:
    for index, name in enumerate(names):
        report.problem((*path, index), rules.alternative_name(name))


def _image(repository: str, tag: str, path: Path, report: Report) -> None:
    if repository:
        report.problem((*path, "imageRepository"), rules.image_repository(repository))
    if tag:
        report.problem((*path, "imageTag"), rules.image_tag(tag))


def _etcd(etcd: Etcd, report: Report) -> None:
    if etcd.local and etcd.external:
        report.problem(("etcd",), "local and external exclude each other")
    if etcd.local:
        _local_etcd(etcd.local, ("etcd", "local"), report)
    if etcd.external:
        _external_etcd(etcd.external, ("etcd", "external"), report)


def _local_etcd(local: LocalEtcd, path: Path, report: Report) -> None:
    report.problem((*path, "dataDir"), rules.absolute_path(local.data_dir))
    _names(local.server_cert_sans, (*path, "serverCertSANs"), report)
    _names(local.peer_cert_sans, (*path, "peerCertSANs"), report)
    _image(local.image_repository, local.image_tag, path, report)
    check_arguments(local.extra_args, (*path, "extraArgs"), report)
    _environment(local.extra_envs, (*path, "extraEnvs"), report)


def _external_etcd(external: ExternalEtcd, path: Path, report: Report) -> None:
    https = bool(external.ca_file or external.cert_file or external.key_file)
    if bool(external.cert_file) != bool(external.key_file):
        report.problem(path, "certFile and keyFile belong together: give both or neither")
    elif external.cert_file and not external.ca_file:
        report.problem(path, "certFile and keyFile need caFile as well")
    if not external.endpoints:
        report.problem((*path, "endpoints"), "at least one endpoint is needed")
    for index, endpoint in enumerate(external.endpoints):
        report.problem((*path, "endpoints", index), rules.url(endpoint, https=https))
    if external.http_endpoints != external.endpoints:
        for index, endpoint in enumerate(external.http_endpoints):
            report.problem((*path, "httpEndpoints", index), rules.url(endpoint, https=False))
    for name, file in (("caFile", external.ca_file), ("certFile", external.cert_file), ("keyFile", external.key_file)):
        if file:
            report.problem((*path, name), rules.absolute_path(file))


def _validity(cluster: ClusterConfiguration, report: Report) -> None:
    leaf, authority = cluster.certificate_validity_period, cluster.ca_certificate_validity_period
    for name, period, recommended in (
        ("certificateValidityPeriod", leaf, RECOMMENDED_VALIDITY),
        ("caCertificateValidityPeriod", authority, RECOMMENDED_CA_VALIDITY),
    ):
        if period <= timedelta():
            report.problem((name,), f"must be longer than nothing, not {format_duration(period)}")
        elif period > recommended:
            report.note(f"{name} {format_duration(period)} is longer than the recommended {format_duration(recommended)}")
    if timedelta() < authority < leaf:
        report.note(
            "certificateValidityPeriod is longer than caCertificateValidityPeriod; none is accepted once its CA has expired"
        )
