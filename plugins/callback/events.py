# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Reports what happens as one JSON object a line, on a file descriptor that the caller handed over."""

from __future__ import annotations

DOCUMENTATION = r"""
name: events
type: stdout
short_description: JSON lines on a file descriptor
description:
  - Writes one JSON object a line - task started, task ended on a host, and at the end the sums - for a program to read.
  - Without E(PYKUBEADM_EVENTS_FD) the lines go to standard output.
  - With E(PYKUBEADM_HELD_UNTIL), a path, the first task waits until something is there, and Ansible is loaded meanwhile.
  - Where nobody reads them any more, such as after the caller was killed, the playbook is interrupted, and the caller's folder
    E(PYKUBEADM_WORKSPACE) removed.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  descriptor:
    description: The number of the open file descriptor.
    type: int
    default: 1
    env:
      - name: PYKUBEADM_EVENTS_FD
"""

import contextlib
import gc
import glob
import json
import os
import select
import shutil
import signal
import threading
import time

from ansible.plugins.callback import CallbackBase

GRACE = 4  # seconds to end connections in: less than pykubeadm itself gives this process (ansible/playbook.py)
# Actions that do their work where Ansible runs; all others are a module call on the node.
CONTROLLER_ACTIONS = frozenset(
    "ansible.builtin." + name
    for name in [
        "add_host",
        "assert",
        "debug",
        "fail",
        "group_by",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "include_vars",
        "meta",
        "set_fact",
        "validate_argument_spec",
    ]
)


class CallbackModule(CallbackBase):
    """Each method is Ansible's; every line has the key "event"."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "pykubeadm.kube.events"

    def __init__(self, display=None):
        super().__init__(display=display)
        self.began = {}
        self.calls = {}

    def report(self, event, **fields):
        line = json.dumps(dict(event=event, **fields), default=str) + "\n"
        os.write(self.get_option("descriptor"), line.encode())

    def v2_playbook_on_start(self, playbook):
        gc.freeze()  # what was loaded stays: neither this process nor those of the tasks look through it again
        if os.getpgrp() == os.getpid():  # else others would be interrupted, too
            threading.Thread(target=end_with_reader, args=(self.get_option("descriptor"),), daemon=True).start()
        held_until = os.environ.get("PYKUBEADM_HELD_UNTIL")
        while held_until and not os.path.exists(held_until):
            time.sleep(0.02)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.task_started(task)

    def v2_playbook_on_handler_task_start(self, task):
        self.task_started(task)

    def task_started(self, task):
        self.began[task._uuid] = time.monotonic()
        self.report("task", role=role_of(task), task=name_of(task))

    def ended(self, result, outcome):
        task, host = part(result, "task"), part(result, "host")
        data = part(result, "result")
        action = task.resolved_action or task.action
        if outcome not in ("skipped", "unreachable") and action not in CONTROLLER_ACTIONS:
            self.calls[host.get_name()] = self.calls.get(host.get_name(), 0) + 1
        hidden = bool(data.get("_ansible_no_log") or task.no_log)
        began = self.began.get(task._uuid, time.monotonic())
        self.report(
            "result",
            host=host.get_name(),
            role=role_of(task),
            task=name_of(task),
            outcome=outcome,
            message="the details are hidden because they hold secrets" if hidden else message_of(data),
            changes=[] if hidden or outcome != "changed" else changes_of(data),
            diff="" if hidden or not task.diff or not data.get("diff") else self._get_diff(data["diff"]),
            warnings=[]
            if hidden
            else [str(warning) for warning in data.get("warnings") or [] if "remote_tmp" not in str(warning)],
            facts={} if hidden else (data.get("ansible_facts") or {}).get("pykubeadm") or {},
            output="" if hidden else output_of(data),
            seconds=round(time.monotonic() - began, 3),
        )

    def v2_runner_on_ok(self, result):
        self.ended(result, "changed" if part(result, "result").get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.ended(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self.ended(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self.ended(result, "unreachable")

    def v2_playbook_on_no_hosts_matched(self):
        self.report("no_hosts")

    def v2_playbook_on_stats(self, stats):
        hosts = {}
        for host in sorted(stats.processed):
            summary = stats.summarize(host)
            hosts[host] = {
                "ok": summary["ok"],
                "changed": summary["changed"],
                "failed": summary["failures"],
                "unreachable": summary["unreachable"],
                "calls": self.calls.get(host, 0),
            }
        self.report("stats", hosts=hosts)


def end_with_reader(descriptor):
    """Wait until nobody reads what is written to the descriptor (poll(2): POLLERR). Then do what the reader cannot do any more:
    remove its files, which may hold secrets, and end this process and its descendants; what is not over soon is killed."""
    watched = select.poll()
    watched.register(descriptor, 0)
    while not any(happened & select.POLLERR for _fd, happened in watched.poll()):
        time.sleep(1)
    groups = groups_of(os.getpid())
    last = os.fork()  # a process, for this one may end at any time, and its threads with it
    if not last:
        clean_up(groups)
    with contextlib.suppress(OSError):  # it came first
        os.setpgid(last, last)
    for group in groups - {os.getpgrp()}:
        send(group, signal.SIGTERM)
    os.killpg(os.getpgrp(), signal.SIGINT)


def groups_of(process):
    """The process groups of a process and its descendants: since ansible-core 2.19 workers have sessions of their own, where
    signals to our group do not arrive. Only the process's own where there is no /proc."""
    groups, found = {os.getpgid(process)}, [process]
    for parent in found:
        for path in glob.glob("/proc/%d/task/*/children" % parent):
            with contextlib.suppress(OSError), open(path) as children:
                found += map(int, children.read().split())
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(parent))
    return groups


def clean_up(groups):
    """Remove the caller's files, kill what is still there of process groups when the grace is over, and end this process."""
    try:
        os.setpgid(0, 0)
        if workspace := os.environ.get("PYKUBEADM_WORKSPACE"):
            shutil.rmtree(workspace, ignore_errors=True)
        deadline = time.monotonic() + GRACE
        while any(send(group, 0) for group in groups) and time.monotonic() < deadline:
            time.sleep(0.1)
        for group in groups:
            send(group, signal.SIGKILL)
    finally:
        os._exit(0)


def send(group, what):
    """Send a signal to a process group; whether there is anybody in it."""
    try:
        os.killpg(group, what)
    except ProcessLookupError:
        return False
    except PermissionError:  # by sudo it is another user's
        return True
    return True


def part(result, name):
    """`result.task` and its like; before ansible-core 2.19 they are `result._task`."""
    return getattr(result, name) if hasattr(type(result), name) or hasattr(result, name) else getattr(result, "_" + name)


def role_of(task):
    return task._role.get_name() if task._role else ""


def name_of(task):
    name = task.get_name()
    return name.partition(" : ")[2] or name


def message_of(data):
    """The module's message; of a module that broke, the last line of its traceback; of a command, the last ones of its errors;
    of a loop, the failed items'."""
    items = [message_of(item) for item in data.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    if items:
        return "; ".join(items)
    trace = str(data.get("module_stderr") or data.get("exception") or "").strip().splitlines()
    message = str(data.get("msg") or "").strip()
    if message.startswith("MODULE FAILURE") and trace:
        return "%s (the module broke: %s)" % (message.splitlines()[0], trace[-1])
    lines = str(data.get("stderr") or "").strip().splitlines()
    if message == "non-zero return code" and lines:
        command = data.get("cmd")
        return "%s: %s" % (command[0] if isinstance(command, list) and command else "the shell", " / ".join(lines[-3:]))
    return message


def changes_of(data):
    """What changed, in the modules' own words."""
    found = []
    for key in ("paths", "actions", "installed", "held", "loaded", "imported", "pulled", "opened"):
        found += [str(value) for value in data.get(key) or []]
    return found + ["%s was %s" % pair for pair in (data.get("drifted") or {}).items()]


def output_of(data):
    """What a command wrote, with the command; of a loop, all of them."""
    items = [output_of(item) for item in data.get("results") or [] if isinstance(item, dict)]
    command = data.get("cmd") or ""
    line = "$ " + (" ".join(map(str, command)) if isinstance(command, list) else str(command)) if command else ""
    return "\n".join(filter(None, [line, *(str(data.get(key) or "") for key in ("stdout", "stderr")), *items]))
