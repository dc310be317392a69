"""What integration tests share."""

from __future__ import annotations

from tests.support.environment import no_proxies

__all__ = ["no_proxies"]  # for pytest, which takes the fixtures that it finds here
