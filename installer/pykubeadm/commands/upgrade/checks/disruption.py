"""What would keep a node from being drained."""

from __future__ import annotations

from pykubeadm.phases.cluster.state import ClusterState
from pykubeadm.phases.preflight.check import FINE, Check, Findings, warning

_SHOWN = 5


def disruption_checks(state: ClusterState) -> tuple[Check, ...]:
    """A warning: whether nodes are drained is the user's choice, and budgets change while pods come and go."""
    return (Check("PodDisruptionBudgets", lambda _machine: blocking_budgets(state)),)


def blocking_budgets(state: ClusterState) -> Findings:
    """Budgets that allow no pod of theirs to be evicted now."""
    found = []
    for budget in state.disruption_budgets:
        status = budget.get("status") or {}
        if status.get("expectedPods", 0) > 0 and status.get("disruptionsAllowed", 0) == 0:
            metadata = budget["metadata"]
            found.append(f"{metadata.get('namespace', '')}/{metadata['name']}")
    if not found:
        return FINE
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return warning(
        f"PodDisruptionBudgets let no pod go: {', '.join(sorted(found)[:_SHOWN])}{more}; a drain of their nodes would wait for"
        " more replicas to be Ready"
    )
