#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: facts
short_description: Find out what the roles need to know of a node, in one call
description:
  - Replaces gathering of Ansible's own facts, which the roles do not use.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
attributes:
  check_mode:
    support: full
    description: Nothing is ever changed.
"""

EXAMPLES = r"""
- name: Look at the node
  pykubeadm.kube.facts:
"""

RETURN = r"""
ansible_facts:
  description: One fact, C(pykubeadm), that holds all of it.
  returned: always
  type: dict
  contains:
    pykubeadm:
      description:
        - The system (C(os), C(family), C(architecture), C(kernel), C(hostname), C(container)), its size (C(cpus),
          C(memory_mib)), C(cgroup) with version and controllers, C(swap) devices that are on, whether
          some may be with a boot (C(swap_may_come)), C(machine_id), C(product_uuid),
          C(time_synchronized), C(ipv6), addresses, C(versions) and C(paths) of the programs that are there, runtime
          C(sockets), C(cni) plugins and configurations, the C(firewall) at work, C(selinux), C(package_manager), and
          C(can_lower_oom_score).
      type: dict
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils.machine import gather

FOLDERS = ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]


def main():
    module = AnsibleModule({}, supports_check_mode=True)

    def run(command):
        program = module.get_bin_path(command[0], opt_dirs=FOLDERS)
        if program is None:
            return None
        status, out, _err = module.run_command([program] + command[1:], environ_update={"LC_ALL": "C"})
        # systemd-detect-virt and is-active give the answer "none" and "inactive" with status 1 and 3.
        return out if status == 0 or out else None

    def which(name):
        return module.get_bin_path(name, opt_dirs=FOLDERS)

    module.exit_json(ansible_facts={"pykubeadm": gather(run, which)})


if __name__ == "__main__":
    main()
