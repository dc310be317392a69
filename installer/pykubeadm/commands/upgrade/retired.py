"""Flags and feature gates that components no longer know, by the minor that removed them: one that is left in extraArgs keeps its
component from starting.

Up to 1.36 the gates are those that Kubernetes' sources stopped listing (test/compatibility_lifecycle/reference:
versioned_feature_list.yaml). Those of 1.37 are from CHANGELOG-1.37 (kubernetes#135336, #137755, #138907, #139217) and from pull
requests (#138420, #138583, #138647, #138711, #138723, #138759, #139520, #139721, #140226). Of the flags,
kube-controller-manager's is from #138002, the kubelet's are cAdvisor's (#139870; in 1.36:
cmd/kubelet/app/options/globalflags_linux.go) and the one that kubeadm 1.37 removes (#138645). etcd 3.7 has none of the
experimental flags any more (etcd-io/etcd#19959).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, Any]:
    """`retired.json`: {"flags": {component: {minor: [flag, …]}}, "gates": {minor: [gate, …]}}; a flag may end in "*"."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("retired.json").read_text(encoding="utf-8"))
    return table


def retired_flags(component: str, names: Iterable[str], minor: int) -> list[str]:
    """Those of the flags (without dashes) that the component does not know in its version 1.`minor`, etcd in 3.`minor`."""
    gone = _up_to(_table()["flags"].get(component, {}), minor)
    return [name for name in dict.fromkeys(names) if any(fnmatchcase(name, flag) for flag in gone)]


def retired_gates(names: Iterable[str], minor: int) -> list[str]:
    """Those of Kubernetes' feature gates that are gone in 1.`minor`."""
    gone = _up_to(_table()["gates"], minor)
    return [name for name in names if name in gone]


def _up_to(removed: dict[str, list[str]], minor: int) -> set[str]:
    return {name for removed_in, names in removed.items() if int(removed_in) <= minor for name in names}
