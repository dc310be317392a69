"""What the node roles get for each machine of a cluster file, and the inventory that holds it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pykubeadm.ansible.assets import Assets, find_assets
from pykubeadm.ansible.variables import Part, node_variables, swap_for
from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, LOAD_BALANCER, WORKER, Cluster, Host, HostVariable, Mirror
from pykubeadm.config.model import Configuration, field_alias
from pykubeadm.constants import API_SERVER_PORT
from pykubeadm.fleet.file import Described, internal_address, ssh_of
from pykubeadm.fleet.inventory import GROUPS, POD_CIDRS

LEFT_OUT = "images_left_out"
NODE_PORTS = ("10256/tcp", "30000-32767/tcp", "30000-32767/udp")


def shared_variables(described: Described, assets: Assets) -> dict[str, Any]:
    """The roles' variables for all machines of the cluster."""
    cluster, configuration = described.cluster, described.configuration
    addresses = [name for host in cluster.present for name in host_names(host)]
    variables = node_variables(
        configuration, part="worker", assets=assets, proxy_env=_proxy_environment(cluster), addresses=addresses
    )
    if cluster.registry_mirrors:
        variables["containerd_registries"] = [_containerd(mirror) for mirror in cluster.registry_mirrors]
        variables["crio_registries"] = [_crio(mirror) for mirror in cluster.registry_mirrors]
    return variables


def host_names(host: Host) -> tuple[str, ...]:
    """By which no proxy is asked for a host."""
    return tuple(dict.fromkeys((host.name, internal_address(host))))


def own_variables(cluster: Cluster, configuration: Configuration, host: Host) -> dict[str, Any]:
    """Those of one machine, over the shared ones."""
    found: dict[str, Any] = {"firewall_part": _firewall_part(host), LEFT_OUT: _of_others(configuration, host)}
    if CONTROL_PLANE in host.parts and (WORKER in host.parts or host.taints == ()):
        found["firewall_ports"] = list(NODE_PORTS)
    if LOAD_BALANCER in host.parts:
        found |= _load_balancer(cluster, configuration)
        if CONTROL_PLANE not in host.parts:  # nothing of Kubernetes runs there
            found |= {"prepare_runtime": "none", "prepare_kubelet": False}
        else:
            found["firewall_ports"] = [*found.get("firewall_ports", []), f"{cluster.load_balancer.port}/tcp"]
    if any(argument.name == "fail-swap-on" for argument in host.kubelet_extra_args):
        found["cgroups_swap"] = swap_for(configuration.kubelet, host.kubelet_extra_args)
    return found | dict(cluster.variables) | dict(host.variables)


def _of_others(configuration: Configuration, host: Host) -> list[str]:
    """The images of static pods that other machines run, without tags. A host that gets another part is prepared again."""
    from pykubeadm.config.versions import etcd_image, kubernetes_image

    names = () if CONTROL_PLANE in host.parts else ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    found = [kubernetes_image(name, configuration.cluster) for name in names]
    found += [] if {CONTROL_PLANE, ETCD} & set(host.parts) else [etcd_image(configuration.cluster)]
    return [image.rpartition(":")[0] for image in found]


def inventory(described: Described, hosts: Sequence[Host], *, secrets: bool = False) -> dict[str, Any]:
    """An Ansible inventory of these hosts: how they are reached, their groups, their own variables. Passwords only with
    `secrets`."""
    groups: dict[str, Any] = {}
    for host in hosts:
        reached = connection(described, host) | (_become(described, host) if secrets else {})
        of_host = reached | own_variables(described.cluster, described.configuration, host) | _of_inventories(host)
        for part, group in GROUPS.items():
            if part in host.parts:
                groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = of_host
                of_host = {}  # a host in two groups has its variables in the first
    return {"all": {"children": groups}}


def _of_inventories(host: Host) -> dict[str, Any]:
    """What inventories say in a variable of ours, for an inventory that can be read again."""
    own = HostVariable(**{each.name: getattr(host, each.name) for each in fields(HostVariable)})
    document, default = own.document(), HostVariable()
    names = [each.name for each in fields(own) if getattr(own, each.name) != getattr(default, each.name)]
    return {"pykubeadm_host": {name: document.get(field_alias(name), []) for name in names}} if names else {}


def over_inventories(described: Described, hosts: Sequence[Host]) -> dict[str, Any]:
    """What goes over the user's inventories, as an inventory: how these hosts are reached with what the file says of that, the
    variables that the inventories leave to us, and the version: until an upgrade, that of the cluster that there is. A bridge
    whose addresses they do not say is not for the roles to write before the cluster has given them."""
    version = {"kubelet_version": described.configuration.cluster.kubernetes_version.removeprefix("v")}
    found = {}
    for host in hosts:
        own = own_variables(described.cluster, described.configuration, host)
        ours = {name: value for name, value in own.items() if name not in host.variables}
        later = {} if POD_CIDRS in host.variables else {"cni_network": "none"}
        found[host.name] = connection(described, host) | _become(described, host) | ours | version | later
    return {"all": {"hosts": found}}


def complete_inventory(described: Described) -> dict[str, Any]:
    """The inventory with everything that the node roles would get, for playbooks of one's own. Passwords of sudo are not in it;
    what the file holds is, such as that of a proxy."""
    shared = shared_variables(described, find_assets(described.configuration.cluster.kubernetes_version, os.environ))
    shared |= pod_network(described)
    document = inventory(described, described.cluster.present)
    return {"all": {"vars": shared, **document["all"]}}


def pod_network(described: Described) -> dict[str, Any]:
    """The variables of the pod network that are the same for all machines."""
    plugin, pods = described.cluster.network, described.configuration.cluster.networking.pod_subnet
    cidrs = [part.strip() for part in pods.split(",") if part.strip()]
    found: dict[str, Any] = {"cni_network": plugin.plugin, "cni_cluster_cidrs": cidrs}
    if plugin.plugin == "manifest":
        remote = "://" in plugin.manifest
        found["cni_manifest"] = plugin.manifest if remote else os.path.abspath(os.path.expanduser(plugin.manifest))
    return found


def connection(described: Described, host: Host) -> dict[str, Any]:
    """Ansible's variables for how a host is reached."""
    ssh = ssh_of(described.cluster, host)
    arguments = [*(("-F", os.path.abspath(os.path.expanduser(ssh.config_file))) if ssh.config_file else ())]
    arguments += [f"-oProxyJump={ssh.proxy_jump}"] if ssh.proxy_jump else []
    options = described.ssh_options.get(host.name, ())  # with the same jump, if there is one
    arguments += [f"-o{option}" for option in options if not option.lower().startswith("proxyjump=")]
    found: dict[str, Any] = {"ansible_host": host.address or host.name}
    found |= {"ansible_user": ssh.user} if ssh.user else {}
    found |= {"ansible_port": ssh.port} if ssh.port else {}
    found |= {"ansible_ssh_private_key_file": ssh.identity_file} if ssh.identity_file else {}
    return found | ({"ansible_ssh_common_args": shlex.join(arguments)} if arguments else {})


def _become(described: Described, host: Host) -> dict[str, Any]:
    password = sudo_password(described, host)
    return {"ansible_become_password": password} if password else {}


def sudo_password(described: Described, host: Host) -> str:
    return described.sudo_passwords.get(host.name) or described.sudo_passwords.get("", "")


def digest(variables: Mapping[str, Any]) -> str:
    """Stands for a machine's variables: what was prepared with others is prepared again."""
    return hashlib.sha256(json.dumps(variables, sort_keys=True, default=str).encode()).hexdigest()[:16]


def network_digest(variables: Mapping[str, Any]) -> str:
    """The same for a pod network: of a manifest that is a file here, what it holds counts, not where it lies."""
    path = str(variables.get("cni_manifest") or "")
    if not path or "://" in path:
        return digest(variables)
    try:
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    except OSError:  # applying it says so
        content = ""
    return digest({**variables, "cni_manifest": content})


def for_host(configuration: Configuration, host: Host) -> Configuration:
    """The cluster's configuration as it concerns one node, before the node is asked anything."""
    registration = replace(configuration.this_node.node_registration, name=host.name, kubelet_extra_args=host.kubelet_extra_args)
    return replace(configuration, this_node=replace(configuration.this_node, node_registration=registration))


def _firewall_part(host: Host) -> Part | str:
    return next(part for part in (CONTROL_PLANE, WORKER, ETCD, LOAD_BALANCER) if part in host.parts or part == LOAD_BALANCER)


def _load_balancer(cluster: Cluster, configuration: Configuration) -> dict[str, Any]:
    balancer = cluster.load_balancer
    port = configuration.this_node.local_api_endpoint.bind_port or API_SERVER_PORT
    found: dict[str, Any] = {
        "prepare_load_balancer": True,
        "load_balancer_port": balancer.port,
        "load_balancer_servers": [
            {"name": host.name, "address": internal_address(host), "port": port} for host in cluster.having(CONTROL_PLANE)
        ],
    }
    if balancer.address:
        found |= {
            "load_balancer_address": balancer.address,
            "load_balancer_interface": balancer.interface,
            "load_balancer_router_id": balancer.router_id,
            "load_balancer_peers": [internal_address(host) for host in cluster.having(LOAD_BALANCER)],
        }
    if balancer.address and balancer.prefix is not None:
        found["load_balancer_prefix"] = balancer.prefix
    return found


def _proxy_environment(cluster: Cluster) -> dict[str, str]:
    proxy = cluster.proxy
    found = {"http_proxy": proxy.http, "https_proxy": proxy.https, "no_proxy": ",".join(proxy.no_proxy)}
    return {name: value for name, value in found.items() if value}


def _containerd(mirror: Mirror) -> dict[str, Any]:
    mirrors = [{"url": url} | ({"ca": mirror.ca} if mirror.ca else {}) for url in mirror.urls]
    return {"host": mirror.registry, "mirrors": mirrors} | ({"server": "none"} if mirror.only else {})


def _crio(mirror: Mirror) -> dict[str, Any]:
    places = [{"location": url.partition("://")[2], "insecure": url.startswith("http://")} for url in mirror.urls]
    return {"host": mirror.registry, "mirrors": places}
