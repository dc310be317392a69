#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: swap
short_description: Switch swap off, now and after every boot
description:
  - Finds every way in which a machine gets its swap - lines of fstab, swap units (also those that systemd makes for
    partitions that it discovers), zram - and ends each of them.
  - In a container the present swap is the host's and is left alone, with a warning.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  fstab:
    description: The table of file systems.
    type: path
    default: /etc/fstab
attributes:
  check_mode:
    support: full
    description: Reports what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows fstab and what is on before and after.
"""

EXAMPLES = r"""
- name: Switch swap off
  pykubeadm.kube.swap:
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["swapoff /dev/sda2", "mask dev-sda2.swap"]
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils.swapping import GENERATORS, SERVICES, UNIT_FILES, is_swap

# An empty file in /etc hides the distribution's (zram-generator.conf(5)); Fedora has zram swap by default.
GENERATOR = "/etc/systemd/zram-generator.conf"
MARK = "# swap is off for Kubernetes: "


def without_swap(table):
    """fstab with its swap lines made comments."""
    return "".join(MARK + line if is_swap(line) else line for line in table.splitlines(keepends=True))


def devices():
    """Swap that is on now."""
    try:
        with open("/proc/swaps", encoding="utf-8") as file:
            return [line.split()[0].replace("\\040", " ") for line in file.readlines()[1:]]
    except FileNotFoundError:
        return []


def units(module):
    """Swap units that are on, or would be at boot."""
    found = []
    for command in (
        ["systemctl", "list-units", "--type=swap", "--all", "--plain", "--no-legend"],
        list(UNIT_FILES),
    ):
        status, out, _err = module.run_command(command)
        for line in out.splitlines() if status == 0 else []:
            name = line.split()[0]
            if name.endswith(".swap") and name not in found:
                found.append(name)
    return found


def in_container(module):
    status, out, _err = module.run_command(["systemd-detect-virt", "--container"])
    return status == 0 and out.strip() != "none"


class Plan:
    """What is to be done, gathered first, so that check mode reports all of it."""

    def __init__(self, module):
        self.module = module
        self.actions = []

    def run(self, *command):
        self.actions.append(" ".join(command[1:] if command[0] == "systemctl" else command))
        if not self.module.check_mode:
            status, _out, err = self.module.run_command(list(command))
            if status != 0:
                self.module.fail_json(msg="%s failed: %s" % (" ".join(command), " ".join(err.split())), actions=self.actions)


def end_units(module, plan):
    for name in units(module):
        status, out, _err = module.run_command(["systemctl", "show", name, "--property=LoadState,FragmentPath,UnitFileState"])
        found = dict(line.partition("=")[::2] for line in out.splitlines()) if status == 0 else {}
        if found.get("LoadState") != "loaded":
            continue
        path = found.get("FragmentPath", "")
        if path.startswith("/etc/systemd/system/"):
            # A unit file of the administrator's: masking would have to overwrite it.
            if found.get("UnitFileState") == "enabled":
                plan.run("systemctl", "disable", name)
        elif path and not path.startswith("/run/systemd/generator/"):
            # Units made from fstab end with its lines; the others (discovered partitions, packages) have to be masked.
            plan.run("systemctl", "mask", name)


def end_services(module, plan):
    for name in SERVICES:
        status, out, _err = module.run_command(["systemctl", "is-enabled", name])
        if status == 0 and out.strip() == "enabled":
            plan.run("systemctl", "disable", "--now", name)
    if any(os.path.exists(path) for path in GENERATORS):
        want = fs.Wanted(GENERATOR, content=b"")
        if fs.differences(want):
            plan.actions.append("empty %s" % GENERATOR)
            if not module.check_mode:
                fs.apply(want, fs.selinux_label(module))


def end_devices(plan, on):
    """Those that are still on: a service that was stopped has taken its device with it."""
    still = on if plan.module.check_mode else devices()
    for device in on:
        if device in still:
            plan.run("swapoff", device)


def main():
    module = AnsibleModule({"fstab": {"type": "path", "default": "/etc/fstab"}}, supports_check_mode=True)
    plan, fstab = Plan(module), module.params["fstab"]
    on = devices()
    if on and in_container(module):
        module.warn("swap is on (%s), but it belongs to the host of this container; switch it off there" % ", ".join(on))
        on = []
    table = (fs.read(fstab) or b"").decode(errors="surrogateescape")
    new_table = without_swap(table)
    try:
        if os.path.isdir("/run/systemd/system"):
            end_units(module, plan)
            end_services(module, plan)
        end_devices(plan, on)
        if new_table != table:
            plan.actions.append("edit %s" % fstab)
            if not module.check_mode:
                found = os.stat(fstab)
                content = new_table.encode(errors="surrogateescape")
                fs.write_atomic(fstab, content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, fs.selinux_label(module))
                # Units that systemd made from the old table would start at the next isolate.
                module.run_command(["systemctl", "daemon-reload"])
    except OSError as error:
        module.fail_json(msg=fs.sentence(error), actions=plan.actions)
    diff = {"before_header": fstab, "after_header": fstab, "before": table, "after": new_table}
    diff["before"] += "".join("swap on %s\n" % device for device in on)
    module.exit_json(changed=bool(plan.actions), actions=plan.actions, diff=diff)


if __name__ == "__main__":
    main()
