"""What the phases of `reset` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from pykubeadm.errors import NodeError
from pykubeadm.phases.run import Run
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Planned

if TYPE_CHECKING:
    from pykubeadm.commands.reset.found import Found
    from pykubeadm.commands.reset.network import Links
    from pykubeadm.config.model import ResetConfiguration

T = TypeVar("T")

# What `--keep` takes: what kubeadm's reset leaves behind and this one removes.
KEEPABLE: Final = ("cni", "interfaces", "kubeconfig", "logs", "rules", "tmp", "units")
# Of these what the running kernel has: one for all roots, and programs below --rootfs would act on it.
KERNELS: Final = frozenset({"interfaces", "rules"})


@dataclass(slots=True, kw_only=True)
class ResetRun(Run):
    """One `reset`. `found` is what the node says of itself; there may be no cluster, or none that answers."""

    reset: ResetConfiguration
    found: Found
    sockets: tuple[str, ...]  # of the container runtimes that may have pods of the cluster, as URLs
    confirm: Callable[[], bool]  # asks the user; not called with --force or in a dry run
    keep: frozenset[str] = frozenset()  # of KEEPABLE
    home: str = ""  # of the user, with .kube/config; "" where there is none
    kubeconfig_path: str
    pods: frozenset[str] = frozenset()  # ids of those that the kubelet made, once they were looked for
    pods_remain: bool = False  # some of them, or nobody knows
    pods_went_alone: bool = False  # without their network's plugin: what they were plugged in with may be there for a moment
    has_guests: bool = False  # pods that no kubelet made run here, maybe on the cluster's network
    ends_cluster: bool = False  # etcd has no member but this node's
    links: Links | None = None  # once they were looked at

    def planned(self, lines: Iterable[str]) -> None:
        """In a dry run, list what a command would remove that does not name it."""
        if self.dry_run:
            self.emit(Planned(phase="", text="\n".join(lines)))


def in_turn(work: Callable[[T], Iterator[str]], items: Iterable[T]) -> Iterator[str]:
    """What `work` did to each of the items, whatever became of those before; NodeError with every failure at the end."""
    problems = []
    for item in items:
        try:
            yield from work(item)
        except NodeError as error:
            problems.append(str(error))
    if problems:
        raise NodeError("\n".join(problems))
