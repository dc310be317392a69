"""`cluster etcd`: the commands below `etcd`, on a control plane of a fleet that can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.errors import PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet.certs import control_planes
from pykubeadm.fleet.machines import Connect, Machines, over_ssh

if TYPE_CHECKING:
    from pykubeadm.commands.etcd.members import Report
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

_API_SERVER = f"{MANIFESTS_DIR}/kube-apiserver.yaml"


def members(described: Described, options: Options, emit: Subscriber, *, connect: Connect | None = None) -> Report:
    """What every member says of itself. Raises what `etcd members` raises."""
    from pykubeadm.commands.etcd.members import report_members

    with _first(described, options, connect) as node:
        return report_members({}, emit, machine=node)


def save_snapshot(
    described: Described,
    given: Mapping[str, Any],
    options: Options,
    emit: Subscriber,
    *,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> None:
    """Keep an archive; `given` are the flags of `etcd snapshot save`, which name files of the control plane. Raises what that
    raises, and UsageError for paths that depend on where we are."""
    from pykubeadm.commands.etcd.save import save

    for name in ("store", "passphrase_file"):
        path = str(given.get(name) or "/")
        if not path.startswith("/") and "://" not in path:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag}: {path} would lie on a control plane: give the whole path there, from / on")
    with _first(described, options, connect, log) as node:
        save(given, emit, machine=node)


@contextmanager
def _first(described: Described, options: Options, connect: Connect | None, log: RunLog | None = None) -> Iterator[Node]:
    """The first control plane that can be reached and is one. PhaseError with what is in the way on each."""
    with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:
        errors = []
        for host in control_planes(described, options):
            try:
                node = machines.node(host)
                if node.stat(_API_SERVER) is None:
                    raise PhaseError(f"{host.name} is not a control plane yet")
            except PykubeadmError as error:
                errors.append(str(error))
                continue
            yield node
            return
        raise PhaseError("\n".join(errors or ["no host of this run is to be a control plane"]))
