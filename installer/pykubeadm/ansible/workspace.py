"""A temporary directory in which ansible-playbook finds the collection and an inventory, and no configuration but ours."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from pykubeadm.errors import NodeError
from pykubeadm.resources import collection_dir
from pykubeadm.util.dataclass import dataclass

LOCAL_HOST = "localhost"
# Ansible's own, and that a machine which says nothing for 45 s is gone: else ssh waits for a quarter of an hour.
_SSH_ARGS = "-C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=15 -o ServerAliveCountMax=3"
# How often ssh is tried again, at once, after one second, and after three: of many who come by way of the same jump host, its
# sshd drops some (MaxStartups). Ansible does not tell that from a key or a host key that is refused; a wrong password is not
# tried again.
_SSH_RETRIES = "3"
# How often Ansible looks whether a task is through and what is next on each host. Every millisecond, which is its default, the
# strategy "free" takes a tenth of a processor for that, and more with each host. This setting has no environment variable.
_SETTINGS = "[defaults]\ninternal_poll_interval = 0.01\n"
_LATE = "late"
_KEPT = (
    "ANSIBLE_HOST_KEY_CHECKING",
    "ANSIBLE_PRIVATE_KEY_FILE",
    "ANSIBLE_REMOTE_USER",
    "ANSIBLE_SSH_ARGS",
    "ANSIBLE_SSH_COMMON_ARGS",
    "ANSIBLE_SSH_RETRIES",
)


_VAULT_PASSWORD, _VAULT_IDENTITIES = "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST"


@dataclass(frozen=True, slots=True)
class Workspace:
    """`environment` is what ansible-playbook runs with; `inventories` are in the order of rising precedence."""

    directory: str
    environment: Mapping[str, str]
    inventories: tuple[str, ...]

    def playbook(self, name: str) -> str:
        return str(collection_dir() / "playbooks" / f"{name}.yml")

    @property
    def given(self) -> tuple[str, ...]:
        """The inventories that are the user's."""
        return tuple(path for path in self.inventories if os.path.dirname(path) != self.directory)

    def write(self, name: str, document: object) -> str:
        """A file of its own, as JSON, which Ansible takes for YAML: templates stay templates. Its path."""
        path = os.path.join(self.directory, name)
        with _room(f"write to {self.directory}"), open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)
        return path

    @property
    def late(self) -> str:
        """The folder with the variables that are `Late`. A playbook that is held goes on when it is there."""
        return os.path.join(self.directory, _LATE)

    def begin(self, variables: Mapping[str, Any]) -> None:
        """Say what the late ones are: each in a file of its own, for Ansible reads it each time that it is used."""
        with _room(f"write to {self.directory}"):
            os.mkdir(f"{self.late}.new")
        for name, value in variables.items():
            self.write(f"{_LATE}.new/{name}.json", value)
        with _room(f"write to {self.directory}"):
            os.rename(f"{self.late}.new", self.late)


class Late(str):
    """A variable that is not known yet when Ansible starts: this is what `Workspace.begin` calls it."""

    __slots__ = ()


@contextmanager
def workspace(
    variables: Mapping[str, Any],
    inventories: tuple[str, ...] = (),
    host_name: str = LOCAL_HOST,
    *,
    hosts: Mapping[str, Any] | None = None,
) -> Iterator[Workspace]:
    """A workspace with `variables` for all nodes, which the user's `inventories`, or an inventory given as a document (`hosts`),
    may override; without any, the one node is this machine, under the name `host_name`. Removed at the end; readable by us alone,
    for variables may hold secrets. NodeError where there is no room for it."""
    if not (collection_dir() / "galaxy.yml").is_file():
        raise NodeError(f"the node roles are not below {collection_dir()}; install pykubeadm again")
    with _room("make a temporary directory"):
        temporary = tempfile.TemporaryDirectory(prefix="pykubeadm-ansible-")
    with temporary as directory:
        with _room(f"write to {directory}"):
            _link_collection(directory)
            defaults = _write(directory, "defaults.yml", {"all": {"vars": dict(variables)}})
            if hosts is not None:
                inventories = (*inventories, _write(directory, "hosts.yml", hosts))
            if not inventories:
                inventories = (_write(directory, "local.yml", {"all": {"hosts": {host_name: _local(directory)}}}),)
        yield Workspace(directory, _environment(directory), (defaults, *inventories))


@contextmanager
def _room(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NodeError(f"cannot {what}: {error.strerror}; make room there, or name another directory with TMPDIR") from error


def _link_collection(directory: str) -> None:
    home = os.path.join(directory, "ansible_collections", "pykubeadm")
    os.makedirs(home)
    os.symlink(collection_dir(), os.path.join(home, "kube"))
    with open(os.path.join(directory, "ansible.cfg"), "w", encoding="utf-8") as file:
        file.write(_SETTINGS)  # all else is in the environment, and the user's own file is not read


def _local(directory: str) -> dict[str, Any]:
    """This machine in an inventory."""
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "ansible_remote_tmp": os.path.join(directory, "tmp"),  # or it makes ~/.ansible, even in check mode
    }


def _write(directory: str, name: str, document: object) -> str:
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        yaml.dump(document, file, Dumper=_Dumper, sort_keys=False)
    return path


class _Dumper(yaml.CSafeDumper):
    """Text that looks like a template is data: !unsafe keeps Ansible from rendering it."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    tag = "!unsafe" if "{{" in text or "{%" in text or "{#" in text else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text)


def _represent_late(dumper: yaml.CSafeDumper, name: Late) -> yaml.ScalarNode:
    file = f"lookup('ansible.builtin.env', 'PYKUBEADM_WORKSPACE') ~ '/{_LATE}/{name}.json'"
    template = f"{{{{ lookup('ansible.builtin.file', {file}) | from_json }}}}"
    return dumper.represent_scalar("tag:yaml.org,2002:str", template)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Late, _represent_late)


def _environment(directory: str) -> dict[str, str]:
    """Ours alone: the user's ansible.cfg could switch on anything. The user's settings of SSH and of vaults are kept, the latter
    with whole paths, as Ansible runs elsewhere."""
    others = {name: value for name, value in os.environ.items() if name != "LANGUAGE"}  # which comes before LC_ALL
    kept = {name: value for name, value in others.items() if not name.startswith("ANSIBLE_") or name in _KEPT}
    if password := os.environ.get(_VAULT_PASSWORD):
        kept[_VAULT_PASSWORD] = _whole(password)
    if identities := os.environ.get(_VAULT_IDENTITIES):
        kept[_VAULT_IDENTITIES] = ",".join(_identity(each.strip()) for each in identities.split(","))
    # The user's own collections stay visible, for the connection plugins that an inventory may name.
    collections = [directory, *filter(None, os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":"))]
    return (
        {"ANSIBLE_SSH_ARGS": _SSH_ARGS, "ANSIBLE_SSH_RETRIES": _SSH_RETRIES}
        | kept
        | {
            "ANSIBLE_CONFIG": os.path.join(directory, "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": ":".join(
                [*collections, os.path.expanduser("~/.ansible/collections"), "/usr/share/ansible/collections"]
            ),
            "ANSIBLE_STDOUT_CALLBACK": "pykubeadm.kube.events",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NO_TARGET_SYSLOG": "true",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_INVENTORY_ENABLED": "host_list,script,auto,yaml,ini,toml",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
            "ANSIBLE_LOCAL_TEMP": os.path.join(directory, "tmp"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_DEPRECATION_WARNINGS": "false",
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
        }
    )


def _whole(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _identity(text: str) -> str:
    """LABEL@PATH or PATH; nobody is there to be prompted."""
    label, at, path = text.rpartition("@")
    return text if path == "prompt" else f"{label}{at}{_whole(path)}"
