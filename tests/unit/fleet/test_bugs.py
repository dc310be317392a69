"""A bug that is found on one machine of several: the others go on, and nothing hides it."""

from __future__ import annotations

import errno
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from pykubeadm.cli.cluster import cluster as command_line
from pykubeadm.cli.main import main
from pykubeadm.errors import BUG, PykubeadmError
from pykubeadm.fleet import look as looking
from pykubeadm.fleet.certs import run_renew
from pykubeadm.fleet.command import run_apply
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.log import RunLog
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.resetting import run_reset
from pykubeadm.workflow.events import Note, RunFinished
from tests.support.fleet_desk import Desk, raising
from tests.support.fleets import bare, cluster, fleet, host, node
from tests.support.fleets import control_plane as of_control_plane
from tests.support.node import FakeNode, completed

SENTENCE = "this is a bug in pykubeadm (KeyError: 'spec')"
BROKEN = KeyError("spec")
FEW = (host("c1", "control-plane"), host("w1"))


@contextmanager
def connect(which):
    yield FakeNode(which.name)


def ended(events):
    return [event.exit_status for event in events if isinstance(event, RunFinished)]


def test_the_others_are_applied_and_the_log_says_where_it_is(monkeypatch, tmp_path):
    desk = Desk(monkeypatch, *FEW, host("w2"), facts=[bare("c1"), bare("w1"), bare("w2")])
    desk.does["join", "w1"] = raising(BROKEN)
    log = RunLog(str(tmp_path / "log"))
    with pytest.raises(PykubeadmError, match=rf"^w1: {SENTENCE.replace('(', '[(]').replace(')', '[)]')}\n") as failed:
        run_apply(desk.described, Options(), desk.events.append, connect=desk.connect, log=log)
    assert "join w2" in desk.done
    assert (failed.value.exit_status, ended(desk.events)) == (BUG, [BUG])
    log.flush()
    assert "w1 Traceback (most recent call last):\n" in (tmp_path / "log").read_text()


def test_the_others_are_looked_at_and_applied(monkeypatch):
    desk = Desk(monkeypatch, *FEW, facts=[])
    monkeypatch.setattr("pykubeadm.fleet.command.look", looking.look)
    monkeypatch.setattr(looking, "look_at_node", broken_on("w1", {"c1": of_control_plane("c1")}))
    monkeypatch.setattr(looking, "_cluster", lambda *_: cluster("c1", node("c1")))
    with pytest.raises(PykubeadmError) as failed:
        run_apply(desk.described, Options(), desk.events.append, connect=connect)
    assert str(failed.value).splitlines()[0] == f"w1: {SENTENCE}"
    assert (failed.value.exit_status, ended(desk.events)) == (BUG, [BUG])


def broken_on(name, facts):
    def look_at_node(_described, which, _node):
        if which.name == name:
            raise BROKEN
        return facts[which.name]

    return look_at_node


def test_no_further_machine_gets_other_certificates(monkeypatch):
    begun, events = [], []

    def renew(_name, _options, _emit, *, machine):
        begun.append(machine.name)
        raise BROKEN

    monkeypatch.setattr("pykubeadm.commands.certs.renew.renew", renew)
    described = Described(fleet(host("c1", "control-plane"), host("c2", "control-plane")))
    with pytest.raises(PykubeadmError) as failed:
        run_renew(described, "all", Options(), events.append, connect=connect)
    assert str(failed.value).splitlines()[0] == f"c1: {SENTENCE}"
    assert (begun, failed.value.exit_status, ended(events)) == (["c1"], BUG, [BUG])


def test_what_a_machine_does_cannot_be_written(monkeypatch):
    """That is no bug of a machine: it ends the run, and is said by the main thread."""
    unwritten = OSError(errno.ENOSPC, "No space left on device")

    def renew(_name, _options, emit, *, machine):
        assert machine.name == "c1"
        emit(Note(level="warning", topic="", message="late"))

    def emit(event):
        if isinstance(event, Note):
            raise unwritten

    monkeypatch.setattr("pykubeadm.commands.certs.renew.renew", renew)
    described = Described(fleet(host("c1", "control-plane"), host("c2", "control-plane")))
    with pytest.raises(OSError, match="No space left") as failed:
        run_renew(described, "all", Options(), emit, connect=connect)
    assert failed.value is unwritten


def test_the_others_are_reset(monkeypatch):
    done, events = [], []

    def reset(_options, _emit, *, machine, **_more):
        if machine.name == "c1":
            raise BROKEN
        done.append(machine.name)

    monkeypatch.setattr("pykubeadm.commands.reset.command.reset", reset)
    with pytest.raises(PykubeadmError) as failed:
        run_reset(Described(fleet(*FEW)), Options(), events.append, connect=connect)
    assert str(failed.value).splitlines()[0] == f"c1: {SENTENCE}"
    assert (done, failed.value.exit_status, ended(events)) == (["w1"], BUG, [BUG])


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "cluster.yaml").write_text(CliRunner().invoke(command_line, ["init", "10.0.0.1", "10.0.0.2"]).stdout)


@pytest.mark.usefixtures("file")
def test_a_plan_is_made_for_the_others(monkeypatch, capsys):
    monkeypatch.setattr("pykubeadm.fleet.command.over_ssh", lambda _described: connect)
    monkeypatch.setattr(looking, "look_at_node", broken_on("worker1", {"control1": bare("control1")}))
    monkeypatch.setattr("sys.argv", ["pykubeadm", "cluster", "plan"])
    with pytest.raises(SystemExit) as status:
        main()
    said = capsys.readouterr()
    assert "control1: make it the first control plane" in said.out
    assert said.err == f"worker1: {SENTENCE}\n"
    assert status.value.code == BUG
    monkeypatch.setattr("sys.argv", ["pykubeadm", "cluster", "plan", "-v", "5"])
    with pytest.raises(PykubeadmError) as raised:
        main()
    assert raised.value.__cause__ is BROKEN


@pytest.mark.usefixtures("file")
def test_a_command_runs_on_the_others(monkeypatch):
    def broken(_command):
        raise BROKEN

    @contextmanager
    def reach(which):
        yield FakeNode(which.name, commands={"id": broken if which.name == "worker1" else completed("root\n")})

    monkeypatch.setattr("pykubeadm.fleet.asking.over_ssh", lambda _described: reach)
    ran = CliRunner().invoke(command_line, ["run", "--", "id"], standalone_mode=False)
    assert (ran.return_value, ran.stdout) == (BUG, "control1  root\n")
    assert ran.stderr.startswith(f"worker1   {SENTENCE}\n")


def test_an_output_that_cannot_be_written_is_none_of_a_machine():
    def show(_which):
        raise BrokenPipeError

    with Machines(connect) as machines, pytest.raises(BrokenPipeError):
        machines.on_each(show, FEW)
    assert machines.bug is None
