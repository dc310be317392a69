#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sysctls
short_description: Set kernel parameters, and load the modules they need, now and at every boot
description:
  - Writes all parameters into one file and sets those whose present value differs. Other files' parameters are left alone.
  - Warns of a file that is read later at boot and sets one of them otherwise.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  modules:
    description:
      - Kernel modules that are loaded first, now and at every boot, for many parameters come with one. Modules that are part of
        the kernel are there already.
    type: dict
    suboptions:
      path:
        description: The file, below a modules-load.d directory. All of its content is ours.
        type: path
        required: true
      names:
        description: Modules that must be there.
        type: list
        elements: str
        required: true
      optional:
        description: Modules that a kernel may be without; a warning names those that cannot be loaded.
        type: list
        elements: str
        default: []
  path:
    description: The file, below a sysctl.d directory. All of its content is ours.
    type: path
    required: true
  values:
    description: Names (with dots) and values.
    type: dict
    required: true
  minimum:
    description: Names whose present value stands where it is a number that is higher already.
    type: list
    elements: str
    default: []
  optional:
    description:
      - Names that may be missing or read-only (in containers, or before their module is loaded).
      - They are written to the file all the same, and a warning names them.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Reports what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows file and values before and after.
"""

EXAMPLES = r"""
- name: Forward packets
  pykubeadm.kube.sysctls:
    path: /etc/sysctl.d/90-kubernetes.conf
    values:
      net.ipv4.ip_forward: 1
      fs.inotify.max_user_instances: 1024
    minimum: [fs.inotify.max_user_instances]
"""

RETURN = r"""
paths:
  description: The files that changed.
  returned: always
  type: list
  elements: str
loaded:
  description: Modules that were loaded by this call.
  returned: always
  type: list
  elements: str
drifted:
  description: Parameters whose present value was another one.
  returned: always
  type: dict
  sample: {"net.ipv4.ip_forward": "0"}
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils import kernel

# Searched by systemd-sysctl, a file's name deciding both order and precedence (sysctl.d(5)); procps' sysctl --system
# reads /etc/sysctl.conf after them all.
DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
HEADER = "# Written by pykubeadm; changes made here are lost. Put your own into another file.\n"


def proc(name):
    """The parameter's file. Dots separate, unless a slash comes first: then slashes do (sysctl.d(5))."""
    slash, dot = name.find("/"), name.find(".")
    if slash == -1 or (dot != -1 and dot < slash):
        name = name.replace(".", "\0").replace("/", ".").replace("\0", "/")
    return "/proc/sys/" + name


def normal(value):
    """Kernel tables separate numbers with tabs."""
    return " ".join(str(value).split())


def live(name):
    """The present value, None where the kernel has no such parameter."""
    try:
        with open(proc(name), encoding="utf-8") as file:
            return normal(file.read())
    except FileNotFoundError:
        return None


def parse(text):
    """name → value of a sysctl.d file."""
    found = {}
    for line in map(str.strip, text.splitlines()):
        if line and line[0] not in "#;" and "=" in line:
            name, _sign, value = line.partition("=")
            found[name.strip().lstrip("-").replace("/", ".")] = normal(value)
    return found


def overridden(path, values):
    """(file, name, value) for each parameter that a file read after ours sets otherwise."""
    by_name = {}
    for directory in DIRECTORIES:
        for file in sorted(glob.glob(directory + "/*.conf")):
            by_name.setdefault(os.path.basename(file), file)
    later = [by_name[name] for name in sorted(by_name) if name > os.path.basename(path)]
    if "/etc/sysctl.conf" not in [os.path.realpath(file) for file in later]:
        later.append("/etc/sysctl.conf")
    for file in later:
        content = fs.read(file)
        found = parse(content.decode(errors="replace")) if content else {}
        for name, value in found.items():
            if name in values and value != values[name]:
                yield file, name, value


def wanted_values(module):
    """name → value as text, "minimum" taken into account."""
    values = {name: normal(value) for name, value in module.params["values"].items()}
    # What we wrote before counts, so that a value lowered by hand meanwhile is drift and not the new wish.
    ours = parse((fs.read(module.params["path"]) or b"").decode(errors="replace"))
    for name in module.params["minimum"]:
        for present in (live(name), ours.get(name)):
            if name in values and present and present.isdigit() and values[name].isdigit():
                values[name] = str(max(int(present), int(values[name])))
    return values


def main():
    module = AnsibleModule(
        {
            "modules": {"type": "dict", "options": kernel.OPTIONS},
            "path": {"type": "path", "required": True},
            "values": {"type": "dict", "required": True},
            "minimum": {"type": "list", "elements": "str", "default": []},
            "optional": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    path, optional = module.params["path"], module.params["optional"]
    files, loaded, diffs = [], [], []
    if module.params["modules"]:
        files, loaded, diff = kernel.load(module, module.params["modules"])
        diffs.append(diff)
    values = wanted_values(module)
    problems, drifted, changed = [], {}, False
    try:
        want = fs.Wanted(path, content=(HEADER + "".join("%s = %s\n" % pair for pair in sorted(values.items()))).encode())
        before = (fs.read(path) or b"").decode(errors="replace")
        if fs.differences(want):
            changed = True
            if not module.check_mode:
                fs.apply(want, fs.selinux_label(module))
        for name, value in sorted(values.items()):
            present = live(name)
            if present == value:
                continue
            if present is None:
                if module.check_mode:
                    continue  # its module may be loaded by a step that check mode did not take
                message = "the kernel has no parameter %s; the module that brings it is not loaded" % name
                (module.warn if name in optional else problems.append)(message)
                continue
            if not os.access(proc(name), os.W_OK) or os.statvfs(proc(name)).f_flag & os.ST_RDONLY:
                message = "%s is %s and cannot be set to %s here: it is read-only on this machine" % (name, present, value)
                (module.warn if name in optional else problems.append)(message)
                continue
            if not module.check_mode:
                try:
                    with open(proc(name), "w", encoding="utf-8") as file:
                        file.write(value)
                except OSError as error:
                    message = "%s cannot be set to %s: %s" % (name, value, error.strerror)
                    (module.warn if name in optional else problems.append)(message)
                    continue
            drifted[name] = present
    except OSError as error:
        module.fail_json(msg=fs.sentence(error))
    if problems:
        module.fail_json(msg="; ".join(problems), drifted=drifted)
    for file, name, value in overridden(path, values):
        module.warn("%s sets %s to %s at boot, after %s sets it to %s; remove it there" % (file, name, value, path, values[name]))
    present_lines = "".join("%s is %s\n" % (name, drifted[name]) for name in sorted(drifted))
    set_lines = "".join("%s is %s\n" % (name, values[name]) for name in sorted(drifted))
    diffs.append(
        {
            "before_header": path,
            "after_header": path,
            "before": before + present_lines,
            "after": want.content.decode() + set_lines,
        }
    )
    files += [path] if changed else []
    module.exit_json(changed=bool(files or loaded or drifted), paths=files, loaded=loaded, drifted=drifted, diff=diffs)


if __name__ == "__main__":
    main()
