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
from ansible_collections.pykubeadm.kube.plugins.module_utils.kernel import OPTIONS, load


def main():
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    paths, loaded, diff = load(module, module.params)
    module.exit_json(changed=bool(paths or loaded), paths=paths, loaded=loaded, diff=diff)


if __name__ == "__main__":
    main()
