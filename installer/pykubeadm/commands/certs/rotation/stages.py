"""The stages of a rotation: who signs, who is trusted, and what is restarted in each. docs/adr/0012 has them as a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

CA, FRONT_PROXY, ETCD, SERVICE_ACCOUNTS = "ca", "front-proxy-ca", "etcd-ca", "sa"
# What can be rotated, as kubeadm's phases of `init phase certs` are called.
NAMES: Final = (CA, FRONT_PROXY, ETCD, SERVICE_ACCOUNTS)
_ON_WORKERS: Final = frozenset({CA, SERVICE_ACCOUNTS})

_API_SERVER, _MANAGER, _SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
KUBELET: Final = "kubelet"


class Stage(StrEnum):
    """A state that all nodes are brought to before the next one is begun."""

    TRUST = "trust"
    ISSUE = "issue"
    DROP = "drop"
    WITHDRAW = "withdraw"
    RESTORE = "restore"

    @property
    def signs_new(self) -> bool:
        """Whether the new CA signs, rather than the old one."""
        return self in (Stage.ISSUE, Stage.DROP)

    @property
    def trusts_both(self) -> bool:
        return self not in (Stage.DROP, Stage.RESTORE)


NEXT: Final[Mapping[Stage, Stage]] = {
    Stage.TRUST: Stage.ISSUE,
    Stage.ISSUE: Stage.DROP,
    Stage.WITHDRAW: Stage.RESTORE,
}
BACK: Final[Mapping[Stage, Stage]] = {Stage.TRUST: Stage.RESTORE, Stage.ISSUE: Stage.WITHDRAW}

_TAKEN_UP: Final = {
    _API_SERVER: frozenset({SERVICE_ACCOUNTS}),
    _MANAGER: frozenset({CA, SERVICE_ACCOUNTS}),
    _SCHEDULER: frozenset({CA}),
    KUBELET: frozenset({CA, SERVICE_ACCOUNTS}),
}
_FORGOTTEN: Final = {
    "etcd": frozenset({ETCD}),
    _API_SERVER: frozenset({ETCD, SERVICE_ACCOUNTS}),
    _MANAGER: frozenset({CA}),
    _SCHEDULER: frozenset({CA}),
    KUBELET: frozenset({CA}),
}
# Program → what it reads only when it starts, of all that changes in the stage.
_RESTARTED: Final[Mapping[Stage, Mapping[str, frozenset[str]]]] = {
    Stage.TRUST: {"etcd": frozenset({ETCD}), _API_SERVER: frozenset({ETCD, SERVICE_ACCOUNTS}), _MANAGER: frozenset({CA})},
    Stage.ISSUE: _TAKEN_UP,
    Stage.DROP: _FORGOTTEN,
    Stage.WITHDRAW: _TAKEN_UP,
    Stage.RESTORE: _FORGOTTEN,
}


def restarted(stage: Stage, names: Collection[str]) -> tuple[str, ...]:
    """The programs that start again in `stage` of a rotation of `names`: static pods, and the kubelet last."""
    return tuple(program for program, reads in _RESTARTED[stage].items() if not reads.isdisjoint(names))


def concerns_workers(names: Collection[str]) -> bool:
    """Whether workers know anything of what is rotated."""
    return not _ON_WORKERS.isdisjoint(names)
