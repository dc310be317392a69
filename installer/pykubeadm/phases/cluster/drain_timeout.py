"""How long a drain may take, for every command that has --drain-timeout."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pykubeadm.errors import UsageError

DRAIN_TIMEOUT: Final = timedelta(minutes=5)


def drain_timeout(given: str | None) -> timedelta:
    """What --drain-timeout gives; UsageError for what leaves pods no time. (To kubectl, 0 means that there is no end.)"""
    from pykubeadm.util.duration import parse_duration

    if given is None:
        return DRAIN_TIMEOUT
    try:
        timeout = parse_duration(given)
    except ValueError as error:
        raise UsageError(f"--drain-timeout: {error}") from error
    if timeout <= timedelta():
        raise UsageError(f'--drain-timeout: "{given}" leaves pods no time to go: give more than 0, such as 10m')
    return timeout
