"""Copies of what is about to change: the newest are kept, and the one that was just made whatever the clock says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.phases.replacing.copies import KEPT, copy_manifests
from pykubeadm.phases.replacing.etcd import take_snapshot
from tests.support.upgrade_runs import LATER, NEW, OLD, ControlPlaneNode, cluster_of, upgrade_run, upgraded

AHEAD = LATER + timedelta(days=400)


def copied(node: ControlPlaneNode, days: int) -> str:
    run, _events = upgrade_run(node, cluster_of(), now=lambda: AHEAD + timedelta(days=days))
    take_snapshot(run)
    return copy_manifests(run, ["etcd"])


def test_the_oldest_go(node: ControlPlaneNode) -> None:
    places = [copied(node, days) for days in range(KEPT + 2)]
    assert [place for place in places if node.stat(place) is None] == places[:2]


def test_what_a_clock_that_was_ahead_has_named_does_not_push_out_what_is_needed(node: ControlPlaneNode) -> None:
    for days in range(KEPT):
        copied(node, days)
    before = node.manifests()
    node.ails = lambda name, manifest: "it crashed" if name == "kube-scheduler" and NEW in manifest else ""
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)
    assert node.manifests() == before
    snapshots = [path for path in node.files if path.endswith("snapshot.db")]
    assert any(f"{LATER:%Y-%m-%d}" in path for path in snapshots)
    assert len(snapshots) == KEPT
