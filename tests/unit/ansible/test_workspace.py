from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from pathlib import Path

import pytest
import yaml
from ansible.config.manager import ConfigManager

from pykubeadm.ansible.workspace import Late, workspace
from pykubeadm.errors import NodeError


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!unsafe", lambda _loader, node: ("unsafe", node.value))


def load(path):
    return yaml.load(Path(path).read_text(), Loader)  # noqa: S506 - a SafeLoader with one more tag


def test_variables_are_ours_alone_and_gone_afterwards():
    with workspace({"secret": "s3cret"}) as space:
        defaults, local = space.inventories
        assert os.stat(defaults).st_mode & 0o777 == 0o600
        assert load(defaults) == {"all": {"vars": {"secret": "s3cret"}}}
        here = load(local)["all"]["hosts"]["localhost"]
        assert here["ansible_connection"] == "local"
        assert here["ansible_remote_tmp"].startswith(space.directory)  # nothing is left in the user's home
        assert os.path.isfile(os.path.join(space.directory, "ansible_collections/pykubeadm/kube/galaxy.yml"))
        assert os.path.isfile(space.playbook("prepare"))
    assert not os.path.exists(space.directory)


def test_text_that_looks_like_a_template_stays_text():
    with workspace({"a": "{{ lookup('pipe', 'id') }}", "b": ["{% x %}"], "c": "plain"}) as space:
        assert load(space.inventories[0])["all"]["vars"] == {
            "a": ("unsafe", "{{ lookup('pipe', 'id') }}"),
            "b": [("unsafe", "{% x %}")],
            "c": "plain",
        }


def test_inventories_of_the_user_come_after_ours():
    with workspace({}, ("/etc/hosts.yml",)) as space:
        assert space.inventories[1:] == ("/etc/hosts.yml",)


def test_ansible_and_the_programs_it_starts_speak_english(monkeypatch):
    """What they say is looked through for what is wrong."""
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    with workspace({}) as space:
        assert "LANGUAGE" not in space.environment
        assert space.environment["LC_ALL"] == "C.UTF-8"


def test_the_users_ansible_settings_are_left_out(monkeypatch):
    monkeypatch.setenv("ANSIBLE_STRATEGY", "debug")
    monkeypatch.setenv("ANSIBLE_PRIVATE_KEY_FILE", "/k")
    with workspace({}) as space:
        assert "ANSIBLE_STRATEGY" not in space.environment
        assert space.environment["ANSIBLE_PRIVATE_KEY_FILE"] == "/k"
        assert Path(space.environment["ANSIBLE_CONFIG"]).parent == Path(space.directory)


def test_ansible_waits_without_keeping_a_processor_busy():
    with workspace({}) as space:
        settings = ConfigManager(space.environment["ANSIBLE_CONFIG"])
        assert settings.get_config_value("DEFAULT_INTERNAL_POLL_INTERVAL") == 0.01


def test_what_is_read_for_one_machine_does_not_hold_what_is_for_others():
    """Else each of many machines has Ansible read the routes of all, again and again."""
    routes = {"c1": [{"via": "10.0.0.2"}], "w1": [{"via": "10.0.0.1"}]}
    document = {"all": {"hosts": {name: {"routes": Late(f"{name}.routes")} for name in routes}}}
    with workspace({}, hosts=document) as space:
        assert not os.path.exists(space.late)
        space.begin({f"{name}.routes": value for name, value in routes.items()})
        assert os.path.exists(space.late)
        for name, own in load(space.inventories[-1])["all"]["hosts"].items():
            [path] = re.findall(r"'(/\S+)'", own["routes"])
            assert json.loads(Path(space.directory + path).read_text()) == routes[name]


def test_the_users_vaults_can_be_opened_from_wherever_ansible_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "password")
    monkeypatch.setenv("ANSIBLE_VAULT_IDENTITY_LIST", "prod@~/prod.txt, dev@prompt,one")
    with workspace({}) as space:
        assert space.environment["ANSIBLE_VAULT_PASSWORD_FILE"] == f"{tmp_path}/password"
        assert space.environment["ANSIBLE_VAULT_IDENTITY_LIST"] == f"prod@/home/me/prod.txt,dev@prompt,{tmp_path}/one"


def test_a_machine_that_died_is_given_up_unless_the_user_says_how_ssh_is_called(monkeypatch):
    monkeypatch.delenv("ANSIBLE_SSH_ARGS", raising=False)
    with workspace({}) as space:
        assert "ServerAliveInterval=15" in space.environment["ANSIBLE_SSH_ARGS"]
    monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-4")
    with workspace({}) as space:
        assert space.environment["ANSIBLE_SSH_ARGS"] == "-4"


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as written:
        written.setattr(os, "symlink", full)
        with pytest.raises(NodeError, match=rf"cannot write to {tmp_path}/pykubeadm-\S+: No space left on device; make room"):
            workspace({}).__enter__()
    assert os.listdir(tmp_path) == []
    with monkeypatch.context() as searched:
        searched.setattr(tempfile, "tempdir", None)
        searched.setattr(tempfile, "_get_default_tempdir", full)
        with pytest.raises(NodeError, match="cannot make a temporary directory: No space left on device; make room"):
            workspace({}).__enter__()


def test_errors_while_it_is_used_are_not_its_own():
    with pytest.raises(BrokenPipeError), workspace({}):
        raise BrokenPipeError
