"""`etcd snapshot restore` and `etcd recover`: what is refused, what is done, and that a run that was killed goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import yaml

from pykubeadm.commands.etcd import checks, others, rejoin, standby
from pykubeadm.commands.etcd import command as commands
from pykubeadm.commands.etcd.recover import PHASES as RECOVER
from pykubeadm.commands.etcd.restore import PHASES
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.errors import PhaseError, PreflightError, UsageError
from pykubeadm.etcd.archive import DamagedSnapshotError, read_archive
from pykubeadm.kube import waits
from pykubeadm.node.opened import open_file
from pykubeadm.node.port import Command, Completed, UnitState
from pykubeadm.phases.etcd import manifest as own_files
from pykubeadm.phases.etcd.manifest import own_client
from pykubeadm.phases.static_pods import stopped
from pykubeadm.workflow.events import Note, PhaseFinished, Result
from pykubeadm.workflow.phase import Phase, steps
from pykubeadm.workflow.runner import run_steps
from tests.support.databases import database, snapshot
from tests.support.etcd_runs import MANIFESTS, PEERS, STORE, ControlPlaneNode, FakeMember, archived, etcd_run

EVERYTHING = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
DATA = "/var/lib/etcd/member/snap/db"


class KilledError(Exception):
    """As SIGKILL: nothing of the run comes after it."""


@pytest.fixture
def node() -> ControlPlaneNode:
    made = ControlPlaneNode()
    made.put("/root/snapshot", archived())
    return made


@pytest.fixture(autouse=True)
def etcd(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> FakeMember:
    """This node's, without a majority until it is restored; nothing runs elsewhere."""
    found = FakeMember(node, healthy=False)
    monkeypatch.setattr(own_files, "own_client", lambda _node, _manifest: found)
    for module in (checks, rejoin, standby):
        monkeypatch.setattr(module, "own_client", lambda _node, _manifest: found)
    monkeypatch.setattr("pykubeadm.commands.etcd.recover.own_client", lambda _node, _manifest: found)
    monkeypatch.setattr(others, "_listens", lambda _dial, _asked: False)
    monkeypatch.setattr(checks, "ca_pin", lambda _node, _directory: "sha256:aa")
    monkeypatch.setattr(stopped, "component_health", lambda _run, _name: lambda: None)
    monkeypatch.setattr(stopped, "healthy_again", lambda _run, _name, healthy: healthy())
    return found


def perform(run: EtcdRun, phases: tuple[Phase[EtcdRun], ...] = PHASES) -> bool:
    return run_steps("etcd", "cp1", tuple(steps(phases)), run, dry_run=False, recorder=run.journal, emit=run.emit)


def test_the_member_goes_on_alone_with_the_data_of_the_snapshot(node: ControlPlaneNode) -> None:
    run, events = etcd_run(node)
    perform(run)
    assert node.running == EVERYTHING
    assert node.text(DATA).startswith("restored")
    (result,) = [event for event in events if isinstance(event, Result)]
    assert "revision 41" in result.text
    assert node.text(f"{result.data['aside']}/snap/db") == "former"
    assert node.list_dir("/var/lib/pykubeadm/stopped") == ()
    assert node.list_dir("/var/lib/pykubeadm/etcd-restore") == ()


def test_where_the_former_data_are_lost_none_are_said_to_be_kept(node: ControlPlaneNode) -> None:
    node.remove(["/var/lib/etcd"])
    run, events = etcd_run(node)
    perform(run)
    assert node.text(DATA).startswith("restored")
    (result,) = [event for event in events if isinstance(event, Result)]
    assert (result.data["aside"], "former data" in result.text) == ("", False)
    (finished,) = [event for event in events if isinstance(event, PhaseFinished) and event.phase == "restore"]
    assert finished.changes == ("put the data of revision 41 in place",)


def test_a_run_that_was_killed_goes_on_where_there_were_no_former_data(node: ControlPlaneNode) -> None:
    node.remove(["/var/lib/etcd"])
    with pytest.raises(KilledError):
        perform(etcd_run(node)[0], tuple(_killing("etcd", after=False)))
    run, events = etcd_run(node)
    perform(run)
    (again,) = [event for event in events if isinstance(event, PhaseFinished) and event.phase == "restore"]
    assert again.outcome == "unchanged"


def test_a_new_data_directory_is_that_of_the_user_who_runs_etcd(node: ControlPlaneNode) -> None:
    """The feature gate RootlessControlPlane."""
    pod = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))
    pod["spec"]["securityContext"] |= {"runAsUser": 2001, "runAsGroup": 2002}
    node.put(f"{MANIFESTS}/etcd.yaml", yaml.safe_dump(pod))
    node.remove(["/var/lib/etcd"])
    perform(etcd_run(node)[0])
    stat = node.stat("/var/lib/etcd")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid) == (0o700, 2001, 2002)


def test_its_manifest_names_no_others_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    node = ControlPlaneNode(members=PEERS)
    node.put("/root/snapshot", archived(members=("cp1", "cp2")))
    monkeypatch.setattr("pykubeadm.commands.etcd.restore.start", stopped.start)
    run, events = etcd_run(node)
    monkeypatch.setattr(own_files, "own_client", lambda _node, _manifest: FakeMember(node, healthy=False))
    monkeypatch.setattr(checks, "own_client", lambda _node, _manifest: FakeMember(node, healthy=False))
    perform(run)
    (container,) = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))["spec"]["containers"]
    flags = [word for word in container["command"] if word.startswith("--initial-cluster")]
    assert flags == ["--initial-cluster=cp1=https://10.0.0.9:2380"]
    (result,) = [event for event in events if isinstance(event, Result)]
    assert "cp2, cp3), run `pykubeadm etcd rejoin`" in result.text


@pytest.mark.parametrize("phase", ["stop", "restore", "etcd", "control-plane", "finish"])
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_a_run_that_was_killed_goes_on(node: ControlPlaneNode, etcd: FakeMember, phase: str, after: bool) -> None:
    """The same command again, whatever was done by then."""
    with pytest.raises(KilledError):
        perform(etcd_run(node)[0], tuple(_killing(phase, after=after)))
    etcd.healthy = node.text(DATA).startswith("restored")
    again, _events = etcd_run(node, force=phase == "finish" and after)  # it was through
    perform(again)
    assert node.running == EVERYTHING
    assert node.text(DATA).startswith("restored")


def _killing(name: str, *, after: bool) -> Iterator[Phase[EtcdRun]]:
    def kill(_run: EtcdRun) -> None:
        raise KilledError

    deadly: Phase[EtcdRun] = Phase(name="kill", summary="End at once", verify=kill)
    for phase in PHASES:
        yield from ((phase, deadly) if after else (deadly, phase)) if phase.name == name else (phase,)


def test_without_a_kubelet_that_would_end_it_nothing_is_stopped(node: ControlPlaneNode) -> None:
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    with pytest.raises(PhaseError, match="the kubelet is inactive: `systemctl start kubelet` first"):
        perform(etcd_run(node)[0])
    assert node.running == EVERYTHING


def test_what_was_stopped_before_and_runs_is_ended_by_the_next_run(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kubelet that was started meanwhile does not know its pods any more, and without an API server ends none of them."""
    ended: list[str] = []
    monkeypatch.setattr(stopped, "end_components", lambda _run, names: tuple(ended.extend(names) or ()))
    for expected in (["kube-apiserver"], EVERYTHING):
        stopped.stop(etcd_run(node)[0], stopped.EVERYTHING, "stop")
        assert sorted(ended) == expected
        ended.clear()


def test_what_the_kubelet_does_not_end_in_its_time_is_ended(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has just been started, and whose API server was gone before it had heard of all of its pods."""
    running = {"kube-scheduler", "etcd"}

    def crictl(command: Command) -> Completed:
        if "stop" in command.argv:
            running.discard(command.argv[-1])
        labels = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.name": "x-cp1"}
        found = [{"id": name, "metadata": {"name": name}, "labels": labels, "state": "CONTAINER_RUNNING"} for name in running]
        return Completed(0, json.dumps({"containers": found}))

    node.commands["crictl"] = crictl
    monkeypatch.setattr(stopped, "time", waits.time)  # one clock, which waiting moves
    monkeypatch.setattr(stopped, "_KUBELET_ENDS_WITHIN", 2.0)
    stopped.stop(etcd_run(node)[0], stopped.EVERYTHING, "stop")
    assert not running


def test_a_healthy_etcd_is_not_overwritten(node: ControlPlaneNode, etcd: FakeMember) -> None:
    etcd.healthy = True
    with pytest.raises(PreflightError, match=r"nothing was changed:\n- etcd is healthy \(cp1\).*--force"):
        perform(etcd_run(node)[0])
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")
    perform(etcd_run(node, force=True)[0])
    assert node.text(DATA).startswith("restored")


@pytest.mark.parametrize("command", [commands.recover, commands.rejoin, partial(commands.restore, "/root/snapshot")])
def test_a_manifest_without_the_flags_that_count_is_refused(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, command: Callable[..., None]
) -> None:
    pod = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))
    pod["spec"]["containers"][0]["command"] = ["etcd", "--name=cp1", "--data-dir=/var/lib/etcd"]
    node.put(f"{MANIFESTS}/etcd.yaml", yaml.safe_dump(pod))
    monkeypatch.setattr(commands, "begin", lambda *_arguments, **_options: etcd_run(node)[0])
    with pytest.raises(PhaseError) as caught:
        command({}, lambda _event: None, machine=node)
    assert str(caught.value).startswith(
        "the manifest of etcd does not give --advertise-client-urls and --initial-advertise-peer-urls"
    )
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")
    commands.stop({}, lambda _event: None, machine=node)
    assert node.running == []


@pytest.mark.parametrize("force", [False, True])
def test_without_the_certificates_of_a_client_nothing_is_replaced(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    monkeypatch.setattr(checks, "own_client", own_client)
    with pytest.raises(
        PreflightError, match=r"nothing was changed:\n- /etc/kubernetes/pki/etcd/\S+, with which to speak to etcd"
    ):
        perform(etcd_run(node, force=force)[0])
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")


def test_one_that_was_restored_before_is_restored_again_by_force(node: ControlPlaneNode, etcd: FakeMember) -> None:
    """The run that did so ended before it was through, and the cluster has lived on."""
    with pytest.raises(KilledError):
        perform(etcd_run(node)[0], tuple(_killing("finish", after=False)))
    etcd.healthy = True
    node.put(DATA, "restored, and much was written since")
    perform(etcd_run(node, force=True)[0])
    assert "much was written" not in node.text(DATA)


def test_an_etcd_that_began_anew_without_its_data_is_none_to_protect(node: ControlPlaneNode, etcd: FakeMember) -> None:
    etcd.healthy = True  # at revision 50
    node.put("/root/snapshot", archived(revision=51))
    run, events = etcd_run(node)
    perform(run)
    assert next(event.message for event in events if isinstance(event, Note)) == (
        "etcd is at revision 50, before the snapshot's: it has lost its data"
    )
    assert node.text(DATA).startswith("restored")


def test_what_runs_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    node = ControlPlaneNode(members=PEERS)
    node.put("/root/snapshot", archived())
    monkeypatch.setattr(others, "_listens", lambda _dial, asked: asked[0] == "10.0.0.2" or asked[1] == "etcd")
    monkeypatch.setattr(checks, "own_client", lambda _node, _manifest: FakeMember(node, healthy=False))
    with pytest.raises(PreflightError) as refused:
        perform(etcd_run(node)[0])
    assert str(refused.value).splitlines()[1:] == [
        "- the API server and etcd still run on cp2 (10.0.0.2): run `pykubeadm etcd stop` there",
        "- etcd still runs on cp3 (10.0.0.3): run `pykubeadm etcd stop` there",
    ]
    assert node.running == EVERYTHING


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archived(ca="sha256:ff"), "the snapshot is of another cluster"),
        (snapshot(database(value=b"of no Kubernetes")), "another cluster's"),
        (archived(etcd_version="3.7.0"), r"of etcd 3\.7\.0, and this node has the older 3\.6"),
    ],
    ids=["another CA", "no CA", "a newer etcd"],
)
def test_a_foreign_snapshot_is_refused(node: ControlPlaneNode, content: bytes, said: str) -> None:
    node.put("/root/snapshot", content)
    with pytest.raises(PreflightError, match=said):
        perform(etcd_run(node)[0])
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")


@pytest.mark.parametrize("content", [archived()[:-3000], archived().replace(b"MIIB", b"MIIC"), b"no snapshot", b""])
def test_a_damaged_snapshot_is_refused_whatever_is_forced(node: ControlPlaneNode, content: bytes) -> None:
    node.put("/root/snapshot", content)
    with pytest.raises(DamagedSnapshotError):
        perform(etcd_run(node, force=True)[0])
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")


@pytest.mark.parametrize("phases", [PHASES, RECOVER], ids=["restore", "recover"])
def test_a_log_on_a_disk_of_its_own_meets_no_other_data(node: ControlPlaneNode, phases: tuple[Phase[EtcdRun], ...]) -> None:
    node.give_flag("--wal-dir=/srv/wal")
    with pytest.raises(PreflightError, match=r"keeps its log in /srv/wal .*move what is there to /var/lib/etcd/member/wal"):
        perform(etcd_run(node, force=True)[0], phases)
    assert (node.running, node.text(DATA)) == (EVERYTHING, "former")


def test_a_log_that_is_with_the_data_is_restored_with_them(node: ControlPlaneNode) -> None:
    node.give_flag("--wal-dir=/var/lib/etcd/member/wal")
    perform(etcd_run(node)[0])
    assert node.text(DATA).startswith("restored")


def test_one_that_is_not_there_is_named(node: ControlPlaneNode) -> None:
    with pytest.raises(UsageError, match=r"no snapshot nothing, neither at that path nor in /var/lib/pykubeadm/snapshots/"):
        perform(etcd_run(node, "nothing")[0])


def test_where_there_is_no_space_nothing_is_changed(node: ControlPlaneNode) -> None:
    from tests.support.node import completed

    node.commands["df"] = completed("Avail\n1000\n")
    with pytest.raises(PreflightError, match=r"a restore takes 0 MiB, and only 0 MiB are free in /var/lib/etcd"):
        perform(etcd_run(node)[0])
    assert node.running == EVERYTHING


def test_what_etcdutl_refuses_is_said_and_the_run_may_go_on(node: ControlPlaneNode) -> None:
    node.failure = "Error: no space left on device"
    with pytest.raises(PhaseError, match="no space left on device"):
        perform(etcd_run(node)[0])
    assert node.text(DATA) == "former"
    node.failure = ""
    perform(etcd_run(node)[0])
    assert node.running == EVERYTHING
    assert node.text(DATA).startswith("restored")


# etcd recover


def test_the_last_member_goes_on_with_what_it_has(node: ControlPlaneNode) -> None:
    run, _events = etcd_run(node)
    perform(run, RECOVER)
    assert node.running == EVERYTHING
    assert node.text(DATA).startswith("restored")
    (name,) = node.list_dir(STORE)
    with open_file(node, f"{STORE}/{name}") as file:
        assert read_archive(file).contents.revision == 51


def test_with_a_majority_there_is_nothing_to_recover(node: ControlPlaneNode, etcd: FakeMember) -> None:
    etcd.healthy = True
    with pytest.raises(PreflightError, match=r"etcd has its majority \(cp1\)"):
        perform(etcd_run(node)[0], RECOVER)
    assert node.running == EVERYTHING


def test_a_member_that_does_not_answer_has_no_data_to_give(node: ControlPlaneNode) -> None:
    run, _events = etcd_run(node)
    node.remove([f"{MANIFESTS}/etcd.yaml"])
    with pytest.raises(PreflightError, match=r"does not answer \(connection refused\)"):
        perform(run, RECOVER)


def test_a_recovery_that_was_killed_goes_on_with_the_archive_that_it_kept(node: ControlPlaneNode) -> None:
    run, _events = etcd_run(node)
    for step in steps(RECOVER[:3]):  # check, snapshot, stop
        if step.phase.apply:
            step.phase.apply(run)
    assert node.running == []
    perform(etcd_run(node)[0], RECOVER)
    assert node.running == EVERYTHING
    assert len(node.list_dir(STORE)) == 1


@pytest.mark.parametrize("done", [2, 3], ids=["before stop", "after stop"])
def test_what_was_kept_for_a_recovery_is_of_the_past_once_the_cluster_lives_on(
    node: ControlPlaneNode, etcd: FakeMember, done: int
) -> None:
    run, _events = etcd_run(node)
    for step in steps(RECOVER[:done]):  # check, snapshot, stop
        if step.phase.apply:
            step.phase.apply(run)
    if done == 3:  # else the other members came back by themselves
        perform(etcd_run(node)[0], standby.START)
        assert node.list_dir("/var/lib/pykubeadm/etcd-restore") == ()
    etcd.healthy = True
    node.put(DATA, "later")
    with pytest.raises(PreflightError, match=r"etcd has its majority \(cp1\)"):
        perform(etcd_run(node)[0], RECOVER)
    with pytest.raises(PreflightError, match=r"etcd is healthy \(cp1\)"):
        perform(etcd_run(node)[0])
    assert (node.running, node.text(DATA)) == (EVERYTHING, "later")


def test_a_recovery_ends_when_only_waits_were_left(node: ControlPlaneNode) -> None:
    run, _events = etcd_run(node)
    with pytest.raises(KilledError):
        perform(run, (*RECOVER[:-1], Phase(name="kill", summary="End at once", verify=_die)))
    again, events = etcd_run(node)
    perform(again, RECOVER)
    assert [event.name for event in events if isinstance(event, Result)] == ["restored"]
    assert node.list_dir("/var/lib/pykubeadm/etcd-restore") == ()


def _die(_run: EtcdRun) -> None:
    raise KilledError
