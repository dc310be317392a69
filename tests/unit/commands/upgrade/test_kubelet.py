"""The node's programs in an upgrade: drained, replaced and taken back into service, or put back as they were."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from pykubeadm.ansible import assets, playbook, workspace
from pykubeadm.commands.upgrade import kubelet as module
from pykubeadm.commands.upgrade.kubelet import BEFORE, KUBELET, kubelet
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Timeouts, UpgradeConfiguration
from pykubeadm.config.versions import Version, parse_version
from pykubeadm.constants import KUBELET_CONFIG
from pykubeadm.errors import ApiError, NodeError, PhaseError
from pykubeadm.etcd.client import Member
from pykubeadm.kube.credentials import Credentials
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import Command, Completed, Directory, File, UnitState
from pykubeadm.phases.cluster.drain import CORDONED
from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE, OF_UPGRADE, keep_kubelet_files
from pykubeadm.phases.replacing.turns import LEASE
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.events import Event, PhaseFinished
from pykubeadm.workflow.phase import steps
from pykubeadm.workflow.runner import run_steps
from tests.support.api import FakeApi
from tests.support.init_runs import configuration
from tests.support.node import FakeNode, completed
from tests.support.upgrade_runs import FakeEtcd, other_members

OLD, NEW = "v1.35.6", "v1.36.2"
NODE = "cp1"
OWNER = {"kind": "ReplicaSet", "name": "web", "controller": True}
OURS = {"metadata": {"annotations": {CORDONED: ""}}, "spec": {"unschedulable": True}}


class Machine(FakeNode):
    """A node with a kubelet that reports its version to the cluster whenever it starts, unless it is `broken`."""

    api: FakeApi
    broken = ""  # the version that does not come up, or what its configuration holds
    unready = ""  # the version that comes up and does not become Ready
    left = -1  # changes before it is switched off; -1: it is not

    def change(self) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        self.change()
        return super().write(files)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        self.change()
        return super().remove(paths)

    def run(self, command: Command) -> Completed:
        if command.argv[0] in ("ln", "mv"):
            self.change()
        done = super().run(command)
        if command.argv[:1] == ("ln",):
            self.files[BEFORE] = self.files[KUBELET]
        if command.argv[:1] == ("mv",):
            self.files[KUBELET] = self.files.pop(BEFORE)
            self.start()
        return done

    def start(self) -> None:
        if not self.broken or self.broken not in (self.text(KUBELET), self.text(KUBELET_CONFIG)):
            self.api.put(registered(self.text(KUBELET), self.api, ready=self.text(KUBELET) != self.unready))


def registered(version: str, api: FakeApi, *, ready: bool = True) -> KubeObject:
    before = api.objects.get(("v1", "Node", "", NODE), {"metadata": {"name": NODE}, "spec": {}})
    condition = {
        "type": "Ready",
        "status": str(ready),
        "message": "" if ready else "cni plugin not initialized",
        "lastHeartbeatTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    status = {"nodeInfo": {"kubeletVersion": version}, "conditions": [condition]}
    return {**before, "apiVersion": "v1", "kind": "Node", "status": status}


@pytest.fixture
def machine() -> Machine:
    node = Machine()
    node.api = FakeApi()
    node.put(KUBELET, OLD)
    node.put(KUBELET_CONFIG, "maxPods: 110")
    node.commands |= {
        "kubelet --version": lambda _command: completed(f"Kubernetes {node.text(KUBELET)}\n"),
        "ln": completed(),
        "mv": completed(),
        "dpkg-query": completed(status=1),
        "rpm": completed(status=127),
    }
    node.units["kubelet.service"] = UnitState("loaded", "active", "running", "enabled")
    node.api.put(registered(OLD, node.api))
    node.api.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web-1",
                "namespace": "default",
                "ownerReferences": [{"kind": "ReplicaSet", "controller": True}],
            },
            "spec": {"nodeName": NODE},
        }
    )
    return node


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions of the API servers behind the load balancer, which takes one after the other; "" does not answer."""
    found, asked = [NEW], itertools.count()

    def answer(_credentials: object, **_route: object) -> Version:
        if version := found[next(asked) % len(found)]:
            return parse_version(version)
        raise ApiError("connection refused")

    monkeypatch.setattr("pykubeadm.phases.cluster.connection.admin_credentials", lambda _run: Credentials("https://lb:6443"))
    monkeypatch.setattr("pykubeadm.kube.server_version.server_version", answer)
    return found


Roles = dict[str, Any]


@pytest.fixture
def roles(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Roles:
    """What the roles were run with; they install the new kubelet and start it."""
    seen: Roles = {"runs": 0, "fails": ""}

    @contextmanager
    def with_variables(variables: Mapping[str, Any], **_named: str):
        seen["variables"] = variables
        yield None

    def run_playbook(_space: None, _name: str, _report: Callable[..., None], *, tags: list[str], **_options: bool) -> None:
        seen["runs"] += 1
        seen["tags"] = tags
        if seen["fails"]:
            raise NodeError(seen["fails"])
        machine.change()
        machine.files[KUBELET] = File(KUBELET, NEW.encode(), 0o755)
        machine.change()
        machine.start()

    monkeypatch.setattr(workspace, "workspace", with_variables)
    monkeypatch.setattr(playbook, "run_playbook", run_playbook)
    monkeypatch.setattr(assets, "find_assets", lambda _version, _environment: seen.get("assets", assets.Assets()))
    return seen


def run_of(machine: Machine) -> tuple[UpgradeRun, list[Event]]:
    events: list[Event] = []
    config = configuration(kubernetes_version=NEW)
    run = UpgradeRun(
        configuration=config,
        node=machine,
        host=HostFacts(NODE),
        journal=Journal(machine),
        emit=events.append,
        api=machine.api,
        command="upgrade node",
        part="node",
        upgrade=UpgradeConfiguration(),
        stored=config.cluster,
        has_control_plane=False,
    )
    return run, events


def perform(machine: Machine, *, has_control_plane: bool = False) -> list[str]:
    """Run the phase; what it changed."""
    run, events = run_of(machine)
    run.has_control_plane = has_control_plane
    run_steps("upgrade node", NODE, tuple(steps((kubelet,))), run, dry_run=False, recorder=run.journal, emit=run.emit)
    return [change for event in events if isinstance(event, PhaseFinished) for change in event.changes]


def node_of(machine: Machine) -> KubeObject:
    found = machine.api.get("v1", "Node", NODE)
    assert found is not None
    return found


def is_cordoned(machine: Machine) -> bool:
    return bool(node_of(machine)["spec"].get("unschedulable"))


def test_the_node_is_drained_gets_its_kubelet_and_takes_pods_again(machine: Machine, roles: Roles) -> None:
    changes = perform(machine)
    assert changes == [f"cordoned node {NODE}", "evicted Pod default/web-1", f"uncordoned node {NODE}"]
    assert machine.text(KUBELET) == NEW
    assert roles["tags"] == ["kubelet"]
    assert roles["variables"]["kubelet_programs"] == ["kubelet", "kubectl"]
    assert roles["variables"]["kubelet_version"] == NEW.removeprefix("v")
    assert machine.stat(BEFORE) is None


def test_a_second_run_changes_nothing(machine: Machine, roles: Roles) -> None:
    perform(machine)
    assert perform(machine) == []
    assert roles["runs"] == 1


@pytest.mark.usefixtures("roles")
def test_a_node_that_others_cordoned_stays_so(machine: Machine) -> None:
    machine.api.patch("v1", "Node", NODE, {"spec": {"unschedulable": True}}, how="merge")
    perform(machine)
    assert is_cordoned(machine)


def test_programs_that_cannot_be_had_leave_the_node_as_it_was(machine: Machine, roles: Roles) -> None:
    roles["fails"] = "cp1: kubelet 1.36.2 cannot be obtained: no source is given"
    with pytest.raises(NodeError, match=r"kubelet 1\.36\.2 cannot be obtained.*the old kubelet v1\.35\.6 runs again.*uncordoned"):
        perform(machine)
    assert machine.text(KUBELET) == OLD
    assert not is_cordoned(machine)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits end after one look."""

    def wait(_run: UpgradeRun, _phase: str, targets: Mapping[str, Callable[[], str | None]], _timeout: object) -> None:
        [(target, probe)] = targets.items()
        if reason := probe():
            raise PhaseError(f"timed out after 240 s of waiting for {target} ({reason})")

    monkeypatch.setattr("pykubeadm.phases.waiting.wait", wait)


@pytest.mark.usefixtures("roles", "impatient")
def test_a_kubelet_that_does_not_come_up_is_put_back(machine: Machine) -> None:
    machine.broken = NEW
    with pytest.raises(PhaseError) as caught:
        perform(machine)
    said = str(caught.value)
    assert f"node {NODE} with kubelet {NEW} (it still reports {OLD})" in said
    assert f"the old kubelet {OLD} runs again; uncordoned node {NODE}; run this again once that is fixed" in said
    assert machine.text(KUBELET) == OLD
    assert not is_cordoned(machine)


@pytest.mark.parametrize("restarted", [True, False])
def test_a_run_that_was_killed_in_between_is_finished(machine: Machine, roles: Roles, restarted: bool) -> None:
    machine.put(KUBELET, NEW)
    machine.put(BEFORE, OLD)
    machine.api.patch("v1", "Node", NODE, OURS, how="merge")
    if restarted:
        machine.start()
    perform(machine)
    assert roles["runs"] == 1
    assert node_of(machine)["status"]["nodeInfo"]["kubeletVersion"] == NEW
    assert not is_cordoned(machine)
    assert machine.stat(BEFORE) is None
    assert not [command for command in machine.ran if command.argv[0] == "ln"], "the new one must not be kept as the old one"


BAD = "maxPods: -1"


@pytest.mark.usefixtures("roles", "impatient")
def test_a_configuration_that_kubelets_refuse_is_put_back_with_the_old_kubelet(machine: Machine) -> None:
    """Else the old one would not start with it either, now or when the machine does."""
    keep_kubelet_files(run_of(machine)[0], OF_UPGRADE)
    machine.put(KUBELET_CONFIG, BAD)
    machine.broken = BAD
    with pytest.raises(PhaseError, match=f"the old kubelet {OLD} runs again; uncordoned"):
        perform(machine)
    assert machine.text(KUBELET_CONFIG) == "maxPods: 110"
    assert machine.stat(OF_UPGRADE) is None


@pytest.mark.usefixtures("roles", "impatient")
def test_a_node_whose_old_kubelet_does_not_run_either_gets_no_pods(machine: Machine) -> None:
    machine.put(KUBELET_CONFIG, BAD)
    machine.broken = BAD
    stale = registered(OLD, machine.api)
    stale["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-31T12:00:00Z"
    machine.api.put(stale)
    with pytest.raises(PhaseError) as caught:
        perform(machine)
    said = str(caught.value)
    assert f"the old kubelet {OLD} was put back; timed out" in said
    assert f"(its kubelet has not reported again yet); node {NODE} is not uncordoned" in said
    assert "runs again" not in said
    assert is_cordoned(machine)


@pytest.mark.usefixtures("roles")
def test_what_was_kept_of_the_old_kubelet_goes_once_the_new_one_is_ready(machine: Machine) -> None:
    for place in (OF_UPGRADE, OF_RECONFIGURE):
        keep_kubelet_files(run_of(machine)[0], place)
    perform(machine)
    assert (machine.stat(OF_UPGRADE), machine.stat(OF_RECONFIGURE)) == (None, None)


@pytest.mark.usefixtures("roles", "impatient")
def test_a_run_that_was_killed_before_the_node_was_ready_waits_for_it(machine: Machine) -> None:
    """The old kubelet is what there is to go back to."""
    machine.put(KUBELET, NEW)
    machine.put(BEFORE, OLD)
    machine.api.patch("v1", "Node", NODE, OURS, how="merge")
    machine.unready = NEW
    machine.start()
    with pytest.raises(PhaseError, match=rf"with kubelet {NEW} \(cni plugin not initialized\)(.|\n)*the old kubelet {OLD} runs"):
        perform(machine)
    assert machine.text(KUBELET) == OLD


@pytest.mark.usefixtures("roles", "impatient")
def test_a_node_with_a_packaged_kubelet_that_is_not_ready_gets_no_pods(machine: Machine) -> None:
    """Nothing says there that a run was killed."""
    machine.commands["dpkg-query"] = completed(f"kubelet: {KUBELET}\n")
    machine.put(KUBELET, NEW)
    machine.api.patch("v1", "Node", NODE, OURS, how="merge")
    machine.unready = NEW
    machine.start()
    said = f"the kubelet {NEW} stays; no other is kept.*cni plugin not initialized; .*not uncordoned"
    with pytest.raises(PhaseError, match=said):
        perform(machine)
    assert is_cordoned(machine)


def killed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The machine as runs leave it that are killed before each of their changes, with how many they made."""
    patch, evict = machine.api.patch, machine.api.evict

    def patched(*given: Any, **named: Any) -> KubeObject:
        machine.change()
        return patch(*given, **named)

    def evicted(pod: KubeObject) -> None:
        machine.change()
        evict(pod)

    monkeypatch.setattr(machine.api, "patch", patched)
    monkeypatch.setattr(machine.api, "evict", evicted)
    files, objects = dict(machine.files), copy.deepcopy(machine.api.objects)
    for changes in itertools.count():
        machine.files, machine.api.objects, machine.left = dict(files), copy.deepcopy(objects), changes
        with suppress(PhaseError):
            try:
                whole_run(machine)
            except KeyboardInterrupt:
                machine.left = -1
                yield changes
                continue
        return


def whole_run(machine: Machine) -> None:
    """What it does with the kubelet's files, and its program."""
    keep_kubelet_files(run_of(machine)[0], OF_UPGRADE)
    machine.put(KUBELET_CONFIG, "maxPods: 50")
    perform(machine)


@pytest.mark.usefixtures("roles", "impatient")
def test_killed_before_any_change_the_next_run_finishes_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for changes in killed(machine, monkeypatch):
        whole_run(machine)
        assert (machine.text(KUBELET), machine.text(KUBELET_CONFIG)) == (NEW, "maxPods: 50"), changes
        assert not is_cordoned(machine), changes
        assert (machine.stat(BEFORE), machine.stat(OF_UPGRADE)) == (None, None), changes
    assert changes > 8


@pytest.mark.usefixtures("roles", "impatient")
def test_killed_before_any_change_a_kubelet_that_is_not_ready_is_put_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.unready = NEW
    for changes in killed(machine, monkeypatch):
        with pytest.raises(PhaseError, match=f"the old kubelet {OLD} runs again"):
            whole_run(machine)
        assert (machine.text(KUBELET), machine.text(KUBELET_CONFIG)) == (OLD, "maxPods: 110"), changes
        assert not is_cordoned(machine), changes
        assert (machine.stat(BEFORE), machine.stat(OF_UPGRADE)) == (None, None), changes
    assert changes > 8


def test_programs_of_the_old_version_are_not_installed_as_new(machine: Machine, roles: Roles) -> None:
    machine.commands["/opt/kubernetes/bin/kubelet --version"] = completed(f"Kubernetes {OLD}\n")
    roles["assets"] = assets.Assets(programs="/opt/kubernetes/bin")
    perform(machine)
    assert roles["variables"]["kubelet_controller_folder"] == ""
    assert roles["variables"]["kubelet_folder"] == f"/opt/kubernetes/{NEW}/bin"


def test_programs_of_the_new_version_are_taken_with_the_plugins_beside_them(machine: Machine, roles: Roles) -> None:
    machine.commands["/media/bin/kubelet --version"] = completed(f"Kubernetes {NEW}\n")
    roles["assets"] = assets.Assets(programs="/media/bin", archives="/media/archives", cni_version="1.9.1")
    perform(machine)
    assert roles["variables"]["kubelet_controller_folder"] == "/media/bin"
    assert roles["tags"] == ["kubelet", "cni"]


def test_what_packages_brought_packages_replace(machine: Machine, roles: Roles) -> None:
    machine.commands["dpkg-query"] = completed(f"kubelet: {KUBELET}\n")
    perform(machine)
    assert roles["variables"]["kubelet_source"] == "packages"
    assert not [command for command in machine.ran if command.argv[0] == "ln"]


@pytest.mark.usefixtures("roles")
def test_a_control_plane_is_awaited_until_its_pods_are_no_longer_started_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = run_of(machine)
    machine.put("/etc/kubernetes/manifests/kube-apiserver.yaml")
    now, answers = [100.0], iter([None, "connection refused", None, None, None])
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("pykubeadm.phases.static_pods.restart.component_health", lambda _run, _name: lambda: next(answers))
    look = module._steady(run)
    assert look() == "the kubelet may start it again"
    now[0] += 7
    assert look() == "kube-apiserver: connection refused"
    assert look() == "the kubelet may start it again"
    now[0] += 7
    assert look() == "the kubelet may start it again"
    now[0] += 2
    assert look() is None


@pytest.mark.usefixtures("roles")
def test_how_long_a_kubelet_may_take_is_the_configuration_s(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", lambda *args: seen.append(args[-1]))
    perform(machine)
    assert seen == [Timeouts().kubelet_health_check]


def test_a_workers_kubelet_waits_for_the_last_api_server(machine: Machine, roles: Roles, servers: list[str]) -> None:
    servers[:] = [NEW, "", OLD]
    with pytest.raises(PhaseError, match=rf"an API server at https://lb:6443 is {OLD}.*not drained"):
        perform(machine)
    assert roles["runs"] == 0
    assert "unschedulable" not in machine.api.objects["v1", "Node", "", NODE]["spec"]
    servers[:] = [NEW, ""]
    perform(machine)
    assert roles["runs"] == 1


@pytest.fixture
def control_plane(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> FakeEtcd:
    """The node is one; its etcd, the only member."""
    etcd = FakeEtcd(all=(Member(1, NODE, ("https://192.0.2.10:2380",), ("https://192.0.2.10:2379",)),))
    monkeypatch.setattr(module, "_STEADY", 0.0)
    monkeypatch.setattr("pykubeadm.phases.etcd.members.own_etcd_client", lambda _run: etcd)
    monkeypatch.setattr("pykubeadm.phases.cluster.connection.endpoint_api", lambda _run: machine.api)
    return etcd


def whose_turn(machine: Machine) -> str | None:
    """The holder of the Lease; None where nobody ever took it."""
    lease = machine.api.get("coordination.k8s.io/v1", "Lease", LEASE, "kube-system")
    return lease["spec"]["holderIdentity"] if lease else None


def note_turns(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Whose turn it is when pods are evicted, and when a kubelet starts, by its version."""
    seen: dict[str, str | None] = {}
    start, evict = machine.start, machine.api.evict

    def started() -> None:
        seen[machine.text(KUBELET)] = whose_turn(machine)
        start()

    def evicted(pod: KubeObject) -> None:
        seen["drain"] = whose_turn(machine)
        evict(pod)

    monkeypatch.setattr(machine, "start", started)
    monkeypatch.setattr(machine.api, "evict", evicted)
    return seen


@pytest.mark.usefixtures("roles")
def test_one_control_plane_after_the_other_gets_a_kubelet_that_restarts_its_static_pods(
    machine: Machine, control_plane: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.all = (*control_plane.all, *other_members())
    seen = note_turns(machine, monkeypatch)
    perform(machine, has_control_plane=True)
    assert seen == {"drain": None, NEW: NODE}
    assert whose_turn(machine) == ""


@pytest.mark.usefixtures("roles", "impatient")
def test_the_old_kubelet_is_put_back_in_the_same_turn(
    machine: Machine, control_plane: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.all = (*control_plane.all, *other_members())
    machine.broken = NEW
    seen = note_turns(machine, monkeypatch)
    with pytest.raises(PhaseError, match=f"the old kubelet {OLD} runs again"):
        perform(machine, has_control_plane=True)
    assert (seen[NEW], seen[OLD]) == (NODE, NODE)
    assert whose_turn(machine) == ""


@pytest.mark.usefixtures("roles")
def test_a_kubelet_of_the_same_minor_version_restarts_nothing_and_waits_for_nobody(
    machine: Machine, control_plane: FakeEtcd
) -> None:
    control_plane.all, control_plane.ailments = (*control_plane.all, *other_members()), {2: "dead", 3: "dead"}
    machine.put(KUBELET, "v1.36.1")
    machine.start()
    perform(machine, has_control_plane=True)
    assert machine.text(KUBELET) == NEW
    assert whose_turn(machine) is None


def test_while_etcd_needs_its_member_a_control_plane_keeps_its_kubelet(
    machine: Machine, control_plane: FakeEtcd, roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.all, control_plane.ailments = (*control_plane.all, *other_members()), {2: "connection refused"}
    monkeypatch.setattr("pykubeadm.phases.etcd.members.wait_for_others", no_wait)
    keep_kubelet_files(run_of(machine)[0], OF_UPGRADE)
    with pytest.raises(PhaseError, match=rf"it would have no majority.*connection refused.*uncordoned node {NODE}"):
        perform(machine, has_control_plane=True)
    assert roles["runs"] == 0
    assert not is_cordoned(machine)
    assert machine.text(f"{OF_UPGRADE}{KUBELET_CONFIG}") == "maxPods: 110", "the next run may have to go back to it"


@pytest.mark.parametrize("ready", [True, False])
def test_a_new_kubelet_that_another_run_left_stays_while_it_is_not_its_turn(
    machine: Machine, control_plane: FakeEtcd, roles: Roles, monkeypatch: pytest.MonkeyPatch, *, ready: bool
) -> None:
    control_plane.all, control_plane.ailments = (*control_plane.all, *other_members()), {2: "connection refused"}
    monkeypatch.setattr("pykubeadm.phases.etcd.members.wait_for_others", no_wait)
    machine.put(KUBELET, NEW)
    machine.put(BEFORE, OLD)
    machine.api.patch("v1", "Node", NODE, OURS, how="merge")
    machine.unready = "" if ready else NEW
    machine.start()
    state = f"the kubelet {NEW} stays; " + (f"uncordoned node {NODE}" if ready else "cni plugin not initialized; node")
    with pytest.raises(PhaseError, match=f"connection refused(.|\n)*{state}"):
        perform(machine, has_control_plane=True)
    assert (roles["runs"], machine.text(KUBELET), machine.text(BEFORE)) == (0, NEW, OLD)
    assert is_cordoned(machine) is not ready


def no_wait(_run: UpgradeRun, _phase: str, target: str, probe: Callable[[], str | None]) -> None:
    if reason := probe():
        raise PhaseError(f"timed out after 120 s of waiting for {target} ({reason})")


@pytest.mark.usefixtures("control_plane")
def test_a_control_planes_kubelet_has_an_api_server_of_its_own(machine: Machine, roles: Roles, servers: list[str]) -> None:
    servers[:] = [OLD]
    perform(machine, has_control_plane=True)
    assert roles["runs"] == 1
