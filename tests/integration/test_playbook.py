"""ansible-playbook is really run, on this machine, with a playbook that changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pykubeadm.ansible import playbook
from pykubeadm.ansible.playbook import run_playbook
from pykubeadm.ansible.results import TaskEnded, TaskStarted
from pykubeadm.ansible.workspace import Late, Workspace, workspace
from pykubeadm.cli.cluster import cluster
from pykubeadm.errors import ConfigError, NodeError
from pykubeadm.resources import collection_dir


def test_events_and_sums():
    events = []
    with workspace({}, host_name="n1") as space:
        summary = run_playbook(space, "facts", events.append)
    assert isinstance(events[0], TaskStarted)
    [ended] = [event for event in events if isinstance(event, TaskEnded)]
    assert (ended.host, ended.outcome) == ("n1", "ok")
    assert ended.facts["cpus"] > 0
    assert (summary.hosts["n1"].calls, summary.hosts["n1"].changed) == (1, 0)


COMMANDS = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.command: printf '%s\\n' {{ item }}
      loop: [one, two]
    - name: Say a secret
      ansible.builtin.command: printf hunter2
      no_log: true
"""


def test_what_commands_of_a_playbook_write_comes_with_their_tasks(tmp_path, monkeypatch):
    (tmp_path / "commands.yml").write_text(COMMANDS)
    monkeypatch.setattr(Workspace, "playbook", lambda _self, name: str(tmp_path / f"{name}.yml"))
    events = []
    with workspace({}, host_name="n1") as space:
        run_playbook(space, "commands", events.append)
    said, secret = (event for event in events if isinstance(event, TaskEnded))
    assert said.output == "$ printf %s\\n one\none\n$ printf %s\\n two\ntwo"
    assert secret.output == ""


FAILING = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Apply it to the cluster
      ansible.builtin.command: sh -c 'echo "warning{{ ":" }} old" >&2; echo "error{{ ":" }} no such kind" >&2; exit 1'
"""


def test_why_a_command_failed_is_what_it_said(tmp_path, monkeypatch):
    (tmp_path / "failing.yml").write_text(FAILING)
    monkeypatch.setattr(Workspace, "playbook", lambda _self, name: str(tmp_path / f"{name}.yml"))
    with workspace({}, host_name="n1") as space, pytest.raises(NodeError) as failed:
        run_playbook(space, "failing", lambda _event: None)
    assert str(failed.value) == "n1: cannot apply it to the cluster: sh: warning: old / error: no such kind"


def test_no_task_is_run_that_has_nothing_to_do():
    """Of what is not chosen, and looking twice."""
    events = []
    with workspace({"cgroups_allow_v1": True}, host_name="n1") as space, suppress(NodeError):
        run_playbook(space, "prepare", events.append, tags=["kernel"], check=True)
    tasks = [(event.role, event.task) for event in events if isinstance(event, TaskStarted)]
    assert [task for _role, task in tasks].count("Look at the node") == 1
    assert {role.rpartition(".")[2] for role, _task in tasks} == {"", "kernel"}


KUBECTL = """\
#!/bin/sh
echo "$2" >>{folder}/calls
case $(grep -c "$2" {folder}/calls)-$2 in
  1-*) echo "etcdserver: leader changed" >&2; exit 2 ;;
  *-diff) exit 1 ;;
esac
"""


def test_a_pod_network_is_applied_though_the_api_is_busy_with_joining_control_planes(tmp_path, monkeypatch):
    (tmp_path / "kubectl").write_text(KUBECTL.format(folder=tmp_path))
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    tasks = yaml.safe_load((collection_dir() / "roles/cni/tasks/network.yml").read_text())[-2:]
    play = {"hosts": "all", "gather_facts": False, "vars": {"cni_kubectl": "kubectl --kubeconfig=x"}, "tasks": tasks}
    (tmp_path / "network.yml").write_text(yaml.safe_dump([play]))
    monkeypatch.setattr(Workspace, "playbook", lambda _self, name: str(tmp_path / f"{name}.yml"))
    events = []
    with workspace({}, host_name="n1") as space:
        run_playbook(space, "network", events.append)
    assert [event.outcome for event in events if isinstance(event, TaskEnded)] == ["changed", "changed"]
    assert (tmp_path / "calls").read_text().split() == ["diff", "diff", "apply", "apply"]


LATE = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: "{{ routes | length }} by way of {{ routes[0].via }}"
      when: inventory_hostname in names
"""


def test_ansible_starts_while_its_variables_are_found_out(tmp_path, monkeypatch):
    (tmp_path / "late.yml").write_text(LATE)
    monkeypatch.setattr(Workspace, "playbook", lambda _self, name: str(tmp_path / f"{name}.yml"))
    events = []

    def late():
        time.sleep(2)  # it does not start in less, or fails where it does not wait
        events.append("known")
        return {"hosts": ["n1"], "n1.routes": [{"via": "{{ '10.0.0.' ~ 2 }}"}]}

    with workspace({"names": Late("hosts"), "routes": Late("n1.routes")}, host_name="n1") as space:
        run_playbook(space, "late", events.append, late=late)
    [ended] = [event for event in events if isinstance(event, TaskEnded)]
    assert events[0] == "known"
    assert (ended.outcome, ended.message) == ("ok", "1 by way of {{ '10.0.0.' ~ 2 }}")


def test_ansible_ends_where_its_variables_cannot_be_found_out():
    def late():
        raise NodeError("there is no cluster")

    events = []
    with workspace({}) as space, pytest.raises(NodeError, match=r"^there is no cluster$"):
        run_playbook(space, "facts", events.append, late=late)
    assert events == []


def test_an_inventory_that_cannot_be_read(tmp_path):
    broken = tmp_path / "hosts.yml"
    broken.write_text("all: [\n")
    with workspace({}, (str(broken),)) as space, pytest.raises(NodeError, match=r"hosts\.yml"):
        run_playbook(space, "facts", lambda _event: None)


def test_a_limit_that_matches_nothing(tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {a: {}}}\n")
    with workspace({}, (str(hosts),)) as space, pytest.raises(NodeError, match='no node of the inventory matches "b"'):
        run_playbook(space, "facts", lambda _event: None, limit="b")


BEGIN = """
import sys
from pykubeadm.ansible.playbook import run_playbook
from pykubeadm.ansible.workspace import workspace
with workspace({}, (sys.argv[1],)) as space:
    print(space.directory, flush=True)
    run_playbook(space, "facts", lambda _event: None)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(reached) -> bool:
    deadline = time.monotonic() + 120
    while not (found := reached()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


# What Ansible takes for Python: the second one stays where it is only asked to end.
INTERPRETERS = {"n1": "", "n2": "trap '' INT TERM\n"}


def test_it_ends_with_the_process_that_began_it(tmp_path):
    nodes = {}
    for name, beginning in INTERPRETERS.items():
        began, interpreter = tmp_path / f"{name}.began", tmp_path / f"{name}.python3"
        interpreter.write_text(f"#!/bin/sh\n{beginning}echo $$ > {began}.new; mv {began}.new {began}\nexec sleep 300\n")
        interpreter.chmod(0o755)
        nodes[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(interpreter)}
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"hosts": nodes}}))
    process = subprocess.Popen([sys.executable, "-c", BEGIN, str(hosts)], stdout=subprocess.PIPE, text=True)
    try:
        workspace_of_it = process.stdout.readline().strip()
        assert eventually(lambda: all((tmp_path / f"{name}.began").exists() for name in nodes))
        [ansible] = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
        assert runs(ansible)
    finally:
        process.kill()
        process.communicate()
    assert eventually(lambda: not runs(ansible))
    for name in nodes:
        assert eventually(lambda name=name: not runs(int((tmp_path / f"{name}.began").read_text()))), name
    assert eventually(lambda: not Path(workspace_of_it).exists()), "passwords may be in it"


HANGING = """\
#!/bin/sh
trap '' INT TERM
sleep 300 &
echo $$ $! > {began}.new
mv {began}.new {began}
wait
"""


@pytest.mark.parametrize("given", ["hosts/b", "hosts"])
def test_a_script_that_does_not_end_is_named_and_ended(given, tmp_path, monkeypatch):
    script, began = tmp_path / "hosts" / "b", tmp_path / "began"
    script.parent.mkdir()
    script.with_name("a").write_text("n1\n")
    script.write_text(HANGING.format(began=began))
    script.chmod(0o755)
    monkeypatch.setattr(playbook, "_GRACE", 0.5)
    with workspace({}, (str(tmp_path / given),)) as space, pytest.raises(NodeError) as failed:
        run_playbook(space, "facts", lambda _event: None, late=lambda: {"began": eventually(began.exists)}, reading_within=1.0)
    assert str(failed.value) == f"{script}: the script did not end within 1 s; run it with --list to see why"
    for process in map(int, began.read_text().split()):
        assert eventually(lambda process=process: not runs(process))


def test_the_time_of_a_run_ends_the_reading_of_its_inventory(tmp_path):
    script = tmp_path / "hosts"
    script.write_text("#!/bin/sh\nsleep 30\n")
    script.chmod(0o755)
    refused = CliRunner().invoke(cluster, ["apply", "-i", str(script), "--timeout", "2s"]).exception
    assert isinstance(refused, ConfigError)
    assert re.match(rf"{script}: (the script did not end|Ansible did not read the inventory) within 2 s", str(refused))


RAW = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Reach it
      ansible.builtin.raw: "true"
"""
# In place of ssh(1): it is dropped so many times before somebody lets it in.
DROPPED = """\
#!/bin/sh
case "$*" in *192.0.2.1*) ;; *) exit 0 ;; esac
echo >>{folder}/calls
[ "$(wc -l <{folder}/calls)" -gt {times} ] && exit 0
echo "kex_exchange_identification: Connection closed by remote host" >&2
exit 255
"""


@pytest.mark.parametrize(("times", "retries", "reached"), [(2, None, True), (9, "1", False)])
def test_an_sshd_that_drops_some_of_many_is_tried_again_or_as_often_as_the_user_says(
    times, retries, reached, tmp_path, monkeypatch
):
    (tmp_path / "raw.yml").write_text(RAW)
    (tmp_path / "ssh").write_text(DROPPED.format(folder=tmp_path, times=times))
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ansible keeps sockets
    monkeypatch.delenv("ANSIBLE_SSH_RETRIES", raising=False)
    if retries:
        monkeypatch.setenv("ANSIBLE_SSH_RETRIES", retries)
    monkeypatch.setattr(Workspace, "playbook", lambda _self, name: str(tmp_path / f"{name}.yml"))
    events = []
    ending = nullcontext() if reached else pytest.raises(NodeError, match="n1 cannot be reached: ")
    with workspace({}, hosts={"all": {"hosts": {"n1": {"ansible_host": "192.0.2.1"}}}}) as space, ending:
        run_playbook(space, "raw", events.append)
    [ended] = [event for event in events if isinstance(event, TaskEnded)]
    assert ended.failed is not reached
    assert len((tmp_path / "calls").read_text()) == (times + 1 if reached else 1 + int(retries))


KILLED = """\
#!{python}
import os, signal
os.write(int(os.environ["PYKUBEADM_EVENTS_FD"]), b'{{"event": "task", "ro')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_ansible_that_is_killed_while_it_reports_is_said_to_have_ended(tmp_path, monkeypatch):
    """As where memory runs out."""
    program = tmp_path / "ansible-playbook"
    program.write_text(KILLED.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(playbook, "_program", lambda: str(program))
    with workspace({}) as space, pytest.raises(NodeError) as failed:
        run_playbook(space, "facts", lambda _event: None)
    assert str(failed.value) == "ansible-playbook ended with status -9 before it was through: it said nothing"
