# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Which kernel modules are there, loaded or built in."""

from __future__ import annotations

import os

# What a module brings, to recognise it in a kernel without /lib/modules (containers, custom kernels).
SIGNS = {
    "br_netfilter": "/proc/sys/net/bridge",
    "ip_vs": "/proc/net/ip_vs",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
}


def present(name, root="/"):
    """True where the module is loaded or part of the kernel."""
    name = name.replace("-", "_")
    # /sys/module lists loaded modules, and built-in ones that have parameters or a version.
    if os.path.isdir(os.path.join(root, "sys/module", name)):
        return True
    if name in SIGNS and os.path.exists(os.path.join(root, SIGNS[name].lstrip("/"))):
        return True
    return name in filesystems(root) or name in builtin(root)


def filesystems(root="/"):
    """The file systems that the kernel has now."""
    try:
        with open(os.path.join(root, "proc/filesystems"), encoding="utf-8") as file:
            return {line.split()[-1] for line in file if line.strip()}
    except FileNotFoundError:
        return set()


def builtin(root="/", release=None):
    """Modules that are part of the kernel, from its modules.builtin."""
    path = os.path.join(root, "lib/modules", release or os.uname().release, "modules.builtin")
    try:
        with open(path, encoding="utf-8") as file:
            return {os.path.basename(line.strip()).partition(".")[0].replace("-", "_") for line in file}
    except FileNotFoundError:
        return set()
