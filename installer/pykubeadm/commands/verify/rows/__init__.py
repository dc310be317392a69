"""All rows, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.verify.row import Row
from pykubeadm.commands.verify.rows import configuration, containers, control_plane, controllers, devices, pods, services, storage

ROWS: Final[tuple[Row, ...]] = (
    *containers.ROWS,
    *pods.ROWS,
    *controllers.ROWS,
    *services.ROWS,
    *configuration.ROWS,
    *storage.ROWS,
    *devices.ROWS,
    *control_plane.ROWS,
)
