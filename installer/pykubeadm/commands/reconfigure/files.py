"""The files that the control plane's components are to read: on this node, and in reach of their containers.

Every control plane reads its own; they are put there by whoever runs `reconfigure`, before.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command
from pykubeadm.phases.preflight.check import Check, Findings
from pykubeadm.phases.replacing.components import components
from pykubeadm.phases.replacing.pods_before import looking
from pykubeadm.phases.static_pods.present import arguments

# Flags that name a file which has to be there when the component starts (Kubernetes: its options; those of kubeadm are left out).
_FLAGS: Final = {
    "kube-apiserver": (
        "admission-control-config-file",
        "audit-policy-file",
        "audit-webhook-config-file",
        "authentication-config",
        "authentication-token-webhook-config-file",
        "authorization-config",
        "authorization-policy-file",
        "authorization-webhook-config-file",
        "egress-selector-config-file",
        "encryption-provider-config",
        "oidc-ca-file",
        "token-auth-file",
        "tracing-config-file",
    ),
    "kube-scheduler": ("config",),
}
# The API server reads these again when they change (Kubernetes: structured authentication and authorization configuration).
_READ_AGAIN: Final = ("authentication-config", "authorization-config")
_KINDS: Final = {"File": "file", "Directory": "directory", "Socket": "socket"}


def file_checks(run: ReconfigureRun) -> tuple[Check, ...]:
    return (
        Check("ControlPlaneFiles", lambda _machine: Findings(errors=tuple(_missing(run)))),
        Check("ChangedFiles", lambda _machine: Findings(warnings=tuple(_changed(run)))),
    )


def host_path(pod: Mapping[str, Any], path: str) -> str | None:
    """Where on the node the file lies that the pod's container sees at `path`; None where no volume has it, or the path is not
    absolute."""
    if not path.startswith("/"):
        return None
    spec = pod["spec"]
    sources = {each["name"]: (each.get("hostPath") or {}).get("path") for each in spec.get("volumes") or ()}
    mounts = [each for each in spec["containers"][0].get("volumeMounts") or () if _is_below(path, each["mountPath"])]
    mount = max(mounts, key=lambda each: len(each["mountPath"]), default=None)
    source = sources.get(mount["name"]) if mount else None
    if mount is None or not source:
        return None
    return posixpath.normpath(posixpath.join(source, posixpath.relpath(path, mount["mountPath"])))


def _is_below(path: str, place: str) -> bool:
    return posixpath.commonpath([path, place]) == posixpath.normpath(place)


def _missing(run: ReconfigureRun) -> Iterator[str]:
    cluster = run.configuration.cluster
    for field, component in (
        ("apiServer", cluster.api_server),
        ("controllerManager", cluster.controller_manager),
        ("scheduler", cluster.scheduler),
    ):
        for volume in component.extra_volumes:
            if volume.path_type.endswith("OrCreate"):
                continue
            stat = run.node.stat(volume.host_path)
            kind = _KINDS.get(volume.path_type)
            what = f"{volume.host_path} of {field}.extraVolumes"
            if stat is None:
                yield f"{what} does not exist on this node: put it there, and on every other control plane"
            elif kind and stat.kind not in (kind, "link"):
                yield f"{what} is not a {kind} on this node, which pathType: {volume.path_type} requires"
    for component_now in components(looking(run)):
        flags = arguments(component_now.wanted)
        for name in _FLAGS.get(component_now.name, ()):
            path = flags.get(name, "")
            if path:
                yield from _flag(run, component_now.wanted, f"{component_now.name}'s --{name}={path}", path)


def _changed(run: ReconfigureRun) -> Iterator[str]:
    """Files that their component has read as they were: it goes on with that, and could not be put back to it."""
    for component in components(looking(run)):
        flags = arguments(component.former)
        paths = {
            name: host_path(component.former, flags[name])
            for name in _FLAGS.get(component.name, ())
            if name in flags and not _is_read_again(name, flags)
        }
        started = _started(run, component.name) if paths else None
        for name, path in paths.items():
            if path and started is not None and (changed := _changed_at(run, path)) is not None and changed > started:
                yield (
                    f"{path} has changed since {component.name} started, which reads its --{name} only then: give a changed file "
                    "a new name, and name that in the configuration; so it is read, and what was before can be put back"
                )


def _is_read_again(name: str, flags: Mapping[str, str]) -> bool:
    return name in _READ_AGAIN or flags.get(f"{name}-automatic-reload") == "true"


def _started(run: ReconfigureRun, component: str) -> float | None:
    """In seconds since the epoch; None where that is not known."""
    from pykubeadm.node.cri import Cri
    from pykubeadm.node.diagnose import newest_container

    try:
        containers = Cri(run.node, run.configuration.this_node.node_registration.cri_socket).containers()
    except NodeError:
        return None
    found = newest_container(containers, component)
    return found.created / 1e9 if found and found.created else None


def _changed_at(run: ReconfigureRun, path: str) -> float | None:
    """When content or owner changed last: other than the time of the content, tools that copy do not set that."""
    done = run.node.run(Command.look_up(("stat", "--dereference", "--format=%Z", path), "ask when a file changed"))
    return float(done.stdout) if done.status == 0 and done.stdout.strip().isdecimal() else None


def _flag(run: ReconfigureRun, pod: Mapping[str, Any], what: str, path: str) -> Iterator[str]:
    place = host_path(pod, path)
    if place is None:
        yield f"{what} is in no volume of its pod, so that it would not find it: name the file in extraVolumes"
    elif run.node.stat(place) is None:
        yield f"{what} does not exist on this node ({place}): put it there, and on every other control plane"
