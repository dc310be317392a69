"""What the CIS Kubernetes Benchmark 1.11 asks of the files and flags that a control plane and its nodes have.

A control that does not hold by default has the reason why, and how to have it hold; one that does not hold although it should is
a warning. Rights and workloads (section 5), and what only people can judge, are in docs/reference/cis-benchmark.md alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from pykubeadm.commands.doctor.here import Here
from pykubeadm.constants import KUBELET_CONFIG, KUBERNETES_DIR, MANIFESTS_DIR
from pykubeadm.util.dataclass import dataclass

# Whether a control holds; None where what it is about is not there.
Judge = Callable[[Here], bool | None]
_API, _MANAGER, _SCHEDULER, _ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
_ROLE: Final = "the role pykubeadm.kube.hardening sets it"


@dataclass(frozen=True, slots=True)
class Control:
    """`number` is the benchmark's; `why` is why it does not hold by default, "" where it has to; `remedy` has it hold."""

    number: str
    asks: str
    judge: Judge
    remedy: str
    why: str = ""


def _modes(paths: Callable[[Here], Iterator[str]], most: int, here: Here) -> bool | None:
    """No file has more permissions than `most`."""
    found = [stat for path in paths(here) if (stat := here.node.stat(path)) is not None and stat.kind != "link"]
    return all(stat.mode & 0o777 & ~most == 0 for stat in found) if found else None


def _owned(paths: Callable[[Here], Iterator[str]], here: Here) -> bool | None:
    found = [stat for path in paths(here) if (stat := here.node.stat(path)) is not None]
    return all(stat.uid == stat.gid == 0 for stat in found) if found else None


def _these(*paths: str) -> Callable[[Here], Iterator[str]]:
    return lambda _here: iter(paths)


def _below(directory: Callable[[Here], str], *ends: str) -> Callable[[Here], Iterator[str]]:
    """The files in a directory and the one below it."""

    def paths(here: Here) -> Iterator[str]:
        for name in here.node.list_dir(directory(here)):
            path = posixpath.join(directory(here), name)
            if (stat := here.node.stat(path)) is not None and stat.kind == "directory":
                yield from (posixpath.join(path, each) for each in here.node.list_dir(path) if each.endswith(ends))
            elif name.endswith(ends):
                yield path

    return paths


def _etcd_data(here: Here) -> Iterator[str]:
    yield here.flags(_ETCD).get("data-dir") or "/var/lib/etcd"


def _flag(component: str, name: str, holds: Callable[[str | None], bool], here: Here) -> bool | None:
    """By a flag's value, None where it is not set."""
    flags = here.flags(component)
    return holds(flags.get(name)) if flags else None


def _is(component: str, name: str, wanted: str) -> Judge:
    return partial(_flag, component, name, lambda value: value == wanted)


def _set(component: str, *names: str) -> Judge:
    return lambda here: all(flags.get(name) for name in names) if (flags := here.flags(component)) else None


def _not(component: str, name: str, unwanted: str) -> Judge:
    """The flag's default is what is asked for."""
    return partial(_flag, component, name, lambda value: value != unwanted)


def _has(component: str, name: str, wanted: str) -> Judge:
    return partial(_flag, component, name, lambda value: wanted in (value or "").split(","))


def _has_not(component: str, name: str, unwanted: str) -> Judge:
    return partial(_flag, component, name, lambda value: unwanted not in (value or "").split(","))


def _kubelet(*path: str) -> Callable[[Here], Any]:
    """A field of the kubelet's configuration."""

    def value(here: Here) -> Any:
        found: Any = here.kubelet_config
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return value


def _field(*path: str, holds: Callable[[Any], bool]) -> Judge:
    value = _kubelet(*path)
    return lambda here: holds(value(here)) if here.kubelet_config else None


def _own_ca(here: Here) -> bool | None:
    etcd, api = here.flags(_ETCD).get("trusted-ca-file"), here.flags(_API).get("client-ca-file")
    return None if not etcd or not api else here.node.read(etcd) != here.node.read(api)


def _extra(component: str, flag: str) -> str:
    return f"{component}.extraArgs: {flag}"


def _certificates_dir(here: Here) -> str:
    return here.certificates_dir


def _client_ca(here: Here) -> Iterator[str]:
    yield _kubelet("authentication", "x509", "clientCAFile")(here) or f"{here.certificates_dir}/ca.crt"


_KEY_FILES, _CERTIFICATE_FILES = _below(_certificates_dir, ".key"), _below(_certificates_dir, ".crt", ".pub")
_CNI = _below(lambda _here: "/etc/cni/net.d", ".conf", ".conflist", ".json", "kubeconfig")
_UNITS = _these(
    "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "/etc/systemd/system/kubelet.service",
    "/usr/lib/systemd/system/kubelet.service",
)
_PROFILING: Final = "profiles are given to administrators only, and one finds out with them what is slow"
_CIPHERS: Final = "Go leaves out weak cipher suites by itself, and a list goes stale"
_AUDIT: Final = "an audit log needs a policy and room on the disk, which only its owner can judge"
_OPEN: Final = "kubeadm writes it with 644, and it holds no secret"


def _file_controls() -> Iterator[Control]:
    for number, component in enumerate((_API, _MANAGER, _SCHEDULER, _ETCD)):
        path = f"{MANIFESTS_DIR}/{component}.yaml"
        yield Control(f"1.1.{2 * number + 1}", f"{path} has mode 600", partial(_modes, _these(path), 0o600), f"chmod 600 {path}")
        yield Control(f"1.1.{2 * number + 2}", f"{path} is root's", partial(_owned, _these(path)), f"chown root:root {path}")
    yield Control("1.1.9", "files of CNI have mode 600", partial(_modes, _CNI, 0o600), _ROLE, "the network plugin writes them")
    yield Control("1.1.10", "files of CNI are root's", partial(_owned, _CNI), "chown -R root:root /etc/cni/net.d")
    yield Control("1.1.11", "etcd's data has mode 700", partial(_modes, _etcd_data, 0o700), "chmod 700 /var/lib/etcd")
    yield Control(
        "1.1.12",
        "etcd's data is the user etcd's",
        lambda here: None if (owned := _owned(_etcd_data, here)) is None else not owned,
        "the feature gate RootlessControlPlane",
        "etcd runs as root in its container, as with kubeadm",
    )
    for number, name in ((13, "admin"), (15, "scheduler"), (17, "controller-manager")):
        path = f"{KUBERNETES_DIR}/{name}.conf"
        yield Control(f"1.1.{number}", f"{path} has mode 600", partial(_modes, _these(path), 0o600), f"chmod 600 {path}")
        yield Control(f"1.1.{number + 1}", f"{path} is root's", partial(_owned, _these(path)), f"chown root:root {path}")
    every = _below(_certificates_dir, ".crt", ".key", ".pub")
    yield Control("1.1.19", "certificates and keys are root's", partial(_owned, every), "chown -R root:root")
    yield Control("1.1.20", "certificates have mode 644 at most", partial(_modes, _CERTIFICATE_FILES, 0o644), "chmod 644")
    yield Control("1.1.21", "keys have mode 600", partial(_modes, _KEY_FILES, 0o600), "chmod 600")


_OF_API: Final = (
    Control(
        "1.2.1",
        "anonymous requests are refused",
        _is(_API, "anonymous-auth", "false"),
        "an AuthenticationConfiguration that allows anonymous requests to the health endpoints alone",
        "probes of the health endpoints and the discovery of `join` are anonymous; RBAC allows nothing else",
    ),
    Control("1.2.2", "no file of tokens", partial(_flag, _API, "token-auth-file", lambda value: value is None), "remove it"),
    Control(
        "1.2.3",
        "Services may not name external IPs",
        _has(_API, "enable-admission-plugins", "DenyServiceExternalIPs"),
        _extra("apiServer", "enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs"),
        "bare-metal load balancers use them",
    ),
    Control(
        "1.2.4", "a client certificate for kubelets", _set(_API, "kubelet-client-certificate", "kubelet-client-key"), "init phase"
    ),
    Control(
        "1.2.5",
        "kubelets' certificates are verified",
        _set(_API, "kubelet-certificate-authority"),
        "serverTLSBootstrap: true, approved requests, and apiServer.extraArgs: kubelet-certificate-authority",
        "kubelets sign their serving certificates themselves unless serverTLSBootstrap is on",
    ),
    Control(
        "1.2.6", "not everything is allowed", _has_not(_API, "authorization-mode", "AlwaysAllow"), "authorization-mode=Node,RBAC"
    ),
    Control("1.2.7", "nodes are authorized as such", _has(_API, "authorization-mode", "Node"), "authorization-mode=Node,RBAC"),
    Control("1.2.8", "RBAC", _has(_API, "authorization-mode", "RBAC"), "authorization-mode=Node,RBAC"),
    Control(
        "1.2.9",
        "a limit for events",
        _has(_API, "enable-admission-plugins", "EventRateLimit"),
        _extra("apiServer", "enable-admission-plugins and admission-control-config-file"),
        "it is an alpha plugin, and its limits depend on the cluster's size",
    ),
    Control("1.2.10", "AlwaysAdmit is off", _has_not(_API, "enable-admission-plugins", "AlwaysAdmit"), "remove it"),
    Control(
        "1.2.11",
        "images are always pulled",
        _has(_API, "enable-admission-plugins", "AlwaysPullImages"),
        _extra("apiServer", "enable-admission-plugins=NodeRestriction,AlwaysPullImages"),
        "without the registry no pod would start, and air-gapped nodes would not work",
    ),
    Control("1.2.12", "ServiceAccount is on", _has_not(_API, "disable-admission-plugins", "ServiceAccount"), "remove it there"),
    Control(
        "1.2.13", "NamespaceLifecycle is on", _has_not(_API, "disable-admission-plugins", "NamespaceLifecycle"), "remove it there"
    ),
    Control("1.2.14", "NodeRestriction is on", _has(_API, "enable-admission-plugins", "NodeRestriction"), "add it there"),
    Control("1.2.15", "no profiling", _is(_API, "profiling", "false"), _extra("apiServer", "profiling=false"), _PROFILING),
    Control("1.2.16", "an audit log", _set(_API, "audit-log-path"), _ROLE, _AUDIT),
    Control("1.2.17", "kept for 30 days", _set(_API, "audit-log-maxage"), _extra("apiServer", "audit-log-maxage=30"), _AUDIT),
    Control(
        "1.2.18", "ten old files of it", _set(_API, "audit-log-maxbackup"), _extra("apiServer", "audit-log-maxbackup=10"), _AUDIT
    ),
    Control("1.2.19", "of 100 MB", _set(_API, "audit-log-maxsize"), _extra("apiServer", "audit-log-maxsize=100"), _AUDIT),
    Control("1.2.20", "requests have a timeout", _not(_API, "request-timeout", "0"), "remove it: the default is 60s"),
    Control("1.2.21", "tokens of deleted accounts end", _not(_API, "service-account-lookup", "false"), "remove it"),
    Control("1.2.22", "a key for tokens", _set(_API, "service-account-key-file"), "init phase control-plane apiserver"),
    Control(
        "1.2.23",
        "a client certificate for etcd",
        _set(_API, "etcd-certfile", "etcd-keyfile"),
        "init phase control-plane apiserver",
    ),
    Control(
        "1.2.24",
        "a serving certificate",
        _set(_API, "tls-cert-file", "tls-private-key-file"),
        "init phase control-plane apiserver",
    ),
    Control("1.2.25", "a CA for clients", _set(_API, "client-ca-file"), "init phase control-plane apiserver"),
    Control("1.2.26", "etcd's certificate is verified", _set(_API, "etcd-cafile"), "init phase control-plane apiserver"),
    Control(
        "1.2.27",
        "Secrets are encrypted in etcd",
        _set(_API, "encryption-provider-config"),
        _ROLE,
        "a key on the same disk as etcd helps little, and without it nothing can be read; its owner has to keep it",
    ),
    Control(
        "1.2.29", "strong ciphers are listed", _set(_API, "tls-cipher-suites"), _extra("apiServer", "tls-cipher-suites"), _CIPHERS
    ),
    Control(
        "1.2.30",
        "tokens of pods live as long as they say",
        _is(_API, "service-account-extend-token-expiration", "false"),
        _extra("apiServer", "service-account-extend-token-expiration=false"),
        "old clients that do not read their token again would fail after an hour",
    ),
)
_OF_OTHERS: Final = (
    Control(
        "1.3.1",
        "a bound for ended pods",
        _set(_MANAGER, "terminated-pod-gc-threshold"),
        _extra("controllerManager", "terminated-pod-gc-threshold=100"),
        "the default of 12500 is a bound, too",
    ),
    Control(
        "1.3.2", "no profiling", _is(_MANAGER, "profiling", "false"), _extra("controllerManager", "profiling=false"), _PROFILING
    ),
    Control("1.3.3", "each controller has its own account", _is(_MANAGER, "use-service-account-credentials", "true"), "set it"),
    Control("1.3.4", "a key for tokens", _set(_MANAGER, "service-account-private-key-file"), "set it"),
    Control("1.3.5", "pods get the cluster's CA", _set(_MANAGER, "root-ca-file"), "set it"),
    Control(
        "1.3.6",
        "kubelets' serving certificates rotate",
        _has_not(_MANAGER, "feature-gates", "RotateKubeletServerCertificate=false"),
        "remove it there",
    ),
    Control("1.3.7", "listens on the loopback interface", _is(_MANAGER, "bind-address", "127.0.0.1"), "remove it from extraArgs"),
    Control("1.4.1", "no profiling", _is(_SCHEDULER, "profiling", "false"), _extra("scheduler", "profiling=false"), _PROFILING),
    Control(
        "1.4.2", "listens on the loopback interface", _is(_SCHEDULER, "bind-address", "127.0.0.1"), "remove it from extraArgs"
    ),
    Control("2.1", "etcd serves with a certificate", _set(_ETCD, "cert-file", "key-file"), "init phase etcd local"),
    Control("2.2", "and asks its clients for one", _is(_ETCD, "client-cert-auth", "true"), "init phase etcd local"),
    Control("2.3", "not one that it made itself", _not(_ETCD, "auto-tls", "true"), "init phase etcd local"),
    Control("2.4", "members serve each other with one", _set(_ETCD, "peer-cert-file", "peer-key-file"), "init phase etcd local"),
    Control("2.5", "and ask each other for one", _is(_ETCD, "peer-client-cert-auth", "true"), "init phase etcd local"),
    Control("2.6", "not one that they made themselves", _not(_ETCD, "peer-auto-tls", "true"), "init phase etcd local"),
    Control("2.7", "etcd has a CA of its own", _own_ca, "init phase certs etcd-ca, in a new cluster"),
    Control("3.2.1", "an audit policy", _set(_API, "audit-policy-file"), _ROLE, _AUDIT),
)
_OF_KUBELET: Final = (
    Control(
        "4.1.1",
        "the kubelet's unit has mode 600",
        partial(_modes, _UNITS, 0o600),
        "chmod 600",
        "packages install it with 644, and it holds no secret",
    ),
    Control("4.1.2", "the kubelet's unit is root's", partial(_owned, _UNITS), "chown root:root"),
    Control("4.1.5", "kubelet.conf has mode 600", partial(_modes, _these(f"{KUBERNETES_DIR}/kubelet.conf"), 0o600), "chmod 600"),
    Control("4.1.6", "kubelet.conf is root's", partial(_owned, _these(f"{KUBERNETES_DIR}/kubelet.conf")), "chown root:root"),
    Control(
        "4.1.7",
        "the CA's certificate has mode 644 at most",
        partial(_modes, _client_ca, 0o644),
        "chmod 644",
    ),
    Control("4.1.8", "the CA's certificate is root's", partial(_owned, _client_ca), "chown root:root"),
    Control("4.1.9", "the kubelet's configuration has mode 600", partial(_modes, _these(KUBELET_CONFIG), 0o600), _ROLE, _OPEN),
    Control("4.1.10", "the kubelet's configuration is root's", partial(_owned, _these(KUBELET_CONFIG)), "chown root:root"),
    Control(
        "4.2.1",
        "anonymous requests are refused",
        _field("authentication", "anonymous", "enabled", holds=lambda value: value is False),
        "set it to false",
    ),
    Control(
        "4.2.2",
        "the API server is asked who may",
        _field("authorization", "mode", holds=lambda value: value == "Webhook"),
        "mode: Webhook",
    ),
    Control("4.2.3", "a CA for clients", _field("authentication", "x509", "clientCAFile", holds=bool), "set clientCAFile"),
    Control("4.2.4", "no port without authentication", _field("readOnlyPort", holds=lambda value: not value), "readOnlyPort: 0"),
    # 0s is what kubeadm writes for "the default", 4h (kubelet: config/v1beta1/defaults.go).
    Control(
        "4.2.5", "streams that idle end", _field("streamingConnectionIdleTimeout", holds=lambda value: value != 0), "remove it"
    ),
    Control(
        "4.2.6",
        "the kubelet makes its rules",
        _field("makeIPTablesUtilChains", holds=lambda value: value is not False),
        "remove it",
    ),
    Control(
        "4.2.8", "events are kept", _field("eventRecordQPS", holds=lambda value: value is None or int(value) >= 0), "remove it"
    ),
    Control(
        "4.2.9",
        "a serving certificate of the cluster's CA",
        lambda here: (
            bool(here.kubelet_config.get("serverTLSBootstrap") or here.kubelet_config.get("tlsCertFile"))
            if here.kubelet_config
            else None
        ),
        "serverTLSBootstrap: true in the KubeletConfiguration",
        "somebody has to approve the requests: with serverTLSBootstrap pykubeadm's service does",
    ),
    Control(
        "4.2.10",
        "client certificates rotate",
        _field("rotateCertificates", holds=lambda value: value is not False),
        "rotateCertificates: true",
    ),
    Control(
        "4.2.11",
        "serving certificates may rotate",
        _field("featureGates", "RotateKubeletServerCertificate", holds=lambda value: value is not False),
        "remove it",
    ),
    Control("4.2.12", "strong ciphers are listed", _field("tlsCipherSuites", holds=bool), "tlsCipherSuites", _CIPHERS),
    Control(
        "4.2.13",
        "pods have a limit of processes",
        _field("podPidsLimit", holds=lambda value: value is not None and int(value) > 0),
        "podPidsLimit: 4096 in the KubeletConfiguration",
        "which number fits depends on the workloads",
    ),
    Control(
        "4.2.14",
        "the runtime's seccomp profile by default",
        _field("seccompDefault", holds=lambda value: value is True),
        "seccompDefault: true in the KubeletConfiguration",
        "workloads that need other system calls would fail",
    ),
)

CONTROLS: Final[tuple[Control, ...]] = (*_file_controls(), *_OF_API, *_OF_OTHERS, *_OF_KUBELET)
