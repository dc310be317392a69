# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Sends files of the machine that runs Ansible to the node, but only those that are missing there."""

from __future__ import annotations

import hashlib
import os

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """One module call where nothing is to be sent; else a second one after the files went over."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Run the module, with what it asks for sent first."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        items = [dict(item) for item in arguments.get("items") or []]
        here = {item["name"]: path for item in items if (path := self._first(item.get("controller_sources") or []))}
        for item in items:
            path = here.get(item["name"])
            if path is None:
                item["controller_sources"] = []
            elif self._connection.transport == "local":
                item["sources"] = [path, *(item.get("sources") or [])]
                item["controller_sources"] = []
            else:
                item["sha256"] = item.get("sha256") or _digest(path)
        arguments["items"] = items
        result = self._execute_module(module_args=dict(arguments, defer=True), task_vars=task_vars)
        deferred = result.pop("deferred", [])
        if not deferred or result.get("failed"):
            return result
        if self._task.check_mode:
            return dict(result, changed=True, installed=result["installed"] + deferred)
        folder = self._connection._shell.tmpdir or self._make_tmp_path()
        for item in items:
            if item["name"] in deferred:
                path = here[item["name"]]
                sent = self._transfer_file(path, self._connection._shell.join_path(folder, os.path.basename(path)))
                item["sources"] = [sent, *(item.get("sources") or [])]
            item["controller_sources"] = []
        second = self._execute_module(module_args=arguments, task_vars=task_vars)
        if second.get("failed"):
            return second
        second["installed"] = result["installed"] + second["installed"]
        second["bytes"] += result["bytes"] + sum(os.path.getsize(here[name]) for name in deferred)
        second["diff"] = result.get("diff")
        second.pop("deferred", None)
        return dict(second, changed=True)

    def _first(self, paths):
        return next((path for path in map(os.path.expanduser, paths) if os.path.isfile(path)), None)


def _digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            found.update(chunk)
    return found.hexdigest()
