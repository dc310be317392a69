#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kernel_modules
short_description: Load kernel modules now and at every boot
description:
  - Writes one file below modules-load.d and loads what is not loaded. A module that is built into the kernel counts as loaded.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  path:
    description: The file, below modules-load.d. All of its content is ours.
    type: path
    required: true
  names:
    description: Modules that must be there.
    type: list
    elements: str
    required: true
  optional:
    description: Modules that are loaded where the kernel has them; a warning names the others.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Reports what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows the file and what is loaded before and after.
"""

EXAMPLES = r"""
- name: Load what pods' networks need
  pykubeadm.kube.kernel_modules:
    path: /etc/modules-load.d/kubernetes.conf
    names: [overlay, br_netfilter]
    optional: [vxlan]
"""

RETURN = r"""
paths:
  description: The file, where it changed.
  returned: always
  type: list
  elements: str
loaded:
  description: Modules that were loaded by this call.
  returned: always
  type: list
  elements: str
  sample: [br_netfilter]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils.kernel import present

HEADER = "# Written by pykubeadm; changes made here are lost.\n"


def main():
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "optional": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    path, names, optional = module.params["path"], module.params["names"], module.params["optional"]
    wanted_names = names + [name for name in optional if name not in names]
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
    diff = {
        "before_header": path,
        "after_header": path,
        "before": before,
        "after": want.content.decode() + "".join("%s is loaded\n" % name for name in loaded),
    }
    module.exit_json(changed=differs or bool(loaded), paths=[path] if differs else [], loaded=loaded, diff=diff)


if __name__ == "__main__":
    main()
