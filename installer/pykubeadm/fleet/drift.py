"""What a cluster has otherwise than its file says and `apply` leaves alone, and the command that brings it there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final

from pykubeadm.addons import kube_proxy as proxies
from pykubeadm.config.fixed import kubelet_with_what_is_fixed
from pykubeadm.config.fleet import Fleet, Host
from pykubeadm.config.model import ClusterConfiguration, Configuration
from pykubeadm.config.report import Report
from pykubeadm.config.section import DocumentError, load_section
from pykubeadm.config.versions import parse_version
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.fleet.facts import ClusterFacts, NodeFacts
from pykubeadm.manifests import kubelet as kubelets
from pykubeadm.util.api_types import misfits
from pykubeadm.util.dataclass import dataclass

UPGRADE: Final = "pykubeadm cluster upgrade"
RECONFIGURE: Final = "pykubeadm cluster reconfigure"
# Of the ClusterConfiguration: what `reconfigure` keeps where the file leaves it out, besides parts of others (config.fixed).
_KEPT: Final = ("certificatesDir", "clusterName", "encryptionAlgorithm", "caCertificateValidityPeriod")
_FIXED_GATE: Final = "RootlessControlPlane"
_LOST: Final = f"`{RECONFIGURE}` takes that away, and on the node `pykubeadm reconfigure --patches DIR` keeps a patch"
_FALLBACK: Final = "/etc/resolv.conf"  # of a kubelet on a machine without the file that the cluster's configuration names


@dataclass(frozen=True, slots=True)
class Drift:
    """Of a host, or "" for the whole cluster. `command` is "" for what may be as the administrator wants it."""

    host: str
    sentence: str
    command: str


def drift_of(fleet: Fleet, cluster: ClusterFacts, members: Sequence[tuple[Host, NodeFacts]]) -> Iterator[Drift]:
    """`members` are the hosts of the cluster that were looked at."""
    configuration = fleet.configuration
    if cluster.version and fleet.names_version and configuration.cluster.kubernetes_version != cluster.version:
        differs = f"the cluster is {cluster.version}, and the file says {configuration.cluster.kubernetes_version}"
        yield Drift("", f"{differs}, {_left_alone(UPGRADE)}", UPGRADE)
    documents = {
        "ClusterConfiguration": _differing(_wanted_cluster(fleet, cluster), dict(cluster.stored)) if cluster.stored else [],
        "KubeletConfiguration": _kubelet(configuration, cluster),
        "KubeProxyConfiguration": _kube_proxy(configuration, cluster),
    }
    for kind, fields in documents.items():
        if fields:
            differs = f"the cluster's {kind} is not the file's in {', '.join(fields)}"
            yield Drift("", f"{differs}, {_left_alone(RECONFIGURE)}", RECONFIGURE)
    compare = bool(configuration.kubelet) and not documents["KubeletConfiguration"]
    own = cache(partial(_own_kubelet, cluster)) if compare else _not_compared  # most kubelets have the same one
    for host, node in members:
        yield from _of_node(host, node, cluster, own)


def _left_alone(command: str) -> str:
    return f"which applying it leaves alone: `{command}` brings it there"


def _of_node(host: Host, node: NodeFacts, cluster: ClusterFacts, own: Callable[[bytes, bytes], _Own]) -> Iterator[Drift]:
    """`own` says in which fields a kubelet with these files is otherwise configured than the cluster's are to be."""
    found = cluster.nodes.get(host.name)
    if found is None or node.ca not in ("", cluster.ca):
        return
    its, common = _minor(found.version), _minor(cluster.version)
    if node.upgrading:
        yield Drift(host.name, f"`upgrade {node.upgrading}` was cut off there, or failed: `{UPGRADE}` continues it", UPGRADE)
    elif node.reconfiguring:
        yield Drift(host.name, f"`reconfigure` was cut off there, or failed: `{RECONFIGURE}` continues it", RECONFIGURE)
    elif None not in (its, common) and its != common:
        sentence = f"its kubelet is {found.version}, and the cluster {cluster.version}: `{UPGRADE}` brings it there"
        yield Drift(host.name, sentence, UPGRADE)
    elif node.joined and not node.unfinished:
        files = node.kubelet_files
        differs = own(files.get(KUBELET_CONFIG, b""), files.get(KUBELET_INSTANCE_CONFIG, b""))
        if differs.without:
            sentence = f"its kubelet's configuration is without the cluster's {', '.join(differs.without)}"
            yield Drift(host.name, f"{sentence}, {_left_alone(RECONFIGURE)}", RECONFIGURE)
        if differs.otherwise:
            differing = f"its kubelet's configuration is not the cluster's in {', '.join(differs.otherwise)}"
            yield Drift(host.name, f"{differing}, by a patch for this node or from before: {_LOST}", "")
        if flags := _flags(host, node):
            sentence = f"its kubelet's flags are not the file's kubeletExtraArgs in {', '.join(flags)}"
            yield Drift(host.name, f"{sentence}, {_left_alone(RECONFIGURE)}", RECONFIGURE)


def _minor(version: str) -> int | None:
    """None where that is no version, as of a build of somebody's own."""
    try:
        return parse_version(version).minor
    except ValueError:
        return None


def _wanted_cluster(fleet: Fleet, cluster: ClusterFacts) -> Mapping[str, Any]:
    """The ClusterConfiguration as the file has it. What cannot be changed, and is left out there, is the cluster's; without such
    a document the hosts alone say where etcd is."""
    document = fleet.configuration.cluster.document()
    document.pop("kubernetesVersion")  # compared by itself
    if not fleet.describes_cluster:
        return {"etcd": document["etcd"]} if fleet.members else {}
    written, stored = fleet.cluster_document, cluster.stored
    networking = {name: value for name, value in (written.get("networking") or {}).items() if value}
    document["networking"] = {**(stored.get("networking") or {}), **networking}
    if not fleet.members:
        document["etcd"] = _wanted_etcd(document["etcd"], written.get("etcd") or {}, stored.get("etcd") or {})
    if "featureGates" in document and (stored.get("featureGates") or {}).get(_FIXED_GATE):
        document["featureGates"] = {_FIXED_GATE: True, **document["featureGates"]}
    return {name: value for name, value in document.items() if name not in _KEPT or written.get(name) is not None}


def _wanted_etcd(etcd: Mapping[str, Any], written: Mapping[str, Any], stored: Mapping[str, Any]) -> Mapping[str, Any]:
    if written.get("external"):
        return etcd
    if stored.get("external"):
        return etcd if written.get("local") is not None else stored
    if (written.get("local") or {}).get("dataDir") is None and (stored.get("local") or {}).get("dataDir"):
        return {"local": {**(etcd.get("local") or {}), "dataDir": stored["local"]["dataDir"]}}
    return etcd


def _differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The fields of the file that the cluster has otherwise."""
    return [name for name in wanted if wanted[name] != found.get(name)]


def _kubelet(configuration: Configuration, cluster: ClusterFacts) -> list[str]:
    """The fields in which the file's KubeletConfiguration is another one than the cluster's, both completed."""
    if not configuration.kubelet or not cluster.kubelet:
        return []
    wanted = kubelet_with_what_is_fixed(configuration.kubelet, cluster.kubelet, Report([], lambda _note: None))
    if wanted.get("resolvConf") is None and _follows_machine(cluster):
        wanted = {**wanted, "resolvConf": cluster.kubelet.get("resolvConf")}
    return _other_fields(kubelets.KIND, wanted, cluster.kubelet, _completing(cluster))


def _follows_machine(cluster: ClusterFacts) -> bool:
    """Whether the kubelets' resolvConf is nobody's wish: kubeadm uploads that of the machine it runs on (componentconfigs:
    mutateResolverConfig)."""
    return cluster.kubelet.get("resolvConf") in (None, kubelets.RESOLVED)


@dataclass(frozen=True, slots=True)
class _Own:
    """Fields of the cluster's KubeletConfiguration that a machine's is without, and others that differ. Patches add fields and
    change them, and so these may be wanted; they hardly remove any."""

    without: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


def _not_compared(_config: bytes, _instance: bytes) -> _Own:
    return _Own()


def _own_kubelet(cluster: ClusterFacts, config: bytes, instance: bytes) -> _Own:
    """The same of the cluster's and that on a machine, which has some of its own."""
    held, own = _read(config), _read(instance)
    if held is None or not cluster.kubelet:
        return _Own()
    local = {*(own or ()), "containerRuntimeEndpoint"}
    if _follows_machine(cluster) or held.get("resolvConf") == _FALLBACK:
        local.add("resolvConf")
    wanted, has = ({name: each[name] for name in each if name not in local} for each in (cluster.kubelet, held))
    fields = _other_fields(kubelets.KIND, wanted, has, _completing(cluster))
    without = tuple(name for name in fields if has.get(name) is None)
    return _Own(without, tuple(name for name in fields if name not in without))


def _completing(cluster: ClusterFacts) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    stored = _as_stored(cluster)
    return lambda document: kubelets.kubelet_configuration(stored, document, _silent)


def _kube_proxy(configuration: Configuration, cluster: ClusterFacts) -> list[str]:
    if not configuration.kube_proxy or not cluster.kube_proxy:
        return []
    # The address that it listens on follows from the control plane that it was made on.
    wanted = {"bindAddress": cluster.kube_proxy.get("bindAddress"), **configuration.kube_proxy}
    stored = replace(configuration, cluster=_as_stored(cluster))

    def complete(document: Mapping[str, Any]) -> Mapping[str, Any]:
        return proxies.kube_proxy_configuration(replace(stored, kube_proxy=document), _silent)

    return _other_fields(proxies.KIND, wanted, cluster.kube_proxy, complete)


def _as_stored(cluster: ClusterFacts) -> ClusterConfiguration:
    """Of what completes other documents: in a cluster that runs it stays as it is."""
    plain, networking = ClusterConfiguration(), cluster.stored.get("networking") or {}
    return replace(
        plain,
        certificates_dir=str(cluster.stored.get("certificatesDir") or plain.certificates_dir),
        networking=replace(
            plain.networking,
            service_subnet=str(networking.get("serviceSubnet") or plain.networking.service_subnet),
            pod_subnet=str(networking.get("podSubnet") or ""),
            dns_domain=str(networking.get("dnsDomain") or plain.networking.dns_domain),
        ),
    )


def _other_fields(
    kind: str, wanted: Mapping[str, Any], held: Mapping[str, Any], complete: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> list[str]:
    """What somebody made of the one that is held need not be one at all: then it differs wherever it is written otherwise."""
    if not any(not misfit.unknown for misfit in misfits(kind, held)):
        wanted, held = complete(wanted), complete(held)
    return [name for name in sorted({*wanted, *held}) if wanted.get(name) != held.get(name)]


def _flags(host: Host, node: NodeFacts) -> list[str]:
    """The flags of the file that the machine has otherwise; there may be others besides."""
    from pykubeadm.phases.kubelet.flags import flag_name, parsed_flags

    try:
        words = parsed_flags(node.kubelet_files.get(KUBELET_FLAGS_ENV, b""))
    except PhaseError:  # then it has none of them
        words = []
    wanted: dict[str, list[str]] = {}
    for argument in host.kubelet_extra_args:
        wanted.setdefault(argument.name, []).append(argument.value)
    held: dict[str, list[str]] = {}
    for word in words:
        held.setdefault(flag_name(word), []).append(word.partition("=")[2] if "=" in word else "true")
    return [f"--{name}" for name, each in wanted.items() if sorted(each) != sorted(held.get(name, []))]


def _read(content: bytes) -> Mapping[str, Any] | None:
    """None for what is not there or damaged: other commands say so."""
    try:
        return load_section(content).data if content else None
    except DocumentError:
        return None


def _silent(_level: str, _message: str) -> None:
    """What is to be warned of, the command that changes it says."""
