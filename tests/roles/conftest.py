"""The whole preparation for recorded systems, every module replaced by a recorder: real playbook, roles and templates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import yaml

from tests.roles.systems import facts

CHECKOUT = Path(__file__).resolve().parents[2]


class Recording:
    """Module calls by host, in order; what `units` does with files first as a call of its own."""

    def __init__(self, lines, output):
        self.output = output
        self.calls = defaultdict(list)
        for line in lines:
            call = json.loads(line)
            if call["module"] == "units" and "files" in call["args"]:
                self.calls[call["host"]].append(call | {"module": "files", "args": {"files": call["args"].pop("files")}})
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


def preparation(roles):
    """The playbook `prepare` in plays that keep only the roles named for their hosts (host → names, () for all of them): Ansible
    takes its time for each task of each host, also where it skips it."""
    [play] = yaml.safe_load((CHECKOUT / "playbooks" / "prepare.yml").read_text())
    hosts_of = defaultdict(list)
    for host, names in roles.items():
        hosts_of[tuple(names)].append(host)
    return [
        play | {"hosts": _pattern(hosts), "roles": [entry for entry in play["roles"] if not names or entry["tags"][-1] in names]}
        for names, hosts in hosts_of.items()
    ]


def _pattern(hosts):
    """A template with a filter and a test, as in the playbook itself: what Ansible loads for it, the process of each task does
    not load again."""
    return f"{{{{ (prepare_hosts if prepare_hosts is defined else '{','.join(hosts)}') | default('') }}}}"


def record(
    folder: Path,
    variables,
    systems,
    host_variables=None,
    *,
    roles=None,
    playbook="prepare",
    recorded=None,
    extra=None,
    tags=(),
    check=False,
) -> Recording:
    """Run a playbook on all systems, `prepare` with those of its roles that `roles` names for a host; asserts nothing about its
    success. `extra` are variables that come before those of the roles themselves, `tags` those that are run, () for all;
    `check` is for `prepare`, others are always run in check mode."""
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
            "ansible_python_interpreter": sys.executable,
            "recorded": facts(name, system) | (recorded or {}).get(name, {}),
            "available": {"containerd": system.containerd},
            **(host_variables or {}).get(name, {}),
        }
        for name, system in systems.items()
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))  # which Ansible reads in no time
    (folder / "ansible.cfg").write_text("")
    play = CHECKOUT / "playbooks" / f"{playbook}.yml"
    if playbook == "prepare":
        play = folder / "prepare.yml"
        play.write_text(yaml.safe_dump(preparation({name: (roles or {}).get(name, ()) for name in systems})))
    log = folder / "calls.jsonl"
    log.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_FORKS": "4",
        "RECORDER_FILE": str(log),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(__file__).with_name("playbook.py")
    arguments = ["--extra-vars", json.dumps(extra or {})]
    arguments += [f"--tags={','.join(tags)}"] if tags else []
    arguments += ["--check"] if check or playbook != "prepare" else []
    arguments += [] if playbook == "prepare" else ["--extra-vars", "network_host=all"]
    done = subprocess.run(
        [sys.executable, str(program), "--inventory", str(inventory), str(play), *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return Recording(log.read_text().splitlines(), done.stdout + done.stderr)
