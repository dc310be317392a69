"""What tests of the collection's modules share. Import it where conftest.py has made the collection importable."""

from __future__ import annotations

import os

from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs


def mine(path, **fields):
    return fs.Wanted(str(path), owner=str(os.getuid()), group=str(os.getgid()), **fields)


class Machine:
    """Stands in for AnsibleModule: answers commands by their beginning, and remembers them."""

    check_mode = False
    tmpdir = None

    def __init__(self, answers=(), **params):
        self.answers = dict(answers)
        self.params = {"environment": {}, "repositories": [], "lock_timeout": 1} | params
        self.commands = []
        self.no_log_values = set()

    def run_command(self, command, **_options):
        line = " ".join(command)
        self.commands.append(line)
        found = next((answer for start, answer in self.answers.items() if line.startswith(start)), "")
        status, text = found if isinstance(found, tuple) else (0, found)
        return status, text, text if status else ""

    def get_bin_path(self, name, **_options):
        return "/usr/bin/" + name

    def fail_json(self, **result):
        raise AssertionError(result)

    def warn(self, message):
        raise AssertionError(message)
