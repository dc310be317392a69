"""Writes merged objects: only what changes, and only over what was merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import retrying, sentence
from pykubeadm.kube.port import Api
from pykubeadm.phases.addons.merging import Update
from pykubeadm.workflow.phase import Changes


def apply_updates(api: Api, merge: Callable[[], Sequence[Update]]) -> Changes:
    """Write what `merge` gives, merged again where something changed meanwhile. PhaseError, before anything is written, where
    somebody changed what has to be changed, too."""
    changes: list[str] = []

    def once() -> None:
        found = merge()
        require_mergeable([conflict for each in found for conflict in each.conflicts])
        for each in found:
            if each.changes:
                if each.live is None:
                    api.create(each.wanted)
                else:
                    api.replace(each.wanted)
                changes.append(sentence("created" if each.live is None else "updated", each.wanted))

    retrying(once, api.call_timeout, settling=False)
    return changes


def require_mergeable(conflicts: Sequence[str]) -> None:
    """PhaseError that names each conflict."""
    if conflicts:
        raise PhaseError(
            "\n".join(
                [
                    "what you changed and what is to be changed cannot be merged; set these places to either value:",
                    *(f"\t- {conflict}" for conflict in conflicts),
                ]
            )
        )
