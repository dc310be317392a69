"""What the phases of `reset` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pykubeadm.phases.run import Run

if TYPE_CHECKING:
    from pykubeadm.commands.reset.found import Found
    from pykubeadm.config.model import ResetConfiguration

# What `--keep` takes: what kubeadm's reset leaves behind and this one removes.
KEEPABLE: Final = ("cni", "interfaces", "kubeconfig", "rules", "state", "tmp", "units")


@dataclass(slots=True, kw_only=True)
class ResetRun(Run):
    """One `reset`. `found` is what the node says of itself; there may be no cluster, or none that answers."""

    reset: ResetConfiguration
    found: Found
    confirm: Callable[[], bool]  # asks the user; not called with --force or in a dry run
    keep: frozenset[str] = frozenset()  # of KEEPABLE
    home: str = ""  # of the user, with .kube/config; "" where there is none
    kubeconfig_path: str
