"""A part of the archive."""

from __future__ import annotations

from collections.abc import Callable

from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """`path` in the archive, and how its text is got; "" leaves it out. It may raise any PykubeadmError, which is then noted."""

    path: str
    text: Callable[[], str]
