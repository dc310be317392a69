"""The kubelet's configuration and flags (kubeadm: componentconfigs/kubelet.go, phases/kubelet/{config,flags}.go)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from posixpath import normpath
from typing import Any, Final

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Arg, ClusterConfiguration, NodeRegistration, Taint
from pykubeadm.constants import FALSE, KUBELET_HEALTHZ_PORT, MANIFESTS_DIR
from pykubeadm.manifests.arguments import command_line, last_value
from pykubeadm.util.api_types import canonical
from pykubeadm.util.ip import address_in
from pykubeadm.util.kube_object import KubeObject

Note = Callable[[str, str], None]  # level, message

API_VERSION = "kubelet.config.k8s.io/v1beta1"
KIND = "KubeletConfiguration"

RESOLVED: Final = "/run/systemd/resolve/resolv.conf"  # systemd-resolved.service(8): the name servers that it asks
_DNS_INDEX = 10


def kubelet_configuration(cluster: ClusterConfiguration, user: Mapping[str, Any], note: Note) -> KubeObject:
    """The cluster's KubeletConfiguration: the user's document, completed with what kubeadm sets where it says nothing.

    Values of the user's stay, but for rotateCertificates, which is always true; `note` hears of those that kubeadm warns about.
    """
    document: KubeObject = canonical(KIND, user) | {"apiVersion": API_VERSION, "kind": KIND}
    for path, recommended in _recommended(cluster).items():
        *parents, name = path.split(".")
        parent = document
        for key in parents:
            parent = parent[key]
        given = parent.get(name, [] if name == "clusterDNS" and user.get(name) is not None else None)
        if given is None or given == "":
            parent[name] = recommended
        elif given != recommended:
            note("warning", _differs(path, recommended, given))
    if document.get("readOnlyPort"):
        note("warning", _differs("readOnlyPort", 0, document["readOnlyPort"]))
    document["rotateCertificates"] = True
    document.setdefault("cgroupDriver", "systemd")
    return document


def for_node(document: Mapping[str, Any], host: HostFacts, note: Note) -> KubeObject:
    """The configuration with what depends on the machine: pods need the real name servers, not systemd-resolved's stub."""
    if not host.resolved_active:
        return dict(document)
    given = document.get("resolvConf")
    if given is not None and given != RESOLVED:
        note("warning", _differs("resolvConf", RESOLVED, given))
    return {"resolvConf": RESOLVED, **document}


def instance_configuration(registration: NodeRegistration) -> KubeObject:
    """What holds on this machine only; it is merged over the cluster's configuration on every change of that."""
    return {"containerRuntimeEndpoint": registration.cri_socket}


def instance_text(instance: Mapping[str, object]) -> str:
    """The content of instance-config.yaml, with values in quotes as kubeadm has them (phases/kubelet/config.go): so neither tool
    finds a file of the other's that differs from its own."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in instance.items())


def kubelet_flags(registration: NodeRegistration, host: HostFacts, *, register_with_taints: bool) -> str:
    """The content of kubeadm-flags.env. `register_with_taints` is for nodes that join; the first
    one's are set through the API later."""
    flags = {}
    if register_with_taints and registration.taints:
        flags["register-with-taints"] = ",".join(_taint(taint) for taint in registration.taints)
    own = host.hostname.strip().lower()  # the name that the kubelet takes by itself (k8s.io/component-helpers/node/util)
    name = kubelet_name(registration) or own
    if name != own:
        flags["hostname-override"] = name
    return flags_environment(command_line(flags, registration.kubelet_extra_args))


def flags_environment(words: Sequence[str]) -> str:
    """The content of kubeadm-flags.env with these flags."""
    return f"KUBELET_KUBEADM_ARGS={_quoted(' '.join(words))}\n"


def kubelet_name(registration: NodeRegistration) -> str:
    """The name under which the kubelet registers: what its own flag says goes before the node's name."""
    return last_value(registration.kubelet_extra_args, "hostname-override") or registration.name


def starts_with_swap(kubelet: Mapping[str, Any], arguments: Sequence[Arg]) -> bool:
    """Whether the kubelet starts where swap is on. Its flag goes before its configuration, and of flags the last one."""
    flag = last_value(arguments, "fail-swap-on")
    return kubelet.get("failSwapOn") is False if flag is None else flag in FALSE


def _recommended(cluster: ClusterConfiguration) -> dict[str, Any]:
    return {
        "staticPodPath": MANIFESTS_DIR,
        "clusterDNS": [address_in(cluster.networking.service_subnet, _DNS_INDEX)],
        "clusterDomain": cluster.networking.dns_domain,
        "authentication.x509.clientCAFile": f"{normpath(cluster.certificates_dir)}/ca.crt",
        "authentication.anonymous.enabled": False,
        "authorization.mode": "Webhook",
        "authentication.webhook.enabled": True,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTHZ_PORT,
    }


def _differs(path: str, recommended: object, given: object) -> str:
    return f"{KIND}: {path} is {_shown(given)}; recommended is {_shown(recommended)}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _taint(taint: Taint) -> str:
    key = f"{taint.key}={taint.value}" if taint.value else taint.key
    return f"{key}:{taint.effect}" if taint.effect else key


def _quoted(text: str) -> str:
    """`text` in double quotes, for systemd's EnvironmentFile."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
