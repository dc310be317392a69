"""The quickstart's rehearsal runs phases that init has, and none that needs Kubernetes' binaries."""

from __future__ import annotations

from lab.quickstart import NOT_REHEARSED, REHEARSED
from pykubeadm.commands.init.phases import PHASES


def test_the_rehearsed_phases_exist_and_none_comes_after_the_kubelet_s_start() -> None:
    names = [phase.name for phase in PHASES]
    assert [name for name in names if name in REHEARSED] == list(REHEARSED)
    assert set(names[names.index("kubelet-start") :]) <= set(NOT_REHEARSED)
