"""What the phases of `certs rotate-ca` share."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from pykubeadm.commands.certs.rotation.record import Rotation
from pykubeadm.commands.certs.rotation.stages import Stage
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """How the user is told what to run next: by which command, and where."""

    command: str = "pykubeadm certs rotate-ca"
    where: str = " on a control plane"

    def to_run(self, arguments: str = "") -> str:
        """For the middle of a sentence."""
        return f"`{self.command}{arguments}`{self.where}"


ON_NODE: Final = Advice()


@dataclass(slots=True, kw_only=True)
class RotationRun(ClusterRun):
    """One `certs rotate-ca` on one node. `names` are what the user asked to begin with, () to continue what is under way."""

    has_control_plane: bool
    names: tuple[str, ...] = ()
    finish: bool = False  # continue to the stage that cannot be aborted
    abort: bool = False
    restart_workloads: bool = False
    advice: Advice = ON_NODE
    certificate_key: str = field(default="", repr=False)  # that the keys of CAs are encrypted with on their way to others
    rotation: Rotation | None = None  # the one that is under way, as it was read last
    is_due: bool = False  # whether this node has to come to the rotation's stage, and may by now

    @property
    def is_control_plane(self) -> bool:
        return self.has_control_plane

    @property
    def under_way(self) -> Rotation:
        """For phases that are only run while there is one."""
        if self.rotation is None:
            raise RuntimeError("no rotation is under way")
        return self.rotation

    def is_at(self, stage: Stage) -> bool:
        return self.rotation is not None and self.rotation.stage == stage
