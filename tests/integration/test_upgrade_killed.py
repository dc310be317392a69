"""Upgrades of a control plane that are killed after each single change, fail then, or find the disk full: some hundred runs."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.commands.upgrade.record import read_record
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError
from tests.support.upgrade_runs import (
    COMPONENTS,
    NEW,
    OLD,
    ControlPlaneNode,
    FakeEtcd,
    attach,
    images,
    made,
    secrets,
    upgraded,
)

KUBE = COMPONENTS[1:]
EVERY = 4  # where each single change would cost more than it shows


class PowerCutError(Exception):
    pass


class FailingNode(ControlPlaneNode):
    """Loses power after a number of changes, also in the middle of a batch."""

    left = -1

    def _spend(self) -> None:
        if self.left == 0:
            raise PowerCutError
        self.left -= 1

    def write(self, files):
        for file in files:
            self._spend()
            super().write([file])
        return tuple(file.path for file in files)

    def remove(self, paths):
        self._spend()
        return super().remove(paths)


def cut_at(template: ControlPlaneNode, changes: int, monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> FailingNode | None:
    """The node after a run that was killed after so many changes; None where it came to its end before."""
    node = FailingNode(name="cp1", files=dict(template.files))
    for name, value in attributes.items():
        setattr(node, name, value)
    attach(monkeypatch, node, FakeEtcd())
    node.left = changes
    try:
        upgraded(node)
    except PowerCutError:
        node.left = -1
        return node
    except PykubeadmError:
        return None
    return None


def outcome(node: ControlPlaneNode) -> str:
    """What another run ends with, "" where that is the new version."""
    try:
        upgraded(node)
    except PhaseError as error:
        return str(error)
    return ""


def test_killed_after_any_change_the_next_run_finishes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    template, _api = made()
    changes = 0
    while (node := cut_at(template, changes, monkeypatch)) is not None:
        upgraded(node)
        assert images(node) == {NEW, "3.6.8-0"}, changes
        assert read_record(node) is None
        if changes % EVERY == 0:
            assert upgraded(node) == []
        changes += 1
    assert changes > 50


def test_killed_after_a_change_and_failing_then_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The former content comes from the copies of the run that began, not from what the next one finds."""
    template, _api = made()
    manifests, kept = template.manifests(), secrets(template)

    def ails(name: str, manifest: str) -> str:
        return "it crashed" if name == "kube-scheduler" and NEW in manifest else ""

    changes = 0
    while (node := cut_at(template, changes, monkeypatch, ails=ails)) is not None:
        said = outcome(node)
        assert said == "" or f"runs {OLD} as before" in said, changes
        assert node.manifests() == manifests, changes
        assert {path for path in kept if secrets(node)[path] != kept[path]} == set(), changes
        assert read_record(node) is None
        changes += EVERY
    assert changes > 50


def test_a_full_disk_at_any_change_ends_at_either_version_once_there_is_space(monkeypatch: pytest.MonkeyPatch) -> None:
    template, _api = made()
    manifests = template.manifests()

    class FullNode(FailingNode):
        def _spend(self) -> None:
            if self.left == 0:
                raise NodeError("no space is left on its file system")
            self.left -= 1

    for changes in range(0, 60, 7):
        node = FullNode(name="cp1", files=dict(template.files))
        attach(monkeypatch, node, FakeEtcd())
        node.left = changes
        with pytest.raises(PykubeadmError, match="no space is left"):
            upgraded(node)
        node.left = -1
        said = outcome(node)
        assert said == "" or f"runs {OLD} as before" in said, changes
        same = [name for name in KUBE if node.manifests()[name] == manifests[name]]
        assert same == (list(KUBE) if said else []), changes
        assert read_record(node) is None
