"""The table of what is gone, beside the feature gates that Kubernetes' sources list (test/compatibility_lifecycle/reference/
versioned_feature_list.yaml of 1.35 and 1.36; 1.37's was not read, its removals are from pull requests)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pykubeadm.commands.upgrade.retired import retired_flags, retired_gates

_GATES = Path(__file__).with_name("gates")


def _known(minor: int) -> set[str]:
    return set((_GATES / f"1.{minor}.txt").read_text(encoding="utf-8").split())


def test_what_1_36_no_longer_lists_is_gone_in_it() -> None:
    assert set(retired_gates(sorted(_known(35)), 36)) == _known(35) - _known(36)


def test_no_gate_is_gone_that_its_version_lists() -> None:
    assert retired_gates(sorted(_known(35)), 35) == []
    assert retired_gates(sorted(_known(36)), 36) == []


def test_gates_that_1_37_removes_are_gates_of_1_36() -> None:
    gone = retired_gates(sorted(_known(36)), 37)
    assert len(gone) == 25
    assert {"SidecarContainers", "APIServerTracing", "AnyVolumeDataSource", "PreventStaticPodAPIReferences"} < set(gone)


@pytest.mark.parametrize(
    ("component", "flag", "minor"),
    [
        ("kubelet", "containerd-namespace", 37),
        ("kube-controller-manager", "concurrent-service-syncs", 37),
        ("etcd", "experimental-initial-corrupt-check", 7),
    ],
)
def test_flags_are_gone_from_a_version_on(component: str, flag: str, minor: int) -> None:
    assert retired_flags(component, [flag, "v"], minor - 1) == []
    assert retired_flags(component, [flag, "v"], minor) == [flag]
    assert retired_flags(component, [flag, "v"], minor + 1) == [flag]
