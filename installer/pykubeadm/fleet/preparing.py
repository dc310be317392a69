"""The node roles on many machines at once; each machine is ready when its own part is through."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pykubeadm.ansible.assets import Assets, find_assets
from pykubeadm.config.fleet import LOAD_BALANCER, RUNTIMES, Host
from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import NodeError
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.look import PREPARED
from pykubeadm.fleet.variables import (
    LEFT_OUT,
    digest,
    host_names,
    inventory,
    network_digest,
    over_inventories,
    own_variables,
    pod_network,
    shared_variables,
)
from pykubeadm.node.port import Directory, File, Node
from pykubeadm.phases.prepare import MARK
from pykubeadm.util.ip import split_host_port
from pykubeadm.workflow.events import NodeProgress, Note

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.fleet.machines import Machines
    from pykubeadm.workflow.events import Subscriber

LAST_TASK = "Report that the node is prepared"  # of playbooks/prepare.yml
# Where files lie on this machine is nothing of the node's, and what goes with a version of Kubernetes is brought by its upgrade.
_NOT_COMPARED = re.compile(r"controller_folder|images_archives|_version|sandbox_image|pause_image|images_pinned")
_LOAD_BALANCER_VARIABLES = "load_balancer_"
_RUNTIME = "prepare_runtime"
STEP = "prepare"
_NO_RESULT = "the roles ended without a result for this machine"
_PATIENCE = 3.0  # seconds for machines to be marked, before Ansible begins without the others

Ready = dict[str, "Future[None]"]  # host → done, or failed with NodeError


def assets_of(described: Described) -> Assets:
    return find_assets(described.configuration.cluster.kubernetes_version, os.environ)


def digests_of(described: Described, networks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Host → stage → what stands for the variables that it is prepared with. `networks` are those of the pod network. A host that
    comes or goes is nothing for which the runtimes of all others are to be started again: it does not count among what no proxy
    is asked for. What a host has as all have it is nothing of its own: an inventory printed of a file stands for the same."""
    given = shared_variables(described, assets_of(described))
    shared = {name: value for name, value in given.items() if not _NOT_COMPARED.search(name)}
    given |= pod_network(described)
    endpoint = split_host_port(described.configuration.cluster.control_plane_endpoint)[0]
    hosts = {name for host in described.cluster.present for name in host_names(host)} - {endpoint}
    found = {}
    for host in described.cluster.present:
        own = own_variables(described.cluster, described.configuration, host)
        balancing = {name: value for name, value in own.items() if name.startswith(_LOAD_BALANCER_VARIABLES)}
        left = {name: value for name, value in own.items() if name not in balancing and name != LEFT_OUT}
        rest = {name: value for name, value in left.items() if name not in given or value != given[name]}
        found[host.name] = {
            "node": digest({name: _without_hosts(value, hosts) for name, value in (shared | rest).items()}),
            "load-balancer": digest(balancing),
            "network": network_digest(networks.get(host.name, {})),
        }
    return found


def _without_hosts(value: Any, hosts: Collection[str]) -> Any:
    """A proxy's variables, where no proxy is asked for the machines of the cluster either, without these."""
    direct = value.get("no_proxy") if isinstance(value, Mapping) else None
    if isinstance(direct, str):
        return {**value, "no_proxy": ",".join(entry for entry in direct.split(",") if entry not in hosts)}
    return {**value, "no_proxy": [entry for entry in direct if entry not in hosts]} if isinstance(direct, list) else value


class Preparation:
    """The roles on many machines, in as few runs of Ansible as can be. `ready` has a future for each host: done when its roles
    are through. A machine that says nothing any more holds up nobody else."""

    def __init__(self, found: Found, machines: Machines, hosts: Sequence[Host], tags: Sequence[str], emit: Subscriber) -> None:
        self._described = found.described
        self._digests = found.digests
        self._machines = machines
        self._hosts = {host.name: host for host in hosts}
        self._tags = sorted(tags)
        self._emit = emit
        self._changes: dict[str, list[str]] = {host.name: [] for host in hosts}
        self._finishing: dict[str, Future[None]] = {}  # hosts whose roles are through
        self.ready: Ready = {host.name: Future() for host in hosts}

    def run(self) -> None:
        """To the end; never raises: what went wrong is in the hosts' futures, each of which is done then."""
        marking = {_in_thread(partial(self._mark, host), f"mark {name}"): name for name, host in self._hosts.items()}
        waiting, plays = set(marking), list[Future[None]]()
        while waiting:
            done, waiting = wait(waiting, _PATIENCE)
            for mark in done:
                if error := mark.exception():
                    self._fail(marking[mark], self._sentence(marking[mark], error))
            if marked := [name for mark, name in marking.items() if mark in done and not mark.exception()]:
                plays.append(_in_thread(partial(self._play, marked), "play"))
        wait(plays)
        wait(self._finishing.values())

    def _play(self, names: Sequence[str]) -> None:
        """The roles on these hosts; never raises."""
        try:
            self._run(names)
            sentence = _NO_RESULT
        except Exception as error:  # noqa: BLE001 - whoever waits for a machine gets to know
            sentence = self._sentence("", error)
        self._give_up([name for name in names if name not in self._finishing], sentence)

    def _run(self, names: Sequence[str]) -> None:
        from pykubeadm.ansible.playbook import run_playbook
        from pykubeadm.ansible.workspace import workspace

        variables = shared_variables(self._described, assets_of(self._described))
        with workspace(variables, **inventory_of(self._described, [self._hosts[name] for name in names])) as space:
            run_playbook(
                space,
                "prepare",
                self._machines.noting(self._report),
                limit=",".join(names),
                tags=self._chosen(variables),
                forks=min(len(names), self._machines.forks),
                strategy="free",
            )

    def _chosen(self, shared: Mapping[str, Any]) -> list[str]:
        """The tags, with that of the one runtime that all machines have in place of that of any."""
        cluster, configuration = self._described.cluster, self._described.configuration
        owns = [own_variables(cluster, configuration, host) for host in self._hosts.values()]
        runtimes = {str(own.get(_RUNTIME, shared[_RUNTIME])) for own in owns} - {"none"}
        name = runtimes.pop() if len(runtimes) == 1 else ""
        return [name if tag == "runtime" and name in RUNTIMES else tag for tag in self._tags]

    def _mark(self, host: Host) -> None:
        self._emit(NodeProgress(node=host.name, step=STEP, outcome="started", message="run the node roles"))
        text = "".join(f"{tag}\n" for tag in self._tags if tag != "load_balancer")
        self._machines.node(host).write([Directory(STATE_DIR, 0o700), File(MARK, text.encode())])

    def _report(self, event: PlaybookEvent) -> None:
        from pykubeadm.ansible.results import TaskEnded, failure_sentence

        if not isinstance(event, TaskEnded) or event.host not in self.ready:
            return
        if event.failed:
            self._fail(event.host, failure_sentence(event))
        elif event.task == LAST_TASK:
            self._finishing[event.host] = _in_thread(partial(self._finish, event.host), f"finish {event.host}")
        elif event.outcome == "changed":
            task = event.task[:1].lower() + event.task[1:]
            sentence = task + (f": {', '.join(event.changes)}" if event.changes else "")
            self._changes[event.host].append(sentence)
            self._emit(NodeProgress(node=event.host, step=f"{STEP}/{event.role_name}", outcome="changed", changes=(sentence,)))
        for warning in event.said:
            self._emit(Note(level="warning", topic=event.host, message=warning))

    def _finish(self, name: str) -> None:
        host = self._hosts[name]
        try:
            stamp(self._machines.node(host), PREPARED, self._stamps(host))
            self._machines.node(host).remove([MARK])
        except Exception as error:  # noqa: BLE001 - whoever waits for the machine gets to know
            self._fail(name, self._sentence(name, error))
            return
        with suppress(OSError):  # of an output that cannot be written, which is for the main thread to say
            self._emit(NodeProgress(node=name, step=STEP, outcome="changed", changes=tuple(self._changes[name])))
        with suppress(InvalidStateError):
            self.ready[name].set_result(None)

    def _stamps(self, host: Host) -> dict[str, str]:
        stages = ["node"] if set(self._tags) - {"load_balancer"} else []
        stages += ["load-balancer"] if LOAD_BALANCER in host.parts else []
        return {stage: self._digests[host.name][stage] for stage in stages}

    def _fail(self, name: str, sentence: str) -> None:
        with suppress(InvalidStateError):
            self.ready[name].set_exception(NodeError(sentence))
            with suppress(OSError):  # of an output that cannot be written, which is for the main thread to say
                self._emit(NodeProgress(node=name, step=STEP, outcome="failed", message=sentence))

    def _sentence(self, name: str, error: BaseException) -> str:
        return str(self._machines.error_of(name, error))

    def _give_up(self, names: Sequence[str], sentence: str) -> None:
        """What is said of one machine is not the others' reason."""
        said = {name: _lines_of(name, sentence) for name in self._hosts}
        common = sentence if not any(said.values()) else _NO_RESULT
        for name in names:
            if not self.ready[name].done():
                self._fail(name, said[name] or f"{name}: {common}")


def _lines_of(name: str, sentence: str) -> str:
    return "\n".join(line for line in sentence.splitlines() if re.match(rf"{re.escape(name)}[: ]", line))


def _in_thread(work: Callable[[], None], name: str) -> Future[None]:
    """Begun, in a thread that does not keep the process: after an interrupt nobody waits for it."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is for whoever waits
            ended.set_exception(error)
        else:
            ended.set_result(None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return ended


def inventory_of(described: Described, hosts: Sequence[Host]) -> dict[str, Any]:
    """What `workspace` needs to know of the hosts: the user's inventories and what goes over them, or one made of the file."""
    if described.inventories:
        return {"inventories": described.inventories, "hosts": over_inventories(described, hosts)}
    return {"hosts": inventory(described, hosts, secrets=True)}


def stamp(node: Node, path: str, stamps: Mapping[str, str]) -> None:
    """Note on the machine what it was prepared with."""
    try:
        before = json.loads(node.read(path) or b"{}")
    except ValueError:
        before = {}
    content = json.dumps({**(before if isinstance(before, dict) else {}), **stamps}, sort_keys=True, indent=1) + "\n"
    node.write([Directory(STATE_DIR, 0o700), File(path, content.encode(), 0o644)])
