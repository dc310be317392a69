"""What a user is reported when kubelet or control plane do not come up."""

# ruff: noqa: E501 - log lines stand here as they are printed
from __future__ import annotations

import json
from typing import Any

from pykubeadm.node.diagnose import diagnose, last_errors
from pykubeadm.node.port import UnitState
from tests.support.node import Answer, FakeNode, completed

SOCKET = "unix:///var/run/containerd/containerd.sock"
CRICTL = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET}"
RUNNING = UnitState("loaded", "active", "running", "enabled", "success", 0)
LOOPING = UnitState("loaded", "activating", "auto-restart", "enabled", "exit-code", 3)
BAD_FLAG = 'E1120 22:22:07.176540    9086 run.go:72] "command failed" err="failed to parse kubelet flag: unknown flag: --nope"'


def container(name: str, state: str, attempt: int = 0, identity: str = "", created: int = 1) -> dict[str, Any]:
    labels = {"io.kubernetes.pod.name": f"{name}-cp1", "io.kubernetes.pod.namespace": "kube-system"}
    metadata = {"name": name, "attempt": attempt}
    state = f"CONTAINER_{state.upper()}"
    return {"id": identity or name, "metadata": metadata, "state": state, "createdAt": str(created), "labels": labels}


def node(
    *,
    unit: UnitState = RUNNING,
    journal: str = "",
    containers: list[dict[str, Any]] | None = None,
    logs: dict[str, str] | None = None,
    exits: dict[str, dict[str, Any]] | None = None,
    **more: Answer,
) -> FakeNode:
    commands: dict[str, Answer] = {"journalctl": completed(journal)}
    if containers is not None:
        commands[f"{CRICTL} ps"] = completed(json.dumps({"containers": containers}))
    for identity, text in (logs or {}).items():
        commands[f"{CRICTL} logs --tail 200 {identity}"] = completed("", 0, text)
    for identity, status in (exits or {}).items():
        commands[f"{CRICTL} inspect -o json {identity}"] = completed(json.dumps({"status": status}))
    return FakeNode(units={"kubelet": unit}, commands=commands | more)


def test_a_control_plane_container_that_cannot_have_its_port() -> None:
    machine = node(
        containers=[container("etcd", "running"), container("kube-apiserver", "exited", 2)],
        exits={"kube-apiserver": {"exitCode": 1, "reason": "Error"}},
        logs={
            "kube-apiserver": 'I1120 starting\nE1120 1 2 run.go:72] "command failed" err="failed to create listener: failed to listen on'
            ' 0.0.0.0:6443: listen tcp 0.0.0.0:6443: bind: address already in use"\n'
        },
        ss=completed('LISTEN 0 511 0.0.0.0:6443 0.0.0.0:* users:(("haproxy",pid=77,fd=6))\n'),
    )
    found = diagnose(machine, SOCKET, unhealthy=("kube-apiserver",))
    assert [cause.name for cause in found.causes] == ["port-taken"]
    text = found.render()
    assert text.startswith("likely cause: port 6443 is taken by haproxy (pid 77), so kube-apiserver cannot listen; stop")
    assert "kube-apiserver           exited, attempt 2, exit code 1 (Error)" in text
    assert "kube-scheduler           not created" in text
    assert "last lines of kube-apiserver:" in text
    assert found.lasting is None  # somebody may stop haproxy


def test_the_newest_container_of_a_name_counts() -> None:
    machine = node(
        containers=[container("etcd", "exited", 5, "old", created=1), container("etcd", "running", 0, "new", created=2)],
    )
    (etcd,) = diagnose(machine, SOCKET, components=("etcd",)).containers
    assert (etcd.state, etcd.attempt) == ("running", 0)


def test_what_the_former_container_said_at_its_end_is_no_reason() -> None:
    """Its certificates were renewed one file after the other while it ran; it is ended now, and has nothing to do with the new one."""
    mismatch = 'E1127 dynamic_serving_content.go:144] "Unhandled Error" err="tls: private key does not match public key"\n'
    machine = node(containers=[container("kube-apiserver", "running", created=50)], logs={"kube-apiserver": mismatch * 2})
    found = diagnose(machine, SOCKET, unhealthy=("kube-apiserver",), components=("kube-apiserver",))
    assert found.lasting is not None
    found = diagnose(
        machine, SOCKET, unhealthy=("kube-apiserver",), components=("kube-apiserver",), replaced={"kube-apiserver": 60e-9}
    )
    assert found.causes == ()
    assert "kube-apiserver           not replaced yet, running" in found.render()
    later = diagnose(
        machine, SOCKET, unhealthy=("kube-apiserver",), components=("kube-apiserver",), replaced={"kube-apiserver": 40e-9}
    )
    assert later.lasting is not None


def test_a_replaced_pod_that_the_kubelet_starts_once_more_is_no_reason() -> None:
    """It has not seen yet that the manifest with the bad flag was put back."""
    crashed = container("kube-apiserver", "exited", 3, created=70)
    crashed["labels"]["io.kubernetes.pod.uid"] = "bad"
    machine = node(containers=[crashed], logs={"kube-apiserver": "Error: unknown flag: --nope\n"})

    def lasting(former: str) -> Any:
        names, replaced = ("kube-apiserver",), {"kube-apiserver": 60e-9}
        return diagnose(
            machine, SOCKET, unhealthy=names, components=names, replaced=replaced, former={"kube-apiserver": former}
        ).lasting

    assert lasting("bad") is None
    assert lasting("another").name == "bad-flag"


def test_a_kubelet_with_a_bad_flag_is_certain_the_second_time() -> None:
    once = diagnose(node(unit=LOOPING, journal=BAD_FLAG, containers=[]), SOCKET, components=())
    assert once.lasting is None
    twice = diagnose(node(unit=LOOPING, journal=f"{BAD_FLAG}\n{BAD_FLAG}", containers=[]), SOCKET, components=())
    assert twice.lasting is not None
    assert twice.lasting.sentence == "kubelet does not know the flag --nope"
    assert "kubelet: activating (auto-restart), enabled, last result exit-code, restarted 3 times" in twice.render()


def ended(log: str, attempt: int = 0, state: str = "exited") -> Any:
    """What is certain of a scheduler whose newest container printed `log`."""
    machine = node(
        containers=[container("kube-scheduler", state, attempt)],
        exits={"kube-scheduler": {"exitCode": 1, "reason": "Error"}},
        logs={"kube-scheduler": log},
    )
    return diagnose(machine, SOCKET, unhealthy=("kube-scheduler",), components=("kube-scheduler",)).lasting


def test_a_component_that_ended_with_a_bad_flag_is_certain_at_once() -> None:
    assert ended("Error: unknown flag: --nope\n").sentence == "kube-scheduler does not know the flag --nope"
    assert ended("Error: unknown flag: --nope\n", state="running") is None  # it did not keep it from starting


def test_what_lies_outside_a_components_command_line_is_certain_once_it_was_started_again() -> None:
    mismatch = "tls: private key does not match public key\n"
    assert ended(mismatch) is None  # the other file may be on its way
    assert ended(mismatch, attempt=2).name == "certificate-mismatch"


def test_a_missing_image_shows_in_the_kubelets_journal() -> None:
    line = (
        'E1120 22:22:07.1    9 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"etcd\\" with'
        ' ErrImagePull: \\"failed to pull and unpack image \\\\\\"registry.example/etcd:9\\\\\\": registry.example/etcd:9: not found\\""'
    )
    found = diagnose(node(journal=line, containers=[]), SOCKET)
    assert found.causes[0].sentence == "the image registry.example/etcd:9 cannot be pulled: not found"
    assert "etcd                     not created" in found.render()


def test_the_log_of_the_likely_cause_is_shown() -> None:
    machine = node(
        unit=UnitState("loaded", "active", "running", "enabled", "success", 1),
        containers=[container("kube-apiserver", "running"), container("kube-scheduler", "exited", 2)],
        exits={"kube-scheduler": {"exitCode": 1, "reason": "Error"}},
        logs={
            "kube-apiserver": "I1120 still starting\n",
            "kube-scheduler": 'E1120 1 2 run.go:72] "command failed" err="open /nosuch: no such file or directory"\n',
        },
    )
    text = diagnose(machine, SOCKET, unhealthy=("kube-apiserver", "kube-scheduler")).render()
    assert text.startswith("likely cause: kube-scheduler ended at its start: open /nosuch: no such file or directory")
    assert "last lines of kube-scheduler:" in text
    assert "kubelet: active (running), enabled, restarted once\n" in text


def test_what_every_kubelet_says_at_its_start_is_not_shown() -> None:
    lines = [
        'E1120 23:22:27.1 9 kubelet.go:2661] "Skipping pod synchronization" err="[container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]"',
        'E1120 23:22:27.1 9 kubelet_node_status.go:446] "Error getting the current node from lister" err="node \\"cp1\\" not found"',
        'E1120 23:22:27.1 9 manager.go:525] "Failed to read data from checkpoint" err="checkpoint is not found" checkpoint="kubelet_internal_checkpoint"',
        'E1120 23:22:27.1 9 eviction_manager.go:297] "Eviction manager: failed to get summary stats" err="failed to get node info: node \\"cp1\\" not found"',
        'E1120 23:22:27.1 9 kubelet.go:3516] "Failed creating a mirror pod" err="pods \\"etcd-cp1\\" is forbidden: no PriorityClass with name system-node-critical was found"',
        'E1120 23:22:27.1 9 kubelet_node_status.go:529] "Error updating node status, will retry" err="error getting node \\"cp1\\": node \\"cp1\\" not found"',
    ]
    assert last_errors([*lines, 'E1120 23:22:27.1 9 x.go:1] "Real" err="trouble"']) == ('x.go:1] "Real" err="trouble"',)


def test_memory() -> None:
    machine = node(
        containers=[container("kube-apiserver", "exited", 1)], exits={"kube-apiserver": {"exitCode": 137, "reason": "OOMKilled"}}
    )
    assert diagnose(machine, SOCKET).causes[0].name == "out-of-memory"


def test_no_kubelet_at_all() -> None:
    found = diagnose(FakeNode(commands={"journalctl": completed()}), SOCKET)
    assert found.causes[0].sentence == "there is no kubelet service on this node"
    assert found.lasting is not None


def test_without_crictl_the_log_files_are_read() -> None:
    machine = FakeNode(
        units={"kubelet": RUNNING},
        commands={"journalctl": completed(), "tail": completed("2026-11-20T22:00:00.0Z stderr F Error: unknown flag: --nope\n")},
    )
    machine.put("/var/log/pods/kube-system_kube-scheduler-cp1_11/kube-scheduler/2.log")
    machine.put("/var/log/pods/kube-system_kube-scheduler-cp1_11/kube-scheduler/1.log")
    found = diagnose(machine, SOCKET)
    assert found.causes[0].sentence == "kube-scheduler does not know the flag --nope"
    assert found.log == ("Error: unknown flag: --nope",)
    assert any("there is no crictl" in note for note in found.notes)


def test_only_what_the_kubelet_said_since_its_start_counts() -> None:
    machine = node(containers=[])
    diagnose(machine, SOCKET, since=1763676000.5)
    journalctl = next(command for command in machine.ran if command.argv[0] == "journalctl")
    assert journalctl.argv[-1] == "--since=@1763676000.500"


def test_looking_changes_nothing() -> None:
    machine = node(containers=[container("etcd", "exited")])
    diagnose(machine, SOCKET)
    assert not any(command.changes for command in machine.ran)


def test_last_errors_leave_out_repetitions_and_consequences() -> None:
    lines = [
        'E1120 22:22:07.1    9 kubelet.go:1] "Unable to register node with API server" err="connection refused"',
        'I1120 22:22:07.1    9 kubelet.go:2] "Starting"',
        'E1120 22:22:07.1    9 a.go:3] "Could not do it" attempt=1',
        'E1120 22:22:08.1    9 a.go:3] "Could not do it" attempt=2',
        "plain text: mount failed",
    ]
    assert last_errors(lines) == ('a.go:3] "Could not do it" attempt=2', "plain text: mount failed")
