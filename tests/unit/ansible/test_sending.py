"""The action plugin of `downloads`, which sends what the module asks for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.pykubeadm.kube.plugins.action import downloads


@pytest.fixture
def node(monkeypatch):
    """(calls, sent, answers): what the module was called with, what went to the node, and how it answers, call by call."""
    calls, sent, answers = [], [], []

    def execute(_self, module_args, task_vars):
        assert task_vars == {}
        calls.append(module_args)
        return answers.pop(0)

    def transfer(_self, local, remote):
        sent.append((local, remote))
        return remote

    def make_tmp_path(plugin):
        sent.append("a directory")
        plugin._connection._shell.tmpdir = "/tmp/a"
        return "/tmp/a"

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    monkeypatch.setattr(ActionBase, "_make_tmp_path", make_tmp_path)
    monkeypatch.setattr(ActionBase, "_transfer_file", transfer)
    return calls, sent, answers


def act(args, *, check_mode=False, tmpdir=None):
    plugin = object.__new__(downloads.ActionModule)
    plugin._task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0)
    shell = SimpleNamespace(join_path=lambda *parts: "/".join(parts), tmpdir=tmpdir)
    plugin._connection = SimpleNamespace(transport="ssh", _shell=shell)
    return plugin.run(None, {})


def obtained(*installed, deferred=(), size=0):
    return {"changed": bool(installed), "installed": list(installed), "deferred": list(deferred), "bytes": size} | {
        "diff": [{"after": " ".join([*installed, *deferred])}]
    }


def test_what_is_missing_is_sent_into_a_directory_of_its_own(tmp_path, node):
    calls, sent, answers = node
    (tmp_path / "x").write_bytes(b"program")
    args = {"items": [{"name": "x", "controller_sources": [str(tmp_path / "x")]}]}
    answers += [obtained(deferred=["x"]), obtained("x"), obtained(deferred=["x"])]
    result = act(args)
    assert (result["changed"], result["installed"], [each["after"] for each in result["diff"]]) == (True, ["x"], ["x"])
    assert calls[1]["items"][0]["sources"] == ["/tmp/a/x"]
    assert act(args, check_mode=True)["installed"] == ["x"]
    assert sent == ["a directory", (str(tmp_path / "x"), "/tmp/a/x")]


def test_the_directory_that_ansible_made_is_used(tmp_path, node):
    """Without pipelining it has one before the module's first call, and removes one in the end."""
    _calls, sent, answers = node
    (tmp_path / "x").write_bytes(b"program")
    answers += [obtained(deferred=["x"]), obtained("x")]
    act({"items": [{"name": "x", "controller_sources": [str(tmp_path / "x")]}]}, tmpdir="/tmp/b")
    assert sent == [(str(tmp_path / "x"), "/tmp/b/x")]
