"""`node replace`: this machine joins as a control plane in the place of one that is dead, which leaves the cluster first.

What may remove it are the credentials of an administrator, which control-plane-prepare makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.commands.join.member import is_this_machine
from pykubeadm.commands.join.phases import PHASES
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PreflightError
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient

_BEFORE = "check-etcd"  # the phase that finds out whether etcd takes a member


def _check(run: JoinRun) -> None:
    """With what a bootstrap token may read; etcd is asked when it can be."""
    from pykubeadm.kube.apply import retrying

    name, api = run.replaces, run.bootstrap_api
    found = retrying(lambda: api.get("v1", "Node", name), api.call_timeout)
    if found is None:
        if not run.journal.owns(ADMIN_KUBECONFIG):  # else an earlier run may have removed it
            raise PreflightError(
                f"the cluster knows no node {name} that could be replaced: `kubectl get nodes` on a control plane lists those "
                "there are; to join without replacing one, use `pykubeadm join`"
            )
        return
    conditions = (found.get("status") or {}).get("conditions") or ()
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    if ready and not is_this_machine(run.node, found):
        raise PreflightError(
            f"node {name} is Ready, so it is not dead: remove it (`pykubeadm node remove {name}` on another control plane), then "
            "join this one; nothing was changed"
        )


def _replace(run: JoinRun) -> Changes:
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.cluster.leaving import look_at, remove_objects, require_spare, right_endpoint
    from pykubeadm.phases.etcd.leave import remove_member
    from pykubeadm.workflow.events import Waiting

    api, client = admin_api(run), _client(run)
    found = api.get("v1", "Node", run.replaces)
    if found is not None and is_this_machine(run.node, found):
        return []  # of the same name, and joined by an earlier run
    try:
        leaving = look_at(api, client, run.replaces)
    except PreflightError:  # that there was one, `_check` has seen
        return []
    require_spare(leaving, client)

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase="replace", target=target, reason=reason))

    changes = []
    if client is not None and leaving.member is not None:
        timeout = run.configuration.this_node.timeouts.etcd_api_call
        changes.append(remove_member(client, leaving.members, leaving.member, timeout, report=report))
    changes += remove_objects(api, leaving)
    righted, sentence = right_endpoint(api, leaving, run.configuration.cluster.control_plane_endpoint)
    if sentence:
        run.note("warning", sentence, topic="replace")
    return [*changes, *righted]


def _client(run: JoinRun) -> EtcdClient | None:
    from pykubeadm.phases.etcd.members import etcd_client

    return etcd_client(run) if run.has_local_etcd else None


_FIRST: Phase[JoinRun] = Phase(name="check-replaced", summary="Check that the control plane to replace is dead", verify=_check)
_REPLACE: Phase[JoinRun] = Phase(
    name="replace",
    summary="Remove the dead control plane: its etcd member, its Node and what else is kept of it",
    apply=_replace,
    unchanged="it is gone already",
)


def replacing() -> tuple[Phase[JoinRun], ...]:
    """Those of `join`, with what a replacement needs besides."""
    at = next(number for number, phase in enumerate(PHASES) if phase.name == _BEFORE)
    return (_FIRST, *PHASES[:at], _REPLACE, *PHASES[at:])
