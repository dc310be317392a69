"""Upgrades of a control plane that are killed before each single change, fail then, or find the disk full: some hundred runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from pykubeadm.errors import NodeError, PhaseError, PykubeadmError
from pykubeadm.phases.replacing.record import read_record
from tests.support.upgrade_runs import (
    COMPONENTS,
    NEW,
    OLD,
    ControlPlaneNode,
    FakeEtcd,
    WatchedNode,
    attach,
    images,
    made,
    secrets,
    upgraded,
)

KUBE = COMPONENTS[1:]
EVERY = 4  # where each single change would cost more than it shows


def killed(template: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> Iterator[ControlPlaneNode]:
    """The node as runs leave it that are killed before each of their changes; `attributes` are those of the node."""
    watched = WatchedNode(name="cp1", files=dict(template.files), **attributes)
    attach(monkeypatch, watched, FakeEtcd())
    try:
        upgraded(watched)
    except PhaseError:
        assert attributes
    assert len(watched.states) > 40
    for files in watched.states:
        node = ControlPlaneNode(name="cp1", files=files, **attributes)
        attach(monkeypatch, node, FakeEtcd())
        yield node


def outcome(node: ControlPlaneNode) -> str:
    """What another run ends with, "" where that is the new version."""
    try:
        upgraded(node)
    except PhaseError as error:
        return str(error)
    return ""


def test_killed_before_any_change_the_next_run_finishes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for changes, node in enumerate(killed(made()[0], monkeypatch)):
        upgraded(node)
        assert images(node) == {NEW, "3.6.8-0"}, changes
        assert read_record(node) is None
        if changes % EVERY == 0:
            assert upgraded(node) == []


def test_killed_before_a_change_and_failing_then_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The former content comes from the copies of the run that began, not from what the next one finds."""
    template, _api = made()
    manifests, kept = template.manifests(), secrets(template)

    def ails(name: str, manifest: str) -> str:
        return "it crashed" if name == "kube-scheduler" and NEW in manifest else ""

    for changes, node in enumerate(islice(killed(template, monkeypatch, ails=ails), 0, None, EVERY)):
        said = outcome(node)
        assert said == "" or f"runs {OLD} as before" in said, changes
        assert node.manifests() == manifests, changes
        assert {path for path in kept if secrets(node)[path] != kept[path]} == set(), changes
        assert read_record(node) is None


def test_a_full_disk_at_any_change_ends_at_either_version_once_there_is_space(monkeypatch: pytest.MonkeyPatch) -> None:
    template, _api = made()
    manifests = template.manifests()

    class FullNode(WatchedNode):
        left = -1

        def before_change(self) -> None:
            if self.left == 0:
                raise NodeError("no space is left on its file system")
            self.left -= 1

    for changes in range(0, 40, 5):
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
