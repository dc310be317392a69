"""`cluster run` and `cluster kubeconfig`: a command on every machine, the administrator's kubeconfig from one that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pykubeadm.config.fleet import CONTROL_PLANE
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet.look import look
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.node.port import Command, Completed

if TYPE_CHECKING:
    from pykubeadm.config.fleet import Host
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options

_LONGEST = 24 * 3600.0  # seconds that a command may take where the user gives no end


def run_on_each(
    described: Described,
    argv: Sequence[str],
    options: Options,
    show: Callable[[str, Completed | PykubeadmError], None],
    *,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> int:
    """Run a command as root on every host, side by side; `show` gets how each one ended, when it ended, one at a time. Returns
    how many hosts failed."""
    failed, showing = 0, threading.Lock()
    with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:

        def one(host: Host) -> Completed:
            left = options.left
            if left == 0:
                raise NodeError(f"{host.name}: the command was not begun when --timeout ended the run")
            timeout = _LONGEST if left is None else left
            return machines.node(host).run(Command(tuple(argv), "run what was asked for", check=False, timeout=timeout))

        def shown(host: Host) -> None:
            nonlocal failed
            ended = machines.attempt(host.name, partial(one, host))
            with showing:
                show(host.name, ended)
                failed += isinstance(ended, PykubeadmError) or ended.status != 0

        machines.on_each(shown, described.limited(options.limit))
    return failed


def admin_kubeconfig(described: Described, options: Options, *, connect: Connect | None = None) -> str:
    """The administrator's kubeconfig, of a control plane of the limit whose API server answers. PhaseError where there is none,
    UsageError where the limit names none."""
    hosts = [host for host in described.limited(options.limit) if host in described.cluster.having(CONTROL_PLANE)]
    if not hosts:
        raise UsageError(f"--limit: {', '.join(options.limit)} has no kubeconfig of the administrator: name a control plane")
    with Machines(connect or over_ssh(described), forks=options.forks) as machines:
        facts = look(described, machines, hosts)
        seed = next((host for host in hosts if facts.cluster and host.name == facts.cluster.seed), None)
        if seed is None:
            errors = [node.error for node in facts.of([host.name for host in hosts]) if node.error]
            nobody = "no control plane's API server answers: `pykubeadm cluster apply` makes the cluster"
            raise PhaseError("\n".join([*errors, nobody]))
        return (machines.node(seed).read(ADMIN_KUBECONFIG) or b"").decode()
