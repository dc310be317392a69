"""`verify`: which rows, on which cluster, and the whole of what came of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from pykubeadm.commands.verify.cluster import look_at
from pykubeadm.commands.verify.row import Row, RowResult
from pykubeadm.commands.verify.rows import ROWS
from pykubeadm.commands.verify.run import NAMESPACE_PREFIX, Begin, Report, run_rows
from pykubeadm.errors import UsageError
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of all rows, in their order; `seconds` with the namespace's removal, `left` why it is still there, or ""."""

    server: str
    namespace: str
    results: tuple[RowResult, ...]
    seconds: float
    left: str = ""

    @property
    def failed(self) -> tuple[RowResult, ...]:
        return tuple(result for result in self.results if result.outcome == "failed")

    def count(self, outcome: str) -> int:
        return sum(result.outcome == outcome for result in self.results)


def verify(
    credentials: Credentials, *, only: Sequence[str], skip: Sequence[str], image: str, begin: Begin, report: Report
) -> Verification:
    """Run the rows that `only` and `skip` leave, by name or group, and report each. UsageError where they name what is not there,
    ApiError where the cluster gives no answer at all."""
    rows = chosen(only, skip)
    began = time.monotonic()
    namespace = f"{NAMESPACE_PREFIX}{secrets.token_hex(3)}"
    api = ClusterApi(credentials)
    cluster = look_at(api, PodStreams(credentials), credentials, namespace=namespace, image=image)
    results, left = run_rows(cluster, rows, begin, report)
    return Verification(api.server, namespace, tuple(results), time.monotonic() - began, left)


def chosen(only: Sequence[str], skip: Sequence[str]) -> tuple[Row, ...]:
    """The rows that are named by themselves or by their group; all of them where `only` is empty."""
    known = {name for row in ROWS for name in (row.name, row.group)}
    if unknown := [name for name in (*only, *skip) if name not in known]:
        groups = ", ".join(dict.fromkeys(row.group for row in ROWS))
        raise UsageError(f"there is no row or group {', '.join(unknown)}; the groups are {groups}, and --list lists the rows")
    rows = tuple(row for row in ROWS if (not only or {row.name, row.group} & set(only)) and not {row.name, row.group} & set(skip))
    if not rows:
        raise UsageError("no row is left of those that --only and --skip name")
    return rows
