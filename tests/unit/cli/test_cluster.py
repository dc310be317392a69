"""`pykubeadm cluster …` on the command line, as far as it asks no machine; and how a run over many machines is shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pykubeadm.ansible import playbook
from pykubeadm.cli.cluster import cluster
from pykubeadm.cli.fleet_display import PlainFleet, fleet_subscriber
from pykubeadm.cli.fleet_options import ending_well, options_of
from pykubeadm.commands.certs.expiration import Expirations
from pykubeadm.errors import EXPIRES_SOON, ConfigError, DeclinedError, NodeError, UsageError
from pykubeadm.fleet.log import RunLog
from pykubeadm.phases.certs.expiration import Expiration
from pykubeadm.workflow.events import NodeProgress, Note, RunFinished, RunStarted
from tests.support.node import FakeNode, completed


def run(*arguments: str, stdin: str = ""):
    return CliRunner().invoke(cluster, arguments, input=stdin)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cluster.yaml"
    path.write_text(run("init", "10.0.0.1", "10.0.0.2").stdout)
    return path


@pytest.mark.usefixtures("file")
def test_what_init_prints_is_good_and_taken_where_no_file_is_named():
    assert run("validate").stdout == "The file is good: 1 control-plane, 1 worker; Kubernetes v1.36.2\n"


@pytest.mark.parametrize(
    ("guide", "counted"),
    [("cluster", "1 control-plane, 1 worker"), ("ha", "3 control-planes, 2 workers, 2 load-balancers")],
)
def test_the_files_of_the_guides_are_good(guide, counted, file):
    text = (Path(__file__).parents[3] / "docs" / "guides" / f"{guide}.md").read_text()
    [first, *_] = (part.partition("```")[0] for part in text.split("```yaml\n")[1:])
    file.write_text(first)
    assert run("validate").stdout == f"The file is good: {counted}; Kubernetes v1.36.2\n"


def test_a_file_that_is_wrong_is_refused_with_places(file):
    file.write_text(file.read_text().replace("parts: [worker]", "part: [worker]"))
    refused = run("validate").exception
    assert isinstance(refused, ConfigError)
    assert any("cluster.yaml" in str(problem) and "did you mean" in str(problem) for problem in refused.problems)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_manifest_of_the_network_has_something_in_it(content, file):
    network = file.with_name("network.yaml")
    if content is not None:
        network.write_text(content)
    file.write_text(file.read_text().replace("plugin: flannel", "plugin: manifest\n  manifest: network.yaml"))
    refused = run("validate").exception
    assert isinstance(refused, ConfigError)
    assert [problem.sentence for problem in refused.problems] == ["network.yaml is not a file here, or an empty one"]
    network.write_text("apiVersion: v1\nkind: Namespace\n")
    assert run("validate").stdout.startswith("The file is good")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "kind: Pod\nspec: a: b\n",
            "network.yaml:2:8: the text is not valid YAML: mapping values are",
        ),
        (
            "apiVersion: v1\nkind: Pod\n---\n<html>\n",
            "network.yaml:4:1: is not an object of Kubernetes",
        ),
    ],
)
def test_a_manifest_of_the_network_can_be_applied(content, sentence, file):
    file.with_name("network.yaml").write_text(content)
    file.write_text(file.read_text().replace("plugin: flannel", "plugin: manifest\n  manifest: network.yaml"))
    refused = run("validate").exception
    assert isinstance(refused, ConfigError)
    assert [problem.sentence.startswith(sentence) for problem in refused.problems] == [True]


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "."])
def test_a_manifest_of_the_network_is_a_file(path, file):
    os.mkfifo(file.with_name("pipe"))
    file.write_text(file.read_text().replace("plugin: flannel", f"plugin: manifest\n  manifest: {path}"))
    assert "is not a file here, or an empty one" in str(run("validate").exception)


def test_an_inventory_is_a_file_or_a_directory(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        refused = run("validate", "-i", str(path)).exception
        assert str(refused) == f"--inventory: {path} is neither a file nor a directory"


@pytest.mark.usefixtures("file")
def test_the_inventory_is_one_that_can_be_read():
    document = yaml.safe_load(run("inventory").stdout)
    assert document["all"]["children"]["workers"]["hosts"]["worker1"]["ansible_host"] == "10.0.0.2"


def test_without_a_file_the_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("plan").exception
    assert isinstance(refused, UsageError)
    assert "cluster.yaml" in str(refused)


@pytest.mark.usefixtures("file")
def test_a_host_that_there_is_not_is_refused():
    refused = run("plan", "--limit", "elsewhere").exception
    assert isinstance(refused, UsageError)
    assert "there are control1, worker1" in str(refused)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("limit", ["", " , "])
@pytest.mark.parametrize("command", ["reset", "plan", "upgrade"])
def test_a_limit_that_names_nobody_is_not_all_hosts(command, limit, monkeypatch):
    monkeypatch.setattr("pykubeadm.fleet.resetting.run_reset", lambda *_args, **_options: pytest.fail("hosts were reset"))
    refused = run(command, "--limit", limit, *(["--yes"] if command == "reset" else [])).exception
    assert isinstance(refused, UsageError)
    assert str(refused) == "--limit names no host: leave it out for all hosts"


@pytest.mark.usefixtures("file")
def test_run_keeps_a_log_and_shows_who_said_what(tmp_path, monkeypatch):
    @contextmanager
    def connect(host):
        yield FakeNode(host.name, commands={"id -un": completed("root\n", status=int(host.name == "worker1"))})

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("pykubeadm.fleet.asking.over_ssh", lambda _described: connect)
    ran = CliRunner().invoke(cluster, ["run", "--", "id", "-un"], standalone_mode=False)
    assert ran.return_value == NodeError.exit_status
    assert sorted(ran.stdout.splitlines()) == ["control1  root", "worker1   root"]
    assert "worker1   ended with status 1\n" in ran.stderr
    [log] = (tmp_path / "state" / "pykubeadm").glob("cluster-run-*.log")
    assert "control1 $ id -un → 0" in log.read_text()
    assert ran.stderr.endswith(f"The log of this run is {log}\n")


@pytest.mark.usefixtures("file")
def test_a_password_of_sudo_is_not_in_the_log_whatever_says_it(tmp_path, monkeypatch):
    @contextmanager
    def connect(host):
        yield FakeNode(host.name, commands={"report": completed("it was correct-horse\n")})

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYKUBEADM_BECOME_PASS", "correct-horse")
    monkeypatch.setattr("pykubeadm.fleet.asking.over_ssh", lambda _described: connect)
    assert CliRunner().invoke(cluster, ["run", "--", "report"], standalone_mode=False).return_value == 0
    [log] = (tmp_path / "state" / "pykubeadm").glob("cluster-run-*.log")
    assert log.read_text().count("    it was [removed]\n") == 2


@pytest.mark.usefixtures("file")
def test_a_run_that_did_nothing_names_no_log(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    refused = CliRunner().invoke(cluster, ["run", "--limit", "nope", "--", "id"], standalone_mode=False)
    assert isinstance(refused.exception, UsageError)
    assert refused.stderr == ""


@pytest.mark.usefixtures("file")
def test_run_without_a_place_for_its_log_shows_everything_and_says_so(tmp_path, monkeypatch):
    @contextmanager
    def connect(host):
        yield FakeNode(host.name, commands={"id": completed("root\n")})

    (tmp_path / "state").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("pykubeadm.fleet.asking.over_ssh", lambda _described: connect)
    ran = CliRunner().invoke(cluster, ["run", "--", "id"], standalone_mode=False)
    assert (ran.exception, ran.return_value) == (None, 0)
    assert sorted(ran.stdout.splitlines()) == ["control1  root", "worker1   root"]
    assert re.fullmatch(r"warning: the log \S+ could not be written: Not a directory\n", ran.stderr)


@pytest.mark.parametrize("command", ["plan", "status", "kubeconfig", "certs check-expiration", "etcd members"])
def test_what_only_asks_has_no_time_to_end_it(command):
    assert "--timeout" not in run(*command.split(), "--help").stdout
    assert "--timeout" in run("apply", "--help").stdout


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", ""])
def test_reset_asks_and_does_nothing_without_a_yes(answer):
    ended = run("reset", stdin=answer)
    assert "the whole cluster: control1, worker1" in ended.stderr
    assert isinstance(ended.exception, DeclinedError)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("limit", [[], ["--limit=worker1"]])
def test_reset_is_called_so_whether_all_hosts_leave_or_some(limit, tmp_path, monkeypatch):
    @contextmanager
    def connect(host):
        raise NodeError(f"{host.name} cannot be reached")
        yield

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for module in ("command", "resetting"):
        monkeypatch.setattr(f"pykubeadm.fleet.{module}.over_ssh", lambda _described: connect)
    assert "[cluster reset] " in run("reset", "--yes", *limit).stdout


@pytest.mark.usefixtures("file")
def test_the_question_of_reset_takes_nothing_from_its_time(tmp_path, monkeypatch):
    answered, begun = [], []

    def answer(_question):
        answered.append(time.monotonic())
        return True

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("pykubeadm.cli.cluster.confirmed", answer)
    monkeypatch.setattr("pykubeadm.fleet.resetting.run_reset", lambda _file, options, _emit, **_log: begun.append(options.began))
    assert run("reset", "--timeout=5m").exception is None
    assert begun > answered


def test_plain_lines_name_the_host_and_say_each_wait_once(capsys):
    show = PlainFleet(("c1", "worker1"), 0)
    show(RunStarted(command="cluster apply", node="2 hosts", phases=()))
    show(NodeProgress(node="c1", step="look", outcome="unchanged", message="was checked"))
    for _ in range(3):
        show(NodeProgress(node="worker1", step="join/kubelet-start", outcome="waiting", message="the kubelet: not yet"))
    show(NodeProgress(node="c1", step="init/certs/ca", outcome="changed", changes=("made ca.crt",), seconds=0.2))
    show(NodeProgress(node="worker1", step="prepare/containerd", outcome="changed", changes=("install it",)))
    show(NodeProgress(node="worker1", step="", outcome="failed", message="worker1: no space left", seconds=12.0))
    show(Note(level="warning", topic="c1", message="clock is off"))
    show(RunFinished(outcome="failed", changed=1, exit_status=5))
    out, err = capsys.readouterr()
    assert out.splitlines()[:4] == [
        "[cluster apply] on 2 hosts",
        "worker1  join/kubelet-start: waiting for the kubelet: not yet",
        "c1       init/certs/ca: made ca.crt (0.2s)",
        "worker1  failed (12.0s): no space left",
    ]
    assert err == "[c1] warning: clock is off\n"


def test_details_are_shown_where_they_are_asked_for(capsys):
    show = PlainFleet(("c1",), 1)
    show(NodeProgress(node="c1", step="prepare/containerd", outcome="changed", changes=("install it",)))
    show(NodeProgress(node="c1", step="look", outcome="unchanged", message="was checked"))
    assert capsys.readouterr().out.splitlines() == ["c1  prepare/containerd: install it", "c1  look: was checked"]


def test_json_has_an_object_a_line(capsys):
    fleet_subscriber("json", ("c1",), verbosity=0)(NodeProgress(node="c1", step="join", outcome="changed"))
    line = json.loads(capsys.readouterr().out)
    assert (line["type"], line["node"], line["step"]) == ("node-progress", "c1", "join")


@pytest.mark.usefixtures("file")
def test_when_certificates_expire_is_shown_by_host_and_the_status_says_the_worst(monkeypatch):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    soon = Expiration("apiserver", now - timedelta(days=350), now + timedelta(days=15), "ca")
    late = Expiration("apiserver", now, now + timedelta(days=365), "ca")
    found = {"cp1": Expirations((late,), (), (), now), "cp2": Expirations((soon,), (), (), now)}
    monkeypatch.setattr("pykubeadm.fleet.certs.expirations", lambda *_: found)

    shown = CliRunner().invoke(cluster, ("certs", "check-expiration", "--warn-days", "30"), standalone_mode=False)
    assert shown.return_value == EXPIRES_SOON
    names = [line.split()[0] for line in shown.stdout.splitlines() if line.strip()]
    assert [name for name in names if name.startswith("cp")] == ["cp1", "cp2"]
    assert shown.stderr == "warning: cp2: apiserver expires on 2026-01-16\n"

    found["cp2"] = NodeError("cp2 cannot be reached")
    shown = CliRunner().invoke(cluster, ("certs", "check-expiration"), standalone_mode=False)
    assert (shown.return_value, shown.stderr) == (5, "cp2 cannot be reached\n")
    document = json.loads(run("certs", "check-expiration", "-o", "json").stdout)
    assert [(host["name"], host["certificates"][0]["name"]) for host in document["hosts"]] == [("cp1", "apiserver")]


@pytest.mark.parametrize("timeout", ["0s", "-5m", "soon", ""])
def test_a_time_that_is_none_is_refused(timeout):
    with pytest.raises(UsageError, match="--timeout: ") as refused:
        options_of({"timeout": timeout, "limit": None, "forks": 1})
    assert timeout in str(refused.value)


@pytest.mark.parametrize("end", [NodeError("w1: it was not done when --timeout ended the run"), KeyboardInterrupt(), OSError()])
def test_a_playbook_that_is_still_running_ends_with_the_run(end, tmp_path, monkeypatch):
    running = subprocess.Popen(["sleep", "300"], start_new_session=True)
    monkeypatch.setattr(playbook, "_running", {running})
    try:
        with pytest.raises(type(end)), ending_well(RunLog(str(tmp_path / "log"))):
            raise end
        assert running.poll() is not None
    finally:
        running.kill()
        running.wait()
