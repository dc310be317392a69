"""Ansible inventories: one read as the hosts of a cluster, and the one with which the node roles run on a cluster's hosts."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, LOAD_BALANCER, WORKER, Cluster, Host, LoadBalancer, Network, Ssh
from pykubeadm.errors import UsageError
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent

GROUPS = {CONTROL_PLANE: "control_planes", WORKER: "workers", LOAD_BALANCER: "load_balancers", ETCD: "etcd"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """What inventories say. By host: `ssh_options` are those of ssh_config(5), `sudo_passwords` what an inventory holds."""

    cluster: Cluster
    kubernetes_version: str  # "" where the inventory does not say
    ssh_options: Mapping[str, Sequence[str]]
    sudo_passwords: Mapping[str, str] = field(repr=False)


def read_inventories(paths: Sequence[str]) -> Inventory:
    """What the inventories say of their hosts, as Ansible itself reads them. UsageError where they cannot be a cluster's,
    NodeError with Ansible's own words where it cannot read them."""
    found = _hostvars(paths)
    others = [name for name, said in found.items() if said["connection"] not in ("ssh", "smart", "paramiko", "paramiko_ssh")]
    if others:
        raise UsageError(f"--inventory: {', '.join(others)} {'is' if len(others) == 1 else 'are'} not reached by ssh")
    parts = parts_of(found)
    options = {name: _options(str(said["ssh_args"]), name) for name, said in found.items()}
    hosts = tuple(_host(name, said, parts[name], options[name]) for name, said in found.items())
    versions = {str(said["kubelet_version"]) for said in found.values()} - {""}
    if len(versions) > 1:
        raise UsageError(f"--inventory: kubelet_version is {' and '.join(sorted(versions))}; a cluster has one version")
    cluster = Cluster(hosts=hosts, network=_network(found), load_balancer=_load_balancer(found))
    passwords = {name: str(said["become_password"]) for name, said in found.items() if said["become_password"]}
    return Inventory(cluster, "".join(versions), options, passwords)


def _hostvars(paths: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.results import TaskEnded
    from pykubeadm.ansible.workspace import workspace

    found: dict[str, Mapping[str, Any]] = {}

    def report(event: PlaybookEvent) -> None:
        if isinstance(event, TaskEnded) and event.facts:
            found[event.host] = event.facts

    with workspace({}, tuple(os.path.abspath(path) for path in paths)) as space:
        run_playbook(space, "inventory", report, forks=1)
    return found


def parts_of(found: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Each host's parts: by the groups control_planes, workers, load_balancers and etcd, else by firewall_part. Where neither
    says which hosts are control planes, the first one is, and the others are workers; a machine that is alone is both."""
    parts = {name: tuple(part for part, group in GROUPS.items() if group in said["groups"]) for name, said in found.items()}
    for name, said in found.items():
        if not parts[name] and said["firewall_part"] in GROUPS:
            parts[name] = (said["firewall_part"],)
    unsaid = [name for name in parts if not parts[name]]
    if unsaid and not any(CONTROL_PLANE in of for of in parts.values()):
        parts[unsaid[0]] = (CONTROL_PLANE,)
    parts |= {name: (WORKER,) for name, of in parts.items() if not of}
    if list(parts.values()) == [(CONTROL_PLANE,)]:
        parts = dict.fromkeys(parts, (CONTROL_PLANE, WORKER))
    return parts


def _host(name: str, said: Mapping[str, Any], parts: tuple[str, ...], options: Sequence[str]) -> Host:
    jump = next((option.split("=", 1)[1] for option in options if option.lower().startswith("proxyjump=")), "")
    ssh = Ssh(user=str(said["user"]), port=int(said["port"]), identity_file=str(said["identity_file"]), proxy_jump=jump)
    own = dict(said["host"])
    return Host(
        name=name,
        address=str(said["address"]),
        internal_address=str(own.get("internal_address") or ""),
        parts=parts,
        state=str(own.get("state") or "present"),
        ssh=ssh,
        labels={str(key): str(value) for key, value in dict(own.get("labels") or {}).items()},
        ignore_preflight_errors=tuple(own.get("ignore_preflight_errors") or ()),
    )


def _network(found: Mapping[str, Mapping[str, Any]]) -> Network:
    """A bridge is the role's own business, with what the inventory says of it; what runs as pods is applied to the cluster."""
    for said in found.values():
        if said["network"] in ("flannel", "manifest"):
            return Network(plugin=str(said["network"]), manifest=str(said["manifest"]))
    return Network()


def _load_balancer(found: Mapping[str, Mapping[str, Any]]) -> LoadBalancer:
    for said in found.values():
        if said["load_balancer_address"]:
            return LoadBalancer(
                address=str(said["load_balancer_address"]),
                port=int(said["load_balancer_port"]),
                interface=str(said["load_balancer_interface"]),
                prefix=int(said["load_balancer_prefix"]),
            )
    return LoadBalancer()


def _options(arguments: str, name: str) -> list[str]:
    """The -o and -J of ansible_ssh_common_args and ansible_ssh_extra_args, as name=value."""
    try:
        words = iter(shlex.split(arguments))
    except ValueError as error:
        raise UsageError(f"--inventory: the ssh arguments of {name} cannot be read: {error}") from error
    options = []
    for word in words:
        flag, value = word[:2], word[2:] or next(words, "")
        if flag == "-o" and "=" in value:
            options.append(value)
        elif flag == "-J":
            options.append(f"ProxyJump={value}")
        else:
            raise UsageError(f"--inventory: of the ssh arguments of {name} only -o NAME=VALUE and -J are understood, not {word}")
    return options


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
