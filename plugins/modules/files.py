#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: files
short_description: Make many files, directories and links as given, in one call
description:
  - Takes the whole list of files that a step needs, and writes those that differ, each atomically and durably.
  - With O(files[].validate), nothing of the list is written unless every validation passes.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  files:
    description: The files, directories and links; they are handled in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path. With O(files[].state=adjusted) it may be a pattern, such as C(/etc/cni/net.d/*.conflist).
        type: path
        required: true
      state:
        description: What has to be there. V(adjusted) sets mode and owner of a file or directory that exists, and makes nothing.
        type: str
        choices: [file, directory, link, absent, adjusted]
        default: file
      content:
        description: The file's text. Left out, an existing file keeps its content and a missing one is made empty.
        type: str
      secret_content:
        description: As O(files[].content), but never shown, neither in diffs nor in logs.
        type: str
      mode:
        description: Permissions as octal text. By default V(0644), for directories V(0755).
        type: str
      owner:
        description: User name or number.
        type: str
        default: root
      group:
        description: Group name or number.
        type: str
        default: root
      target:
        description: Where the link points to.
        type: path
      keep:
        description: Leave the content of a file that exists alone.
        type: bool
        default: false
      backup:
        description:
          - Keep what was there before the first change beside it, with C(.before-pykubeadm) added to its name.
          - A copy that exists already is not replaced.
        type: bool
        default: false
      validate:
        description:
          - A command, as a list of words, that must end with status 0 before the file is replaced.
          - A C(%s) in a word stands for the file with the new content. A program that is not installed skips the validation.
        type: list
        elements: str
attributes:
  check_mode:
    support: full
    description: Reports what would change, and changes nothing.
  diff_mode:
    support: full
    description: Shows the content before and after.
"""

EXAMPLES = r"""
- name: Configure the runtime
  pykubeadm.kube.files:
    files:
      - path: /etc/containerd
        state: directory
      - path: /etc/containerd/config.toml
        content: "{{ lookup('ansible.builtin.template', 'config.toml.j2') }}"
        validate: [containerd, --config, "%s", config, dump]
"""

RETURN = r"""
paths:
  description: The paths that changed (in check mode, those that would).
  returned: always
  type: list
  elements: str
  sample: [/etc/containerd/config.toml]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils.file_lists import OPTIONS, write


def main():
    module = AnsibleModule(
        {"files": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS}}, supports_check_mode=True
    )
    paths, diffs = [], []
    try:
        write(module, module.params["files"], paths, diffs)
    except fs.Unusable as error:
        module.fail_json(msg=str(error), paths=paths)
    except OSError as error:
        module.fail_json(msg=fs.sentence(error), paths=paths)
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs)


if __name__ == "__main__":
    main()
