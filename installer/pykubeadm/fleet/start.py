"""`cluster init`: a commented file to start from, for a list of hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pykubeadm.commands.environment import PLACEHOLDER_TOKEN
from pykubeadm.config.fleet import FLEET_API, FLEET_KIND
from pykubeadm.config.host import ANY_HOST
from pykubeadm.config.read_fleet import read_fleet
from pykubeadm.config.reading import Environment
from pykubeadm.config.rules import subdomain
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, UsageError
from pykubeadm.fleet.inventory import is_address

_HOST = r"\[[0-9A-Fa-f:.]+\]|[^:@\s\[\]]+"
_PLACE = re.compile(rf"(?:(?P<user>[^@\s]+)@)?(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?", re.ASCII)
# What no YAML takes for something else than text: no number, no boolean.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|true|false|on|off|null)$)[a-z][\w.-]*|\d+(?:\.\d+){3}", re.ASCII | re.IGNORECASE)

_HEAD = """\
# A cluster, as `pykubeadm cluster apply` makes it; `pykubeadm cluster validate` checks this file.
apiVersion: {api}
kind: {kind}

# How all machines are reached; what is not set here is taken from ~/.ssh/config, the agent and your user name, as ssh(1) does.
# A user other than root needs sudo (-K asks for its password).
#ssh:
#  user: admin
#  identityFile: ~/.ssh/id_ed25519
#  proxyJump: admin@bastion.example.com

hosts:
"""
_BALANCED = """
# One address in front of the API servers: hosts with the part load-balancer run haproxy, and keepalived moves the address between
# them. Give two machines that part, and set the address; or set controlPlaneEndpoint below to an address that you provide.
#loadBalancer:
#  address: 192.0.2.10
#  interface: eth0
"""
_REST = """
# The pod network: flannel, manifest (with its path or URL), bridge (for machines in one network), or none: you install one.
network:
  plugin: flannel

#runtime: crio
#registryMirrors:
#  - {{registry: docker.io, urls: ["https://mirror.example.com"]}}
#proxy: {{http: "http://proxy.example.com:3128", https: "http://proxy.example.com:3128", noProxy: [example.com]}}
---
# kubeadm's own documents follow, unchanged: ClusterConfiguration, KubeletConfiguration, KubeProxyConfiguration.
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
{endpoint}networking:
  podSubnet: 10.244.0.0/16
"""


def starting_file(places: Sequence[str], control_planes: int, version: str) -> str:
    """A file for these hosts ("[user@]host[:port]"), of which the first `control_planes` are just that. UsageError for what is no
    host."""
    if len(set(places)) != len(places):
        raise UsageError("a host is given twice")
    if not 1 <= control_planes <= len(places):
        raise UsageError(f"--control-planes: {control_planes} of {len(places)} hosts cannot be control planes")
    parts = [("control-plane", at + 1) for at in range(control_planes)]
    parts += [("worker", at + 1) for at in range(len(places) - control_planes)]
    if len(places) == 1:
        parts = [("control-plane, worker", 1)]
    hosts = "".join(_host(place, part, number) for place, (part, number) in zip(places, parts, strict=True))
    several = control_planes > 1
    endpoint = "# The address of the load balancer or VIP, with its port.\n" if several else ""
    endpoint += "controlPlaneEndpoint: api.example.com:6443\n" if several else "#controlPlaneEndpoint: api.example.com:6443\n"
    head = _HEAD.format(api=FLEET_API, kind=FLEET_KIND)
    text = head + hosts + (_BALANCED if several else "") + _REST.format(version=version, endpoint=endpoint)
    _check(text)
    return text


def _host(place: str, part: str, number: int) -> str:
    found = _PLACE.fullmatch(place)
    if not found:
        raise UsageError(f'"{place}" is not [user@]host[:port]')
    address = found["host"].strip("[]")
    name = f"{'worker' if part == 'worker' else 'control'}{number}" if is_address(address) else address.lower()
    if problem := subdomain(name):
        raise UsageError(problem)
    ssh = [f"user: {_text(found['user'])}"] if found["user"] else []
    ssh += [f"port: {found['port']}"] if found["port"] else []
    lines = [f"  - name: {_text(name)}", f"    address: {_text(address)}"]
    lines += [f"    parts: [{part}]", *([f"    ssh: {{{', '.join(ssh)}}}"] if ssh else [])]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _check(text: str) -> None:
    """What `validate` would say of the hosts."""
    environment = Environment(host=ANY_HOST, new_token=lambda: PLACEHOLDER_TOKEN)
    try:
        read_fleet(Source("", text.encode()), environment)
    except ConfigError as error:
        raise UsageError("\n".join(f"{problem.path}: {problem.sentence}" for problem in error.problems)) from error
