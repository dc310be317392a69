"""Ansible inventories: one read as the hosts of a cluster, and the one with which the node roles run on a cluster's hosts."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

from pykubeadm.ansible.argument_specs import role_options
from pykubeadm.config.decode import decode, describe, unknown_field
from pykubeadm.config.fleet import (
    CONTROL_PLANE,
    ETCD,
    LOAD_BALANCER,
    WORKER,
    Cluster,
    Host,
    HostVariable,
    LoadBalancer,
    Network,
    Ssh,
)
from pykubeadm.config.model import field_alias
from pykubeadm.config.report import Report
from pykubeadm.config.source import Document, Path
from pykubeadm.config.validate_variables import check_value
from pykubeadm.errors import ConfigError, Problem, UsageError
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent

POD_CIDRS = "cni_pod_cidrs"
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
GROUPS = {CONTROL_PLANE: "control_planes", WORKER: "workers", LOAD_BALANCER: "load_balancers", ETCD: "etcd"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """What inventories say. By host: `ssh_options` are those of ssh_config(5), `sudo_passwords` what an inventory holds."""

    cluster: Cluster
    kubernetes_version: str  # "" where the inventory does not say, as typed
    pod_subnet: str  # "" where it does not say
    ssh_options: Mapping[str, Sequence[str]]
    sudo_passwords: Mapping[str, str] = field(repr=False)


def read_inventories(paths: Sequence[str], left: float | None = None) -> Inventory:
    """What the inventories say of their hosts, as Ansible itself reads them; `left` are the seconds until it has to be through.
    UsageError where they cannot be a cluster's, ConfigError with all that is wrong with files and with hosts' own variables,
    NodeError with Ansible's words on others."""
    found = _hostvars(paths, left)
    others = [name for name, said in found.items() if said["connection"] not in ("ssh", "smart", "paramiko", "paramiko_ssh")]
    if others:
        raise UsageError(f"--inventory: {', '.join(others)} {'is' if len(others) == 1 else 'are'} not reached by ssh")
    parts = parts_of(found)
    arguments = {name: _options(str(said["ssh_args"]), name) for name, said in found.items()}
    options = {name: given for name, (given, _config_file) in arguments.items()}
    problems: list[Problem] = []
    own = {name: _own(name, said["host"], problems) for name, said in found.items()}
    network = _network(found)
    pods = _pod_cidrs(found, problems) if network.plugin != "none" else ""
    balancer = _load_balancer((said for name, said in found.items() if LOAD_BALANCER in parts[name]), problems)
    named = {problem.path for problem in problems}
    problems += [problem for problem in _wrong_variables(found) if problem.path not in named]
    if problems:
        raise ConfigError(problems)
    if nothing := [name for name in found if not parts[name] and own[name].state != "absent"]:
        raise UsageError(
            f"--inventory: no part in the cluster is known of {', '.join(nothing)}; put every host into one of the groups "
            f"{', '.join(GROUPS.values())}, or give an inventory without other machines"
        )
    hosts = tuple(_host(name, said, parts[name], arguments[name], own[name]) for name, said in found.items())
    versions = {str(said["kubelet_version"]) for said in found.values()} - {""}
    if len(versions) > 1:
        raise UsageError(f"--inventory: kubelet_version is {' and '.join(sorted(versions))}; a cluster has one version")
    cluster = Cluster(hosts=hosts, network=network, load_balancer=balancer, runtime=_runtime(found))
    passwords = {name: str(said["become_password"]) for name, said in found.items() if said["become_password"]}
    return Inventory(cluster, "".join(versions), pods, options, passwords)


def _hostvars(paths: Sequence[str], left: float | None = None) -> Mapping[str, Mapping[str, Any]]:
    from pykubeadm.ansible.inventory_errors import UnreadInventoryError
    from pykubeadm.ansible.playbook import READING_WITHIN, run_playbook
    from pykubeadm.ansible.results import TaskEnded
    from pykubeadm.ansible.workspace import workspace

    found: dict[str, dict[str, Any]] = {}

    def report(event: PlaybookEvent) -> None:
        if isinstance(event, TaskEnded) and event.facts:
            found.setdefault(event.host, {}).update(event.facts)

    within = READING_WITHIN if left is None else min(left, READING_WITHIN)
    with workspace({}, tuple(os.path.abspath(path) for path in paths)) as space:
        try:
            run_playbook(space, "inventory", report, forks=1, reading_within=within)
        except UnreadInventoryError as error:
            raise ConfigError(error.problems) from error
    return found


def parts_of(found: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Each host's parts: by the groups control_planes, workers, load_balancers and etcd, else by firewall_part; () for a host of
    which neither says anything. Where nothing is said of any, and there are no other groups either, the first host is a control
    plane and the others are workers; a machine that is alone is both."""
    parts = {name: tuple(part for part, group in GROUPS.items() if group in said["groups"]) for name, said in found.items()}
    for name, said in found.items():
        if not parts[name] and str(said["firewall_part"]) in GROUPS:
            parts[name] = (str(said["firewall_part"]),)
    if not any(parts.values()) and all(set(said["groups"]) <= {"ungrouped"} for said in found.values()):
        parts = {name: (WORKER,) if at else (CONTROL_PLANE,) for at, name in enumerate(parts)}
    if list(parts.values()) == [(CONTROL_PLANE,)]:
        parts = dict.fromkeys(parts, (CONTROL_PLANE, WORKER))
    return parts


def _own(name: str, value: Any, problems: list[Problem]) -> HostVariable:
    """What the variable of a host says, with the names of cluster.yaml, or these in Ansible's spelling; `problems` gets what is
    wrong with it."""
    source, variable = f"--inventory: {name}", "pykubeadm_host"
    if not isinstance(value, Mapping):
        problems.append(Problem(source, 0, 0, variable, f"must be a mapping, not {describe(value)}"))
        return HostVariable()
    names = [of.name for of in fields(HostVariable)]
    aliases = {spelling: field_alias(of) for of in names for spelling in (of, field_alias(of))}
    known = {key: value for key, value in value.items() if key in aliases}
    problems += [
        Problem(source, 0, 0, f"{variable}.{of}", f"{field_alias(of)} is given, too, which is the same")
        for of in names
        if of != field_alias(of) and {of, field_alias(of)} <= known.keys()
    ]
    problems += [
        Problem(source, 0, 0, f"{variable}.{key}", unknown_field(str(key), list(aliases))) for key in value if key not in aliases
    ]
    moved: dict[Path, Path] = {(alias,): (variable, key) for key, alias in aliases.items() if key in known}
    data = {aliases[key]: item for key, item in known.items()}
    found, wrong, _broken = decode(HostVariable, Document(source, "", "", data, {(): (0, 0)}, moved=moved))
    problems += wrong
    return found


def _host(
    name: str, said: Mapping[str, Any], parts: tuple[str, ...], arguments: tuple[Sequence[str], str], own: HostVariable
) -> Host:
    options, config_file = arguments
    jump = next((option.split("=", 1)[1] for option in options if option.lower().startswith("proxyjump=")), "")
    ssh = Ssh(
        user=str(said["user"]),
        port=int(said["port"]),
        identity_file=str(said["identity_file"]),
        proxy_jump=jump,
        config_file=config_file,
    )
    return Host(
        name=name,
        address=str(said["address"]),
        internal_address=own.internal_address,
        parts=parts,
        state=own.state,
        ssh=ssh,
        labels=own.labels,
        taints=own.taints,
        kubelet_extra_args=own.kubelet_extra_args,
        ignore_preflight_errors=own.ignore_preflight_errors,
        variables=_roles_variables(said),
    )


def _roles_variables(said: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the node roles; None where the value is not known before the machine is asked. The version is the cluster's."""
    values: Mapping[str, Any] = said.get("variables") or {}
    return {str(name): values.get(name) for name in said["names"] if name != "kubelet_version"}


def _wrong_variables(found: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """What is wrong with variables of the node roles, once for all hosts of which it is; Ansible does not say where in the
    inventories they stand. A name that no role has may be of roles of the user's."""
    hosts: dict[Problem, list[str]] = {}
    for name, said in found.items():
        problems: list[Problem] = []
        for variable, value in _roles_variables(said).items():
            spec = role_options(variable).get(variable)
            if spec and value is not None:
                check_value(value, spec, (variable,), Report(problems, note=lambda _note: None))
        for problem in problems:
            hosts.setdefault(problem, []).append(name)
    return [
        problem._replace(source="--inventory" if len(names) == len(found) else f"--inventory: {', '.join(names)}")
        for problem, names in hosts.items()
    ]


def _network(found: Mapping[str, Mapping[str, Any]]) -> Network:
    """A bridge is the role's own business where the inventory says which addresses the pods of a node have."""
    for said in found.values():
        own_bridge = said["network"] == "bridge" and POD_CIDRS in said["names"]
        if said["network"] != "none" and not own_bridge:
            return Network(plugin=str(said["network"]), manifest=str(said["manifest"]))
    return Network()


def _runtime(found: Mapping[str, Mapping[str, Any]]) -> str:
    runtimes = sorted({str(said["runtime"]) for said in found.values()} - {"", "none"})
    if len(runtimes) > 1:
        raise UsageError(f"--inventory: prepare_runtime is {' and '.join(runtimes)}; a cluster has one runtime")
    return "".join(runtimes) or Cluster().runtime


def _pod_cidrs(found: Mapping[str, Mapping[str, Any]], problems: list[Problem]) -> str:
    """As podSubnet has them. The role goes through a list; of a text it would take each character."""
    cidrs: Any = next((said["pod_cidrs"] for said in found.values() if said["pod_cidrs"]), [])
    if isinstance(cidrs, list):
        return ",".join(map(str, cidrs))
    sentence = f'must be a list such as ["10.244.0.0/16"], not {describe(cidrs)}'
    problems.append(Problem("--inventory", 0, 0, "cni_cluster_cidrs", sentence))
    return ""


def _load_balancer(balancers: Iterable[Mapping[str, Any]], problems: list[Problem]) -> LoadBalancer:
    """As the first host says that is one."""
    for said in balancers:
        return LoadBalancer(
            address=str(said["load_balancer_address"]),
            port=_number(said, "load_balancer_port", problems),
            interface=str(said["load_balancer_interface"]),
            prefix=_number(said, "load_balancer_prefix", problems) or None,
        )
    return LoadBalancer()


def _number(said: Mapping[str, Any], name: str, problems: list[Problem]) -> int:
    """Also in quotes, as values of INI may be."""
    if not _NUMBER.fullmatch(str(said[name])):
        problems.append(Problem("--inventory", 0, 0, name, f"must be a whole number, not {describe(said[name])}"))
        return 0
    return int(said[name])


def _options(arguments: str, name: str) -> tuple[list[str], str]:
    """The -o and -J of ansible_ssh_common_args and ansible_ssh_extra_args, as name=value, and the file of -F, "" for none."""
    try:
        words = iter(shlex.split(arguments))
    except ValueError as error:
        raise UsageError(f"--inventory: the ssh arguments of {name} cannot be read: {error}") from error
    options, config_file = [], ""
    for word in words:
        flag, value = word[:2], word[2:] or next(words, "")
        if flag == "-o" and "=" in value:
            options.append(value)
        elif flag == "-J" and value:
            options.append(f"ProxyJump={value}")
        elif flag == "-F" and value:
            config_file = value
        else:
            sentence = f"of the ssh arguments of {name} only -o NAME=VALUE, -J and -F are understood, not {word}"
            raise UsageError(f"--inventory: {sentence}")
    return options, config_file


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
