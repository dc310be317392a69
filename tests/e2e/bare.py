"""What a node is like, for comparing it with what it was before it was part of a cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from lab.node import Node

Likeness = Mapping[str, tuple[str, ...]]  # kind → sorted names

_RESOLVER = "127.0.0.11"  # Docker's, with rules for other ports after each start of a node
_PLACES = "/etc /var/lib /var/log /usr/local /usr/libexec /opt /root /run"
# What changes by itself; the lists of sandboxes and containers show what there is in containerd.
_OTHERS = re.compile(
    r"/var/lib/(containerd|systemd|apt|dpkg|private)(/|$)|/var/log/(journal|apt)(/|$)|/var/log/[^/]+$|/root/\.(bash|cache|local|kube$|kube/cache)"
    r"|/run/(systemd|udev|lock|containerd|log|user|dbus|utmp|initctl|sshd|sudo|mount|netns|xtables\.lock|initramfs)"
    r"|/var/lib/pykubeadm/lock$|/var/lib/(containers|nfs)(/|$)|/etc/(passwd|group|shadow)-$|/var/lib/private"
)


def likeness(node: Node) -> Likeness:
    """Files with the digests of those in /etc, mounts, interfaces, routes, rules, units and what runs in the runtime."""
    return {
        "files": tuple(
            line for line in _lines(node, f"find {_PLACES} -xdev -printf '%p %y\\n'") if not _OTHERS.search(line.split()[0])
        ),
        "contents": _lines(node, "find /etc -xdev -type f -exec sha256sum {} +"),
        "mounts": _lines(node, "cut -d' ' -f2 /proc/mounts"),
        "interfaces": tuple(sorted(link["ifname"] for link in json.loads(node.run("ip", "-json", "link").stdout))),
        "routes": _lines(node, "ip route; ip -6 route show proto static"),
        "rules": tuple(
            f"{tables} {line}"
            for tables in ("iptables", "ip6tables")
            for line in node.run(f"{tables}-save").stdout.splitlines()
            if (line.startswith("-A") or re.match(r":\S+ - ", line)) and _RESOLVER not in line
        ),
        "nft": _lines(node, "nft list tables | grep -Ev '(filter|nat|mangle|raw)$'"),
        "units": _lines(
            node,
            "systemctl list-units --all --plain --no-legend 'kube*.slice' 'pykubeadm*' | awk '{print $1, $2, $3}';"
            "systemctl list-unit-files --plain --no-legend --type=service,timer | awk '{print $1, $2}';"
            "systemctl is-active containerd",
        ),
        "sandboxes": _lines(node, "crictl pods --quiet"),
        "containers": _lines(node, "for each in default k8s.io; do ctr --namespace $each containers list --quiet; done"),
    }


def differences(before: Likeness, after: Likeness) -> list[str]:
    """One line for each thing that came or went."""
    found = []
    for kind, was in before.items():
        found += [f"{kind}: - {name}" for name in sorted(set(was) - set(after[kind]))]
        found += [f"{kind}: + {name}" for name in sorted(set(after[kind]) - set(was))]
    return found


def _lines(node: Node, script: str) -> tuple[str, ...]:
    return tuple(sorted(filter(None, node.shell(script, check=False).splitlines())))
