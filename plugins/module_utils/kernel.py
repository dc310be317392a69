# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Kernel modules: which are there, loaded or built in, and those that are wanted."""

from __future__ import annotations

import os

from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

HEADER = "# Written by pykubeadm; changes made here are lost.\n"
OPTIONS = {
    "path": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "optional": {"type": "list", "elements": "str", "default": []},
}
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


def load(module, wanted):
    """Load what is wanted (OPTIONS), now and at boot; returns the paths and modules that changed, and a diff. Ends the Ansible
    module where one cannot be loaded."""
    path, names = wanted["path"], wanted["names"]
    wanted_names = names + [name for name in wanted["optional"] if name not in names]
    modprobe = module.get_bin_path("modprobe", opt_dirs=["/sbin", "/usr/sbin"])
    loaded, problems = [], []
    for name in wanted_names:
        if present(name):
            continue
        report = problems.append if name in names else module.warn
        if modprobe is None:
            report("the kernel module %s is not loaded, and there is no modprobe to load it; install kmod" % name)
            continue
        status, _out, err = module.run_command([modprobe, "--dry-run", name] if module.check_mode else [modprobe, name])
        if status == 0:
            loaded.append(name)
        else:
            reason = (err.strip().splitlines() or ["status %d" % status])[-1]
            report("the kernel module %s cannot be loaded: %s; install the package with this kernel's modules" % (name, reason))
    if problems:
        module.fail_json(msg="; ".join(problems), loaded=loaded)
    before = (fs.read(path) or b"").decode(errors="replace")
    try:
        want = fs.Wanted(path, content=(HEADER + "".join("%s\n" % name for name in wanted_names)).encode())
        differs = bool(fs.differences(want))
        if differs and not module.check_mode:
            fs.apply(want, fs.selinux_label(module))
    except OSError as error:
        module.fail_json(msg=fs.sentence(error))
    after = want.content.decode() + "".join("%s is loaded\n" % name for name in loaded)
    diff = {"before_header": path, "after_header": path, "before": before, "after": after}
    return [path] if differs else [], loaded, diff
