"""Every file that `init` reads on a healthy node, found by watching it, damaged in every way: it ends well or in a sentence.

Whatever it is, the run's events and the journal come to their end, nobody is advised to destroy anything, and with the file put
back there is nothing to do.
"""

from __future__ import annotations

import json
from functools import cache

import pytest

from pykubeadm.commands.init.etcd import etcd
from pykubeadm.commands.init.kubelet_finalize import kubelet_finalize
from pykubeadm.commands.init.kubelet_start import kubelet_start
from pykubeadm.commands.init.preflight import preflight
from pykubeadm.errors import BUG, PykubeadmError
from pykubeadm.node import health
from pykubeadm.node.diagnose import CONTROL_PLANE
from pykubeadm.node.journal import PATH
from pykubeadm.node.port import Directory, File, UnitState
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.cluster.wait_control_plane import wait_control_plane
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.workflow.events import Event, PhaseFailed, RunFinished, event_type
from pykubeadm.workflow.phase import steps
from pykubeadm.workflow.runner import run_steps
from tests.support.damage import DAMAGED
from tests.support.init_runs import init_run
from tests.support.machines import crictl, ready_machine
from tests.support.node import FakeNode, completed

PHASES = (preflight, certs, kubeconfig, etcd, control_plane, kubelet_start, wait_control_plane, kubelet_finalize)
PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
ALWAYS = ("empty", "newline", "a directory", "gone")  # of which the content may depend on the file
# Ways to be damaged that are much alike to who reads the file, one after the other for one file after the other. Text that is no
# PEM is one thing to whoever looks for PEM; the unit tests of manifests and kubeconfigs have more of YAML's.
OF_PEM = ("zeroes", "not UTF-8", "a word")
OF_YAML = (*OF_PEM, "a comment", "cut", "a list", "two keys", "an endless alias", "deep")
YAML_EACH = 3  # of the nine


class WatchedNode(FakeNode):
    """Knows which files were read."""

    def __init__(self, node: FakeNode) -> None:
        super().__init__(files=dict(node.files), sockets=node.sockets, commands=node.commands, units=dict(node.units))
        self.seen: set[str] = set()

    def read(self, path: str) -> bytes | None:
        content = super().read(path)
        if content is not None:
            self.seen.add(path)
        return content


def run(node: FakeNode) -> tuple[list[Event], PykubeadmError | None]:
    """As the command does, without the cluster. A bug is raised."""
    run, events = init_run(node)
    try:
        run_steps("init", "cp1", tuple(steps(PHASES)), run, dry_run=False, recorder=run.journal, emit=events.append)
    except PykubeadmError as error:
        return events, error
    return events, None


def running(name: str) -> dict[str, object]:
    """A container that was started after any run of these tests."""
    labels = {"io.kubernetes.pod.namespace": "kube-system"}
    return {"id": name, "metadata": {"name": name}, "state": "CONTAINER_RUNNING", "createdAt": str(2**62), "labels": labels}


def machine() -> FakeNode:
    node = ready_machine()
    crictl(node, "images -o json", {"images": []})
    crictl(node, "inspecti", "")  # every image is there
    crictl(node, "ps -a -o json", {"containers": [running(name) for name in CONTROL_PLANE]})
    node.commands |= {"systemctl": completed(), "journalctl": completed()}
    return node


@cache
def healthy() -> tuple[FakeNode, tuple[str, ...]]:
    """A node that a run has nothing to do on, and the files that it reads there, those of the kernel left out."""
    node = machine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health, "look", lambda *_arguments: "")
        assert run(node)[1] is None
        node.put(PEM, node.text("/etc/kubernetes/pki/apiserver-kubelet-client.crt"))
        assert run(node)[1] is None
        node.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
        watched = WatchedNode(node)
        assert run(watched)[1] is None
    return node, tuple(sorted(path for path in watched.seen if not path.startswith(("/proc/", "/sys/", "/boot/"))))


def damaged(node: FakeNode, path: str, damage: str) -> None:
    entry = node.files[path]
    assert isinstance(entry, File)
    if damage == "a directory":
        node.files[path] = Directory(path)
    elif damage == "gone":
        del node.files[path]
    else:
        content = entry.content + b"\n" if damage == "newline" else DAMAGED[damage]
        node.files[path] = File(path, content, entry.mode)


def test_the_files_are_those_of_a_control_plane() -> None:
    _, paths = healthy()
    assert {f"/etc/kubernetes/pki/{name}" for name in ("ca.crt", "ca.key", "sa.key", "etcd/server.key")} <= set(paths)
    assert {PATH, PEM, "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/manifests/etcd.yaml"} <= set(paths)
    assert {"/var/lib/kubelet/config.yaml", "/etc/kubernetes/admin.conf"} <= set(paths)


def damages() -> list[tuple[str, str]]:
    """Each file with the ways it is damaged: over all the files, every way comes up several times."""
    _, paths = healthy()
    pairs = []
    for index, path in enumerate(paths):
        pem = path.endswith((".crt", ".key", ".pub", ".pem"))
        alike, number = (OF_PEM, 1) if pem else (OF_YAML, YAML_EACH)
        pairs += [(path, damage) for damage in (*ALWAYS, *(alike[(index * number + n) % len(alike)] for n in range(number)))]
    return pairs


def test_each_way_comes_up() -> None:
    assert {damage for _, damage in damages()} == {*ALWAYS, *OF_YAML}


@pytest.mark.parametrize("damage", [*ALWAYS, *OF_YAML])
def test_each_file_that_is_read(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "look", lambda *_arguments: "")
    node, _ = healthy()
    for path in [path for path, its_damage in damages() if its_damage == damage]:
        assert _outcome(node, path, damage) == "", path


def _others(node: FakeNode, path: str) -> dict[str, File | Directory]:
    """All but the file and the journal."""
    return {other: entry for other, entry in node.files.items() if other not in (path, PATH)}


def _outcome(healthy_node: FakeNode, path: str, damage: str) -> str:
    """What is wrong with how a run takes the damage; "" where nothing is."""
    node = FakeNode(
        files=dict(healthy_node.files),
        sockets=healthy_node.sockets,
        commands=healthy_node.commands,
        units=dict(healthy_node.units),
    )
    damaged(node, path, damage)
    try:
        events, error = run(node)
    except PykubeadmError as failure:  # before the run: the journal itself
        return "" if path in str(failure) else f"does not name the file: {failure}"
    last = events[-1]
    if not isinstance(last, RunFinished) or last.exit_status == BUG:
        return f"ends with {event_type(last)}"
    if last.outcome == "unchanged":
        return ""
    if error is not None:
        if path not in str(error):
            return f"does not name the file: {error}"
        if any(word in str(error) for word in ("reset", "delete", "remove", "Traceback")):
            return f"advises to destroy: {error}"
        if not any(isinstance(event, PhaseFailed) and path in event.error for event in events):
            return "has no event of the phase that failed"
        if json.loads(node.text(PATH))["runs"][-1]["outcome"] != "failed":
            return "is not in the journal"
        if damage != "a word" and _others(node, path) == _others(healthy_node, path):
            return ""  # there is nothing but the file to put back
    node.files[path] = healthy_node.files[path]
    events, error = run(node)
    if error is not None or [event for event in events if isinstance(event, RunFinished)][-1].outcome != "unchanged":
        return f"with the file put back: {error or [event.changes for event in events if hasattr(event, 'changes')]}"
    return ""
