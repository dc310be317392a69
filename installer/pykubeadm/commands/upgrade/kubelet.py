"""kubelet: the node's own programs. kubeadm leaves them to the administrator; so do we without --kubelet.

The node is drained first. If there are no programs, or the new kubelet does not become Ready, the old one is put back with its
files, and the node takes pods again once it is Ready with that. Every step looks at the node first, so that the next run finishes
one that was interrupted.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.errors import ApiError, PhaseError, PykubeadmError, with_state
from pykubeadm.node.diagnose import CONTROL_PLANE
from pykubeadm.node.port import Command, Unit
from pykubeadm.util.timestamp import parse_timestamp
from pykubeadm.workflow.events import Waiting
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from pykubeadm.ansible.assets import Assets
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject

    # Runs the roles of these tags with these variables for the run's node.
    Play = Callable[[UpgradeRun, Mapping[str, Any], Sequence[str], Callable[[PlaybookEvent], None]], None]

NAME = "kubelet"
KUBELET = "/usr/bin/kubelet"
BEFORE = "/usr/bin/.kubelet-before"  # the old one, until the new one is Ready; beside it, so that it is a link and no copy
_REPLACE = f"{NAME}/replace"
_STEADY = 8.0  # seconds
_ASKED = 6  # times, so that a load balancer leads to each of a few API servers
_FLAGS = ("config", "dry-run", "kubeconfig", "delete-emptydir-data", "drain-timeout")


def up_to_date(run: UpgradeRun) -> str | None:
    """On disk and in the cluster's eyes: a kubelet that was replaced and not started yet is none of the new version."""
    from pykubeadm.node.facts import kubelet_version

    if kubelet_version(run.node) != run.target:
        return None
    try:
        reported = _reported(run)
    except ApiError:
        return None
    return f"the kubelet is {run.target} already" if reported == run.target else None


def _is_replaced(run: UpgradeRun) -> str | None:
    """Not while the old kubelet is kept: a run was killed that had not seen the node Ready with the new one."""
    if run.node.stat(BEFORE) is not None or (reason := up_to_date(run)) is None:
        return None
    return reason if _not_ready(run, run.target) is None else None


def _drain(run: UpgradeRun) -> Changes:
    from pykubeadm.phases.cluster.drain import drain

    _require_servers(run)
    name = _node_name(run)

    def report(reason: str) -> None:
        run.emit(Waiting(phase=f"{NAME}/drain", target=f"node {name} to be empty", reason=reason))

    return drain(_api(run), name, run.drain_timeout, delete_emptydir_data=run.delete_emptydir_data, report=report)


def _require_servers(run: UpgradeRun) -> None:
    """PhaseError where a worker's kubelet would be newer than an API server that it may meet. A worker may not ask which there
    are, only who answers. A control plane's kubelet speaks to its own."""
    from contextlib import suppress

    from pykubeadm.config.versions import parse_version
    from pykubeadm.kube.server_version import server_version
    from pykubeadm.phases.cluster.connection import admin_credentials

    if run.is_control_plane:
        return
    credentials, target = admin_credentials(run), parse_version(run.target)
    for _ in range(_ASKED):
        with suppress(ApiError):  # what does not answer is no server to meet
            found = server_version(credentials, route=run.node.route)
            if (found.major, found.minor) < (target.major, target.minor):
                raise PhaseError(
                    f"an API server at {credentials.server} is {found}, and no kubelet may be newer than it: upgrade the other "
                    "control planes first (`pykubeadm upgrade node` there), then run this again; the node was not drained"
                )


def _replace(run: UpgradeRun) -> Changes:
    return replace_programs(run, _here, run.node)


def _here(run: UpgradeRun, variables: Mapping[str, Any], tags: Sequence[str], report: Callable[[PlaybookEvent], None]) -> None:
    """Run the roles on the machine that we are on."""
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.workspace import workspace

    with workspace(variables, host_name=_node_name(run)) as space:
        run_playbook(space, "prepare", report, tags=tags, check=run.dry_run, diff=run.dry_run)


def replace_programs(run: UpgradeRun, play: Play, controller: Node) -> Changes:
    """Have the roles bring the programs of the new version, and wait until the node is Ready with them; `play` runs the roles for
    this node, from the machine `controller`, where programs may lie. NodeError or PhaseError, with the old kubelet put back."""
    from pykubeadm.phases.prepare import translated

    packaged = _is_packaged(run)
    variables = _variables(run, controller, packaged=packaged)
    tags = [NAME, *(["cni"] if variables["cni_plugins_source"] == "archive" else [])]
    changes: list[str] = []
    report = translated(run.emit, changes, phase=_REPLACE)
    with ExitStack() as turn:
        try:
            turn.enter_context(_own_turn(run))
        except PykubeadmError as error:
            raise with_state(error, _back(run, tried=False)) from error
        try:
            if not packaged:
                _keep_old(run)
            run.kubelet_started = run.now()  # by the role, as its program changes
            play(run, variables, tags, report)
            if not run.dry_run:
                _wait_ready(run, run.target)
        except PykubeadmError as error:
            raise with_state(error, _back(run)) from error
    return changes


def _own_turn(run: UpgradeRun) -> AbstractContextManager[object]:
    """Of a control plane whose static pods the new kubelet restarts, as one of another minor version does: other control planes'
    run meanwhile. Which one it was is not known where a run was killed that replaced it."""
    from pykubeadm.config.versions import parse_version
    from pykubeadm.node.facts import kubelet_version
    from pykubeadm.phases.replacing.components import API_SERVER, BASE
    from pykubeadm.phases.replacing.turns import own_turn

    if not run.is_control_plane:
        return nullcontext()
    before = kubelet_version(run.node)
    if before and before != run.target:
        old, new = parse_version(before), parse_version(run.target)
        if (old.major, old.minor) == (new.major, new.minor):
            return nullcontext()
    return own_turn(run, BASE if run.has_local_etcd else (API_SERVER,), _REPLACE)


def _keep_old(run: UpgradeRun) -> None:
    from pykubeadm.node.facts import kubelet_version

    if kubelet_version(run.node) != run.target and run.node.stat(KUBELET) is not None:
        run.node.run(Command(("ln", "--physical", "--force", KUBELET, BEFORE), "keep the old kubelet"))


def _wait_ready(run: UpgradeRun, version: str, since: datetime | None = None) -> None:
    """PhaseError where the node does not become Ready with a kubelet of this version, as it was heard of `since`."""
    from pykubeadm.phases.waiting import wait

    name, timeouts = _node_name(run), run.configuration.this_node.timeouts
    ready = {f"node {name} with kubelet {version}": lambda: _not_ready(run, version, since)}
    wait(run, _REPLACE, ready, timeouts.kubelet_health_check)
    if run.is_control_plane:
        wait(run, _REPLACE, {"the control plane of this node": _steady(run)}, timeouts.upgrade_manifests)


def _uncordon(run: UpgradeRun) -> Changes:
    from pykubeadm.phases.cluster.drain import uncordon
    from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE, OF_UPGRADE, drop_kubelet_files

    changes = uncordon(_api(run), _node_name(run))
    run.node.remove([BEFORE])
    drop_kubelet_files(run, OF_UPGRADE, OF_RECONFIGURE)
    return changes


def _not_ready(run: UpgradeRun, version: str, since: datetime | None = None) -> str | None:
    """The reason why the node is not Ready with a kubelet of this version, None where it is. What was said before `since` does
    not count."""
    try:
        found = _node(run)
    except ApiError as error:
        return str(error)
    reported = found["status"]["nodeInfo"]["kubeletVersion"]
    if reported != version:
        return f"it still reports {reported}"
    conditions = {condition["type"]: condition for condition in found["status"].get("conditions") or ()}
    ready = conditions.get("Ready", {})
    if since and parse_timestamp(ready.get("lastHeartbeatTime") or "1970-01-01T00:00:00Z") < since.replace(microsecond=0):
        return "its kubelet has not reported again yet"
    return None if ready.get("status") == "True" else str(ready.get("message") or "it is not Ready yet")


def _steady(run: UpgradeRun) -> Callable[[], str | None]:
    """A probe that is satisfied once the static pods were healthy for some seconds: a kubelet of another minor version starts
    them again, soon after the node is Ready."""
    from pykubeadm.phases.static_pods.manifests import manifest_path
    from pykubeadm.phases.static_pods.restart import component_health

    names = [name for name in CONTROL_PLANE if run.node.stat(manifest_path(name)) is not None]
    healthy, since = {name: component_health(run, name) for name in names}, 0.0

    def look() -> str | None:
        nonlocal since
        reasons = [f"{name}: {reason}" for name, probe in healthy.items() if (reason := probe()) is not None]
        now = time.monotonic()
        since = 0.0 if reasons else since or now
        if reasons:
            return "; ".join(reasons)
        return None if now - since >= _STEADY else "the kubelet may start it again"

    return look


def _back(run: UpgradeRun, *, tried: bool = True) -> str:
    """Put the old kubelet back with its files if this run tried the new one, and let the node take pods again if it is Ready;
    what came of it, as the end of a sentence."""
    from pykubeadm.node.facts import kubelet_version
    from pykubeadm.phases.cluster.drain import uncordon
    from pykubeadm.phases.replacing.former_kubelet import OF_UPGRADE, drop_kubelet_files

    is_kept, done = tried and run.node.stat(BEFORE) is not None, list[str]()
    try:
        since = _put_back(run) if is_kept else None
        version = kubelet_version(run.node) or "of no known version"
        done.append(f"the old kubelet {version} was put back" if is_kept else f"the kubelet {version} stays")
        if is_kept:
            _wait_ready(run, version, since)
            done[:] = [f"the old kubelet {version} runs again"]
            drop_kubelet_files(run, OF_UPGRADE)
        elif reason := _not_ready(run, version):
            raise PhaseError(f"no other is kept, as of a package, which may be installed again; {reason}" if tried else reason)
        done += uncordon(_api(run), _node_name(run))
    except PykubeadmError as error:
        first = str(error).partition("\n")[0]
        done.append(f"{first}; node {_node_name(run)} is not uncordoned")
    return "; ".join([*done, "run this again once that is fixed"])


def _put_back(run: UpgradeRun) -> datetime:
    """When the old kubelet was started with its files."""
    from pykubeadm.phases.replacing.former_kubelet import OF_UPGRADE, former_kubelet_files

    run.node.write(former_kubelet_files(run, OF_UPGRADE))
    run.kubelet_started = run.now()
    run.node.run(Command(("mv", "--force", BEFORE, KUBELET), "put the old kubelet back"))
    run.node.ensure_unit(Unit("kubelet", state="restarted"))
    return run.kubelet_started


def _variables(run: UpgradeRun, controller: Node, *, packaged: bool) -> dict[str, Any]:
    """For the roles. CNI plugins are only replaced by those of an archive: packages come with the system's own upgrades."""
    import os

    from pykubeadm.ansible.assets import NODE_FOLDER, find_assets
    from pykubeadm.ansible.variables import node_variables
    from pykubeadm.phases.prepare import part_of

    assets = _of_version(run, controller, find_assets(run.target, os.environ))
    variables = node_variables(run.configuration, part=part_of(run), assets=assets, proxy_env=run.host.proxy_env)
    return variables | {
        "kubelet_programs": [NAME, "kubectl"],
        "kubelet_source": "packages" if packaged else "files",
        "kubelet_folder": f"{NODE_FOLDER}/{run.target}/bin",
    }


def _of_version(run: UpgradeRun, controller: Node, found: Assets) -> Assets:
    """Without programs of another version, such as those that the node was prepared with."""
    from dataclasses import replace

    from pykubeadm.node.facts import kubelet_version

    if not found.programs:
        return found
    version = kubelet_version(controller, f"{found.programs}/kubelet")
    if version == run.target:
        return found
    run.note("info", f"{found.programs}/kubelet is {version or 'no kubelet'}: {run.target} is looked for elsewhere", topic=NAME)
    return replace(found, programs="")


def _is_packaged(run: UpgradeRun) -> bool:
    """Whether the system's package manager brought the kubelet, so that it is to bring the next one, too."""
    asked = (("dpkg-query", "--search", KUBELET), ("rpm", "--query", "--file", KUBELET))
    return any(run.node.run(Command.look_up(argv, "ask which package has the kubelet")).status == 0 for argv in asked)


def _reported(run: UpgradeRun) -> str:
    """The version that the kubelet reported to the cluster."""
    return str(_node(run)["status"]["nodeInfo"]["kubeletVersion"])


def _node(run: UpgradeRun) -> KubeObject:
    name = _node_name(run)
    found = _api(run).get("v1", "Node", name)
    if found is None:
        raise ApiError(f"there is no Node {name} in the cluster")
    return found


def _node_name(run: UpgradeRun) -> str:
    from pykubeadm.manifests.kubelet import kubelet_name

    return kubelet_name(run.configuration.this_node.node_registration)


def _api(run: UpgradeRun) -> Api:
    from pykubeadm.phases.cluster.connection import cluster_api

    return cluster_api(run)


kubelet: Phase[UpgradeRun] = Phase(
    name=NAME,
    summary="Replace the node's own programs (with --kubelet)",
    phases=(
        Phase(
            name="drain",
            summary="Cordon the node and evict its pods, as their PodDisruptionBudgets allow",
            check=up_to_date,
            apply=_drain,
            flags=_FLAGS,
        ),
        Phase(
            name="replace",
            summary="Install kubelet, kubectl and CNI plugins of the new version, and start the kubelet",
            check=_is_replaced,
            apply=_replace,
            flags=_FLAGS[:3],
        ),
        Phase(
            name="uncordon",
            summary="Uncordon the node, if this upgrade cordoned it",
            apply=_uncordon,
            flags=_FLAGS[:3],
        ),
    ),
)
