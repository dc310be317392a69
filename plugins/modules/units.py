#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: units
short_description: Enable, start, stop, mask and restart systemd units, many in one call
description:
  - Reloads systemd's own configuration where unit files changed on disk.
  - May make files before, which the units are or read.
  - A unit is restarted because of what is on the machine, not because of what this run changed - O(units[].configuration) names
    the files that the running process has read, and the unit is restarted where one of them is newer than the process. A run that
    was killed between writing a file and restarting the unit is thereby finished by the next one.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  files:
    description:
      - What is made first, as the module M(pykubeadm.kube.files) takes it, so that one call is enough for a service.
    type: list
    elements: dict
    default: []
  units:
    description: The units, in the order to act on them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The unit's name with its suffix.
        type: str
        required: true
      state:
        description:
          - Whether it runs now. V(any) leaves that as it is.
        type: str
        choices: [started, stopped, any]
        default: started
      enabled:
        description: Whether it starts at boot. Units without an C([Install]) section are left as they are.
        type: bool
      masked:
        description: Whether it is masked, so that it cannot be started.
        type: bool
      configuration:
        description: Files, and directories with all files in them, that the process reads when it starts.
        type: list
        elements: path
        default: []
      on_change:
        description: >-
          What to do when O(units[].configuration), the unit or its drop-ins are newer than the process. V(nothing) is for slices,
          whose settings systemd takes over as it reads them.
        type: str
        choices: [restart, reload, nothing]
        default: restart
      missing_ok:
        description: A unit that does not exist is not an error.
        type: bool
        default: false
      wait_for:
        description: Sockets or files that must exist before the unit counts as started.
        type: list
        elements: path
        default: []
      validate:
        description: >-
          A command, as a list of words, that must end with status 0 before the unit is started, restarted or reloaded, so that a
          mistake in a file of somebody else's does not end a process that runs. A program that is not installed skips it.
        type: list
        elements: str
      timeout:
        description: Seconds to wait for O(units[].wait_for).
        type: int
        default: 30
attributes:
  check_mode:
    support: full
    description: Reports what would be done, and does nothing.
  diff_mode:
    support: full
    description: Shows the units' states before and after.
"""

EXAMPLES = r"""
- name: Run the container runtime
  pykubeadm.kube.units:
    units:
      - name: containerd.service
        enabled: true
        configuration: [/etc/containerd/config.toml, /etc/containerd/conf.d]
        validate: [containerd, config, dump]
        wait_for: [/run/containerd/containerd.sock]
"""

RETURN = r"""
paths:
  description: The paths of O(files) that changed (in check mode, those that would).
  returned: always
  type: list
  elements: str
  sample: [/etc/containerd/config.toml]
actions:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["restart containerd.service"]
"""

import glob
import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import file_lists
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

# Where systemd looks for units, as far as administrators and packages put any there (systemd.unit(5)).
UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
# sudo's PATH leaves them out on RHEL and its like.
FOLDERS = ["/usr/local/bin", "/usr/local/sbin"]
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "Result",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "StateChangeTimestampMonotonic",
)
OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"choices": ["started", "stopped", "any"], "default": "started"},
    "enabled": {"type": "bool"},
    "masked": {"type": "bool"},
    "configuration": {"type": "list", "elements": "path", "default": []},
    "on_change": {"choices": ["restart", "reload", "nothing"], "default": "restart"},
    "missing_ok": {"type": "bool", "default": False},
    "wait_for": {"type": "list", "elements": "path", "default": []},
    "validate": {"type": "list", "elements": "str"},
    "timeout": {"type": "int", "default": 30},
}


class Systemd:
    """systemctl with what to do or what would be done."""

    def __init__(self, module):
        self.module = module
        self.actions = []

    def show(self, name):
        command = ["systemctl", "show", name, "--property=" + ",".join(PROPERTIES)]
        status, out, err = self.module.run_command(command)
        if status != 0:
            self.module.fail_json(msg="cannot ask systemd about %s: %s" % (name, err.strip() or "status %d" % status))
        return dict(line.partition("=")[::2] for line in out.splitlines() if "=" in line)

    def do(self, verb, name=None):
        """Returns whether systemctl succeeded; always in check mode."""
        self.actions.append("%s %s" % (verb, name) if name else verb)
        if self.module.check_mode:
            return True
        status, _out, self.error = self.module.run_command(["systemctl", verb] + ([name] if name else []))
        return status == 0

    def must(self, verb, name):
        if not self.do(verb, name):
            self.module.fail_json(
                msg="cannot %s %s: %s%s" % (verb, name, one_line(self.error), self.log(name)), actions=self.actions
            )

    def log(self, name):
        """The end of the unit's own log, to say why it does not run; systemd's lines about it where the process said nothing."""
        for choice in (["_SYSTEMD_UNIT=" + name], ["--unit", name]):
            command = ["journalctl", *choice, "--boot", "--lines", "5", "--output", "cat", "--no-pager"]
            status, out, _err = self.module.run_command(command)
            lines = [line for line in out.splitlines() if line.strip()] if status == 0 else []
            if lines:
                return "; its last lines: " + " / ".join(lines[-3:])
        return ""

    def validate(self, unit):
        """End with what the unit's own check of its configuration says against it."""
        program = self.module.get_bin_path(unit["validate"][0], opt_dirs=FOLDERS) if unit["validate"] else None
        if program is None or self.module.check_mode:
            return
        status, out, err = self.module.run_command([program] + unit["validate"][1:])
        if status != 0:
            lines = (err or out).strip().splitlines()[-3:]
            self.module.fail_json(
                msg="%s was left unchanged, because its configuration is wrong: %s"
                % (unit["name"], " / ".join(lines) or "%s ended with status %d" % (" ".join(unit["validate"]), status)),
                actions=self.actions,
            )


def one_line(text):
    return " ".join(text.split())


def started_at(found):
    """Seconds since the epoch at which the unit came into its present state; None where it never did in this boot."""
    microseconds = int(found.get("StateChangeTimestampMonotonic") or 0)
    if not microseconds:
        return None
    return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) + microseconds / 1e6


def newest(paths):
    """(path, seconds since the epoch) of the last change among the files; a directory's own time counts (removed files). What is
    still to come was written while the clock was ahead, and says nothing."""
    newest_found, now = ("", 0.0), time.time()
    for path in paths:
        candidates = [path]
        for folder, _folders, names in os.walk(path):
            candidates += [folder] + [os.path.join(folder, name) for name in names]
        for candidate in candidates:
            try:
                found = os.stat(candidate)
            except OSError:
                continue
            # ctime, not mtime: a rename over the old file counts, and so does an unpacked file with an old mtime.
            if newest_found[1] < found.st_ctime <= now:
                newest_found = (candidate, found.st_ctime)
    return newest_found


def outdated(unit, found, coming):
    """The file that the running process has not read in its present form, or would not have with those of `coming`; "" where
    there is none."""
    began = started_at(found)
    if began is None:
        return ""
    paths = [path for path in unit["configuration"] + [found["FragmentPath"]] + found["DropInPaths"].split() if path]
    for path in coming:
        if any(path == each or path.startswith(each.rstrip("/") + "/") for each in paths):
            return path
    path, changed = newest(paths)
    return path if changed > began else ""


def unread_drop_ins(name, found):
    """Drop-ins on disk that systemd has not read. NeedDaemonReload misses those whose directory is new."""
    on_disk = {path for folder in UNIT_FOLDERS for path in glob.glob("%s/%s.d/*.conf" % (folder, name))}
    names_read = {os.path.basename(path) for path in found["DropInPaths"].split()}
    return {path for path in on_disk if os.path.basename(path) not in names_read and os.path.realpath(path) != os.devnull}


def ensure(module, systemd, unit, found, coming=()):
    """Make it so. `found` is what systemd shows of it now, `coming` are files that check mode leaves out."""
    name = unit["name"]
    if found["LoadState"] == "not-found" and not (unit["masked"] and unit["missing_ok"] is False):
        if unit["missing_ok"] or module.check_mode:
            if module.check_mode and not unit["missing_ok"]:
                for verb, wish in (("enable", unit["enabled"]), ("start", unit["state"] == "started")):
                    if wish:
                        systemd.do(verb, name)
            return
        module.fail_json(msg="there is no unit %s on this machine; the package that provides it is not installed" % name)
    masked = found["LoadState"] == "masked"
    if unit["masked"] is not None and unit["masked"] != masked:
        if unit["masked"] and found["ActiveState"] in ("active", "activating"):
            systemd.must("stop", name)
        systemd.must("mask" if unit["masked"] else "unmask", name)
        found = systemd.show(name)
    if unit["masked"]:
        return
    if found["LoadState"] == "masked" and (unit["enabled"] or unit["state"] == "started"):
        module.fail_json(
            msg="%s is masked; run `systemctl unmask %s`, then run this again" % (name, name), actions=systemd.actions
        )
    if found["NeedDaemonReload"] == "yes" or unread_drop_ins(name, found):
        systemd.do("daemon-reload")
        if not module.check_mode:
            found = systemd.show(name)
    switchable = found["UnitFileState"] in ("enabled", "enabled-runtime", "disabled")
    enabled = found["UnitFileState"] == "enabled"
    if unit["enabled"] is not None and switchable and enabled != unit["enabled"]:
        systemd.must("enable" if unit["enabled"] else "disable", name)
    active = found["ActiveState"] in ("active", "reloading", "activating")
    if unit["state"] == "stopped" and active:
        systemd.must("stop", name)
    elif unit["state"] == "started" and not active:
        if found["ActiveState"] == "failed":
            systemd.do("reset-failed", name)
        systemd.validate(unit)
        systemd.must("start", name)
    elif unit["state"] != "stopped" and active and unit["on_change"] != "nothing":
        cause = outdated(unit, found, coming)
        if cause:
            systemd.validate(unit)
            systemd.must(unit["on_change"], name)


def wait(module, systemd, unit):
    deadline = time.monotonic() + unit["timeout"]
    missing = [path for path in unit["wait_for"] if not os.path.exists(path)]
    while missing and time.monotonic() < deadline:
        time.sleep(0.1)
        missing = [path for path in missing if not os.path.exists(path)]
    if missing:
        module.fail_json(
            msg="%s did not make %s within %d seconds%s"
            % (unit["name"], " and ".join(missing), unit["timeout"], systemd.log(unit["name"])),
            actions=systemd.actions,
        )


def main():
    module = AnsibleModule(
        {
            "files": {"type": "list", "elements": "dict", "default": [], "options": file_lists.OPTIONS},
            "units": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS},
        },
        supports_check_mode=True,
    )
    paths, diffs = [], []
    try:
        file_lists.write(module, module.params["files"], paths, diffs)
    except fs.Unusable as error:
        module.fail_json(msg=str(error), paths=paths)
    except OSError as error:
        module.fail_json(msg=fs.sentence(error), paths=paths)
    if not os.path.isdir("/run/systemd/system"):
        module.fail_json(msg="this machine was not booted with systemd, which units need", paths=paths)
    systemd = Systemd(module)
    before, after = "", ""
    for unit in module.params["units"]:
        done = len(systemd.actions)
        was = systemd.show(unit["name"])
        ensure(module, systemd, unit, was, paths if module.check_mode else ())
        if len(systemd.actions) > done:
            before += "%s: %s, %s\n" % (unit["name"], was["ActiveState"], was["UnitFileState"] or was["LoadState"])
            after += "%s: %s\n" % (unit["name"], ", ".join(systemd.actions[done:]))
        if unit["state"] == "started" and not module.check_mode:
            wait(module, systemd, unit)
    diffs.append({"before_header": "units", "after_header": "units", "before": before, "after": after})
    module.exit_json(changed=bool(paths or systemd.actions), paths=paths, actions=systemd.actions, diff=diffs)


if __name__ == "__main__":
    main()
