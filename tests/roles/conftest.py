"""The whole preparation for recorded systems, every module replaced by a recorder: real playbook, roles and templates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.roles.systems import SYSTEMS, facts

CHECKOUT = Path(__file__).resolve().parents[2]


class Recording:
    """Module calls by host, in order."""

    def __init__(self, lines, output):
        self.output = output
        self.calls = defaultdict(list)
        for line in lines:
            call = json.loads(line)
            self.calls[call["host"]].append(call)

    def of(self, host, module, role=""):
        """The arguments of the module's calls on a host."""
        return [
            call["args"]
            for call in self.calls[host]
            if call["module"] == module and (not role or (call["role"] or "").endswith(role))
        ]

    def file(self, host, path):
        """The entry for a path among all `files` calls; None where no call has it."""
        return next((entry for args in self.of(host, "files") for entry in args["files"] if entry["path"] == path), None)


def record(folder: Path, variables, systems=SYSTEMS, host_variables=None, *, playbook="prepare", recorded=None) -> Recording:
    """Run a playbook on all systems; asserts nothing about its success."""
    collection = folder / "collections" / "ansible_collections" / "pykubeadm" / "kube"
    (collection / "plugins" / "action").mkdir(parents=True)
    for part in ("roles", "playbooks", "meta", "galaxy.yml"):
        (collection / part).symlink_to(CHECKOUT / part)
    recorder = Path(__file__).with_name("recorder.py").read_text()
    for module in (CHECKOUT / "plugins" / "modules").glob("*.py"):
        (collection / "plugins" / "action" / module.name).write_text(recorder)
    (collection / "plugins" / "modules").symlink_to(CHECKOUT / "plugins" / "modules")
    hosts = {
        name: {
            "ansible_connection": "local",
            "ansible_become": False,
            "recorded": facts(name, system) | (recorded or {}).get(name, {}),
            "available": {"containerd": system.containerd},
            **(host_variables or {}).get(name, {}),
        }
        for name, system in systems.items()
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}))
    (folder / "ansible.cfg").write_text("")
    log = folder / "calls.jsonl"
    log.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_FORKS": "4",
        "RECORDER_FILE": str(log),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    arguments = [] if playbook == "prepare" else ["--check"]
    done = subprocess.run(
        [str(program), "--inventory", str(inventory), str(CHECKOUT / "playbooks" / f"{playbook}.yml"), *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return Recording(log.read_text().splitlines(), done.stdout + done.stderr)


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """With the roles' defaults; kubelet and CRI-O packages from their repositories."""
    return record(tmp_path_factory.mktemp("recording"), {"kubelet_source": "packages", "cni_plugins_source": "package"})
