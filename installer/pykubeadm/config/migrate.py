"""kubeadm.k8s.io/v1beta3 → v1beta4, with positions that keep pointing into the user's file (kubeadm: apis/kubeadm/v1beta3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pykubeadm.config.decode import describe
from pykubeadm.config.model import API_VERSION
from pykubeadm.config.source import Document, Path
from pykubeadm.errors import Problem
from pykubeadm.util.duration import format_duration, parse_duration

OLD_API_VERSION = "kubeadm.k8s.io/v1beta3"

# Where v1beta3 has a map of arguments and v1beta4 a list of {name, value}.
_ARGUMENTS: dict[str, tuple[Path, ...]] = {
    "ClusterConfiguration": (
        ("apiServer", "extraArgs"),
        ("controllerManager", "extraArgs"),
        ("scheduler", "extraArgs"),
        ("etcd", "local", "extraArgs"),
    ),
    "InitConfiguration": (("nodeRegistration", "kubeletExtraArgs"),),
    "JoinConfiguration": (("nodeRegistration", "kubeletExtraArgs"),),
}
# Fields that came with v1beta4.
_NEW: dict[str, tuple[Path, ...]] = {
    "ClusterConfiguration": (
        ("proxy",),
        ("encryptionAlgorithm",),
        ("certificateValidityPeriod",),
        ("caCertificateValidityPeriod",),
        ("dns", "disabled"),
        ("apiServer", "extraEnvs"),
        ("controllerManager", "extraEnvs"),
        ("scheduler", "extraEnvs"),
        ("etcd", "local", "extraEnvs"),
        ("etcd", "external", "httpEndpoints"),
    ),
    "InitConfiguration": (("dryRun",), ("timeouts",), ("nodeRegistration", "imagePullSerial")),
    "JoinConfiguration": (("dryRun",), ("timeouts",), ("nodeRegistration", "imagePullSerial")),
}
CONTROL_PLANE_TIMEOUT: Path = (
    "apiServer",
    "timeoutForControlPlane",
)  # of the ClusterConfiguration; v1beta4 has it in init's timeouts
DISCOVERY_TIMEOUT: Path = ("discovery", "timeout")
_SAYS_NOTHING = ("0s", "4m0s")  # kubeadm: util/config/initconfiguration.go, DocMapToInitConfiguration


def migrated(document: Document, problems: list[Problem]) -> tuple[Document, str]:
    """The document in v1beta4's shape, and the duration text of a v1beta3 ClusterConfiguration's timeoutForControlPlane: "" where
    it says nothing, by 0s or by the default, to what an InitConfiguration says. Adds to `problems` what v1beta3 does not have."""
    data = _copy(document.data)
    moved: dict[Path, Path] = {}
    for path in _NEW[document.kind]:
        if path in document.keys:
            problems.append(
                document.key_problem(path, f"there is no such field in {OLD_API_VERSION}; it came with {API_VERSION}")
            )
            _pop(data, path)
    for path in _ARGUMENTS[document.kind]:
        _arguments(document, data, path, moved, problems)
    timeout = ""
    if document.kind == "ClusterConfiguration":
        timeout = _duration(document, _pop(data, CONTROL_PLANE_TIMEOUT), CONTROL_PLANE_TIMEOUT, problems)
        timeout = "" if timeout in _SAYS_NOTHING else timeout
    if document.kind == "JoinConfiguration":
        discovery = _duration(document, _pop(data, DISCOVERY_TIMEOUT), DISCOVERY_TIMEOUT, problems)
        if discovery:
            data["timeouts"] = {"discovery": discovery}
            moved["timeouts", "discovery"] = DISCOVERY_TIMEOUT
    data["apiVersion"] = API_VERSION
    return Document(document.source, API_VERSION, document.kind, data, document.positions, document.keys, moved), timeout


def _arguments(document: Document, data: dict[str, Any], path: Path, moved: dict[Path, Path], problems: list[Problem]) -> None:
    arguments = _get(data, path)
    if arguments is None:
        return
    parent = _get(data, path[:-1])
    if not isinstance(arguments, dict):
        wanted = f"must be a mapping of names to values in {OLD_API_VERSION}, not {describe(arguments)}"
        problems.append(document.problem(path, wanted))
        parent.pop(path[-1])
        return
    parent[path[-1]] = [{"name": name, "value": value if value is not None else ""} for name, value in sorted(arguments.items())]
    for index, name in enumerate(sorted(arguments)):
        moved[(*path, index)] = moved[(*path, index, "name")] = moved[(*path, index, "value")] = (*path, name)


def _duration(document: Document, value: Any, path: Path, problems: list[Problem]) -> str:
    if value is None:
        return ""
    try:
        if isinstance(value, str):
            duration = parse_duration(value)
            if duration >= timedelta():
                return format_duration(duration)
            sentence = "cannot be negative"
        else:
            sentence = f'must be a duration in quotes such as "5m0s", not {describe(value)}'
    except ValueError as error:
        sentence = str(error)
    problems.append(document.problem(path, sentence))
    return ""


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def _get(data: Any, path: Path) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _pop(data: Any, path: Path) -> Any:
    parent = _get(data, path[:-1])
    return parent.pop(path[-1], None) if isinstance(parent, dict) else None
