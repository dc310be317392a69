"""An action plugin that stands in for every module of the collection: it writes down what the module would be called with.

`facts` answers with the host's recorded facts, `packages` with the version that the recorded system's repositories have.
"""

from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        host = task_vars["inventory_hostname"]
        module = self._task.action.rpartition(".")[2]
        line = json.dumps(
            {"host": host, "role": self._task._role and self._task._role.get_name(), "module": module, "args": self._task.args},
            default=str,
        )
        with open(os.environ["RECORDER_FILE"], "a", encoding="utf-8") as file:
            file.write(line + "\n")
        if module == "facts":
            return {"changed": False, "ansible_facts": {"pykubeadm": task_vars["recorded"]}}
        if module == "packages":
            return {
                "changed": False,
                "versions": {
                    package["name"]: task_vars["available"].get(package["name"], "") for package in self._task.args["packages"]
                },
            }
        return {"changed": False}
