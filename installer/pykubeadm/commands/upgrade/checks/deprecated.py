"""Deprecated APIs that clients still use, by the API server's own count (KEP-1693)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pykubeadm.config.versions import Version
from pykubeadm.errors import ApiError
from pykubeadm.phases.preflight.check import FINE, Check, Findings, warning
from pykubeadm.util.dataclass import dataclass

METRIC = "apiserver_requested_deprecated_apis"
_LINE = re.compile(rf"^{METRIC}\{{(.*)\}} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_RELEASE = re.compile(r"1\.(\d+)")


@dataclass(frozen=True, slots=True)
class Deprecated:
    """A resource ("flowschemas") of an API ("flowcontrol.apiserver.k8s.io/v1beta3") and the minor that no longer serves it."""

    api_version: str
    resource: str
    removed_in: int


def deprecated_checks(metrics: Callable[[], str], targets: Iterable[Version]) -> tuple[Check, ...]:
    """`metrics` are the API server's, as text. A warning: the count is since the start of the API server, whoever asked."""
    newest = max((target.minor for target in targets), default=0)
    return (Check("DeprecatedAPIs", lambda _machine: _look(metrics, newest)),) if newest else ()


def requested(text: str) -> tuple[Deprecated, ...]:
    """Those that are removed one day, in the metric's lines of `text`."""
    found = []
    for line in _LINE.finditer(text):
        labels = dict(_LABEL.findall(line[1]))
        release = _RELEASE.fullmatch(labels.get("removed_release", ""))
        if release and float(line[2]) > 0:
            group, version = labels.get("group", ""), labels.get("version", "")
            found.append(Deprecated(f"{group}/{version}" if group else version, labels.get("resource", ""), int(release[1])))
    return tuple(sorted(set(found), key=lambda each: (each.api_version, each.resource)))


def _look(metrics: Callable[[], str], minor: int) -> Findings:
    try:
        text = metrics()
    except ApiError as error:
        return warning(f"which deprecated APIs are in use is not known: {error}")
    gone = [each for each in requested(text) if each.removed_in <= minor]
    if not gone:
        return FINE
    shown = ", ".join(f"{each.resource} of {each.api_version} (gone in 1.{each.removed_in})" for each in gone)
    return warning(
        f"clients use APIs that 1.{minor} does not serve: {shown}; the audit log, where it is on, says who"
        ' (annotation "k8s.io/deprecated")'
    )
