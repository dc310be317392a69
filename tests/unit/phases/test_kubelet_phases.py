"""kubelet-start, wait-control-plane and kubelet-finalize on a node in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pykubeadm.commands.init.kubelet_finalize import kubelet_finalize
from pykubeadm.commands.init.kubelet_start import kubelet_start
from pykubeadm.config.model import Configuration, Timeouts
from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kube import waits
from pykubeadm.node import health
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import File, Unit, UnitState
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.cluster.wait_control_plane import wait_control_plane, wait_for_components, wait_for_kubelet
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.phases.static_pods.restart import healthy_again
from pykubeadm.workflow.events import Waiting
from tests.support.init_runs import NOW, configuration, init_run, perform, warnings
from tests.support.node import FakeNode, completed

STOPPED = UnitState("loaded", "inactive", "dead", "disabled")
ACTIVE = UnitState("loaded", "active", "running", "enabled")
SOCKET = "unix:///var/run/containerd/containerd.sock"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
FILES = ["/var/lib/kubelet/kubeadm-flags.env", "/var/lib/kubelet/instance-config.yaml", "/var/lib/kubelet/config.yaml"]


def machine(unit: UnitState = STOPPED) -> FakeNode:
    return FakeNode(units={"kubelet": unit}, commands={"systemctl": completed(), "journalctl": completed()})


def containers(created: int = 1, **states: str) -> str:
    """What crictl lists: for each component its earlier container, which ended, and the newest, in the given state."""
    listed = [
        {
            "id": f"{name}-{attempt}",
            "metadata": {"name": name, "attempt": attempt},
            "state": f"CONTAINER_{each.upper()}",
            "createdAt": str(created * attempt),
            "labels": {"io.kubernetes.pod.namespace": "kube-system"},
        }
        for name, state in states.items()
        for attempt, each in enumerate(("exited", state))
    ]
    return json.dumps({"containers": listed})


def impatient() -> Configuration:
    found = configuration()
    timeouts = Timeouts(kubelet_health_check=timedelta(seconds=30), control_plane_component_health_check=timedelta(seconds=30))
    return replace(found, this_node=replace(found.this_node, timeouts=timeouts))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(waits.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waits.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_the_kubelet_is_configured_and_started_once() -> None:
    node = machine()
    run, _ = init_run(node)
    changes = perform(run, kubelet_start)
    assert [f"wrote {path}" for path in FILES] == [change for change in changes if change.endswith(("env", "yaml"))]
    assert changes[-2:] == ["enabled the kubelet", "started the kubelet"]
    assert run.kubelet_started == NOW
    again, _ = init_run(node)
    assert perform(again, kubelet_start) == []
    assert again.kubelet_started is None


@pytest.mark.parametrize("states", [{"etcd": "running", "kube-apiserver": "exited"}, {"etcd": "running"}])
def test_a_kubelet_that_pauses_before_it_tries_again_begins_again(states: dict[str, str]) -> None:
    node = machine()
    perform(init_run(node)[0], kubelet_start)
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET} ps"
    for name in ("etcd", "kube-apiserver"):
        node.put(f"/etc/kubernetes/manifests/{name}.yaml")
    node.commands[crictl] = completed(containers(etcd="running", **{"kube-apiserver": "running"}))
    assert perform(init_run(node)[0], kubelet_start) == []
    node.commands[crictl] = completed(containers(**states))
    run, _ = init_run(node)
    assert perform(run, kubelet_start) == ["restarted the kubelet, so that it starts kube-apiserver at once"]
    assert run.kubelet_started == NOW


def test_a_kubelet_that_replaces_pods_is_left_in_peace() -> None:
    node = machine()
    perform(init_run(node)[0], kubelet_start)
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml")
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET} ps"
    node.commands[crictl] = completed(containers(**{"kube-apiserver": "exited"}))
    run, _ = init_run(node)
    run.replaced["etcd"] = NOW
    assert perform(run, kubelet_start) == []


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        (NOW - timedelta(seconds=5), "the kubelet has not started it again yet"),
        (NOW - timedelta(hours=1), None),
        (NOW + timedelta(hours=1), None),  # the clock was set back meanwhile
    ],
)
def test_a_component_is_expected_to_be_started_again_only_for_a_while(replaced: datetime, said: str | None) -> None:
    node = machine()
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET} ps"
    node.commands[crictl] = completed(containers(etcd="running"))
    run, _ = init_run(node)
    run.replaced["etcd"] = replaced
    assert healthy_again(run, "etcd", lambda: None) == said


def test_a_kubelet_is_left_alone_where_the_runtime_cannot_be_asked() -> None:
    node = machine()
    perform(init_run(node)[0], kubelet_start)
    node.put("/etc/kubernetes/manifests/etcd.yaml")
    assert perform(init_run(node)[0], kubelet_start) == []


def test_a_running_kubelet_stands_still_while_its_files_change() -> None:
    node = machine()
    perform(init_run(node)[0], kubelet_start)
    node.put("/var/lib/kubelet/config.yaml", "other")

    class PowerCutError(Exception):
        pass

    def killed(*_arguments: Any, **_more: Any) -> Any:
        raise PowerCutError

    node.write = killed  # type: ignore[method-assign] - the power goes off before the write
    with pytest.raises(PowerCutError):
        perform(init_run(node)[0], kubelet_start)
    unit = node.unit("kubelet")
    assert (unit.active, unit.enabled) == ("inactive", "enabled")


def test_a_kubelet_that_may_start_itself_while_its_files_are_written_is_restarted() -> None:
    """One that ended for want of its files is started by systemd every ten seconds, perhaps with those of before."""
    node = machine(UnitState("loaded", "activating", "auto-restart", "enabled", "exit-code", 1))
    ensure, wanted = node.ensure_unit, []

    def ensure_unit(unit: Unit, **more: Any) -> tuple[str, ...]:
        wanted.append(unit.state)
        return ensure(unit, **more)

    node.ensure_unit = ensure_unit  # type: ignore[method-assign]
    assert "started the kubelet" in perform(init_run(node)[0], kubelet_start)
    assert wanted == ["restarted"]


def test_a_node_without_kubelet_service_gets_the_files() -> None:
    run, events = init_run(FakeNode())
    assert "wrote /var/lib/kubelet/config.yaml" in perform(run, kubelet_start)
    assert warnings(events) == ["this node has no kubelet service: start the kubelet by other means"]


@pytest.mark.usefixtures("clock")
def test_a_kubelet_that_does_not_come_up_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "look", lambda *_arguments: "connection refused")
    node = machine(UnitState("loaded", "activating", "auto-restart", "enabled", "exit-code", 1))
    node.commands["journalctl"] = completed('F1120 1 2 run.go:72] "command failed" err="failed to run Kubelet: validate service'
        ' connection: dial unix /run/containerd/containerd.sock: connect: no such file or directory"')  # fmt: skip
    run, events = init_run(node, impatient())
    with pytest.raises(PhaseError) as caught:
        wait_for_kubelet(run)
    text = str(caught.value)
    assert text.startswith(
        "timed out after 30 s of waiting for the kubelet at http://127.0.0.1:10248/healthz (connection refused)\n"
    )
    assert "likely cause: the container runtime does not answer on /run/containerd/containerd.sock; start it" in text
    waiting = [event for event in events if isinstance(event, Waiting)]
    assert 25 <= len(waiting) <= 30
    assert waiting[0].reason == "connection refused"
    assert "the container runtime does not answer" in waiting[-1].reason


@pytest.mark.usefixtures("clock")
def test_a_kubelet_that_cannot_come_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "look", lambda *_arguments: "connection refused")
    node = machine(ACTIVE)
    line = 'E1120 1 2 run.go:72] "command failed" err="failed to parse kubelet flag: unknown flag: --nope"'
    node.commands["journalctl"] = completed(f"{line}\n{line}\n")
    with pytest.raises(PhaseError, match=r"gave up after 5 s .*: kubelet does not know the flag --nope"):
        wait_for_kubelet(init_run(node, impatient())[0])


def test_healthz_follows_the_kubelets_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(health, "look", lambda endpoint, _contexts: asked.append(endpoint.url) or "")
    node = machine(ACTIVE)
    for settings in ("healthzPort: 12345\n", 'healthzBindAddress: "::1"\n', "healthzPort: 0\n"):
        node.put("/var/lib/kubelet/config.yaml", settings)
        wait_for_kubelet(init_run(node)[0])
    assert asked == ["http://127.0.0.1:12345/healthz", "http://[::1]:10248/healthz"]


def test_components_are_asked_where_their_manifests_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(health, "look", lambda endpoint, _contexts: asked.append(endpoint.url) or "")
    run, _ = init_run(machine(ACTIVE), configuration(port=8443))
    perform(run, certs, kubeconfig, control_plane)
    wait_for_components(run)
    assert asked == ["https://10.0.0.9:8443/livez", "https://127.0.0.1:10257/healthz", "https://127.0.0.1:10259/livez"]


@pytest.mark.usefixtures("clock")
def test_the_pod_of_a_former_manifest_is_not_taken_for_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "look", lambda *_arguments: "")
    node = machine(ACTIVE)
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET} ps"
    node.commands[crictl] = completed(containers(**dict.fromkeys(COMPONENTS, "running")))
    run, _ = init_run(node, impatient())
    perform(run, certs, kubeconfig, control_plane)
    wait_for_components(run)  # of manifests that were not there before whatever answers is good
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    node.put(path, node.text(path).replace("--allow-privileged=true", "--allow-privileged=false"))
    changed, _ = init_run(node, impatient())
    perform(changed, control_plane)
    with pytest.raises(PhaseError, match=r"of waiting for kube-apiserver \(the kubelet has not started it again yet\)"):
        wait_for_components(changed)
    node.commands[crictl] = completed(containers(int(NOW.timestamp() * 1e9), **dict.fromkeys(COMPONENTS, "running")))
    wait_for_components(changed)


def test_a_missing_manifest_is_named() -> None:
    with pytest.raises(PhaseError, match=r"kube-apiserver\.yaml does not exist; make it with .*control-plane apiserver"):
        wait_for_components(init_run(machine(ACTIVE))[0])


def test_dry_runs_do_not_wait() -> None:
    assert wait_control_plane.apply is None
    assert wait_control_plane.verify is not None


def test_components_that_have_certificates_that_were_made_again_are_ended_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = machine(ACTIVE)
    run, _ = init_run(node, impatient())
    perform(run, certs, kubeconfig, control_plane, kubelet_start)
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET}"
    states = {**dict.fromkeys(COMPONENTS, "running"), "kube-scheduler": "exited"}
    node.commands[f"{crictl} ps"] = completed(containers(**states))
    node.commands[f"{crictl} stop"] = completed()
    node.put(PEM, node.text("/etc/kubernetes/pki/apiserver-kubelet-client.crt"))
    assert [change for change in perform(run, kubelet_start) if change.startswith("ended")] == []
    run.journal.will_remake("/etc/kubernetes/pki/apiserver.crt")
    changes = perform(run, kubelet_start)
    ended = ("kube-apiserver", "kube-controller-manager")
    assert [change.split(",")[0] for change in changes[:-1]] == [f"ended {name}" for name in ended]
    assert changes[-1] == "restarted the kubelet, so that it starts kube-scheduler at once"
    assert [command.argv[-1] for command in node.ran if "stop" in command.argv] == [f"{name}-1" for name in ended]
    monkeypatch.setattr(health, "look", lambda *_arguments: "")
    monkeypatch.setattr(waits.time, "sleep", lambda _seconds: setattr(run, "now", lambda: NOW + timedelta(minutes=2)))
    wait_for_components(run)  # the former ones answer, and are believed only when no others come
    assert run.now() > NOW
    assert node.stat(PEM)
    run.now = lambda: NOW - timedelta(days=3)
    assert f"removed {PEM}, whose certificate was not valid yet" in perform(run, kubelet_start)
    assert not node.stat(PEM)


def test_a_run_that_was_killed_before_the_kubelet_leaves_the_restart_to_the_next() -> None:
    node = machine(ACTIVE)
    ahead, _ = init_run(node)
    ahead.now = lambda: NOW + timedelta(days=3)
    perform(ahead, certs, kubeconfig, control_plane, kubelet_start)
    perform(init_run(node)[0], certs)  # and no more
    crictl = f"crictl --timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET}"
    node.commands[f"{crictl} ps"] = completed(containers(**dict.fromkeys(COMPONENTS, "running")))
    node.commands[f"{crictl} stop"] = completed()
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")  # whose pods run on without it
    changes = perform(init_run(node)[0], certs, kubelet_start)
    assert [change.split(",")[0] for change in changes] == [*(f"ended {name}" for name in COMPONENTS), "started the kubelet"]
    assert perform(init_run(node)[0], certs, kubelet_start) == []


def test_kubelet_conf_is_pointed_to_the_renewed_certificate_once() -> None:
    node = machine(ACTIVE)
    run, _ = init_run(node)
    perform(run, certs, kubeconfig)
    assert perform(run, kubelet_finalize) == []  # the kubelet has not put it there yet
    node.put(PEM, "pem")
    assert perform(run, kubelet_finalize) == [f"pointed /etc/kubernetes/kubelet.conf to {PEM}", "restarted the kubelet"]
    written = node.text("/etc/kubernetes/kubelet.conf")
    assert f"client-certificate: {PEM}" in written
    assert f"client-key: {PEM}" in written
    assert "client-key-data" not in written
    assert perform(run, kubelet_finalize) == []


def test_a_kubelet_conf_of_others_stays_as_it_is() -> None:
    node = machine(ACTIVE)
    run, _ = init_run(node)
    perform(run, certs, kubeconfig)
    node.remove([STATE_DIR])
    node.put(PEM, "pem")
    before = node.text("/etc/kubernetes/kubelet.conf")
    assert perform(init_run(node)[0], kubelet_finalize) == []
    assert node.text("/etc/kubernetes/kubelet.conf") == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("\0\0", "cannot be read"),
        ("- a", "holds a list"),
        ("kind: Config\n", "has no current-context"),
        ("users: 5", "has a whole number for users"),
    ],
)
def test_a_damaged_kubelet_conf_is_a_sentence(content: str, sentence: str) -> None:
    node = machine(ACTIVE)
    node.put(PEM, "pem")
    damaged = [File("/etc/kubernetes/kubelet.conf", content.encode())]
    Journal(node).will_write(damaged)
    node.write(damaged)
    with pytest.raises(PhaseError, match=rf"^/etc/kubernetes/kubelet\.conf {sentence}.*init phase kubeconfig kubelet"):
        perform(init_run(node)[0], kubelet_finalize)
