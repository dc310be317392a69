"""From words to a run of `reset`: kubeadm's flags and file, which runtime is asked, and the question before anything goes."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pykubeadm.cli.lazy import Globals
from pykubeadm.cli.reset import reset
from pykubeadm.commands.reset.begin import begin
from pykubeadm.commands.reset.command import reset as run_reset
from pykubeadm.commands.reset.phases import PHASES
from pykubeadm.commands.reset.preflight import preflight
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, DeclinedError
from pykubeadm.node.local import LocalNode
from pykubeadm.workflow.events import Event, Result
from pykubeadm.workflow.phase import without
from tests.support.reset_runs import ADMIN, control_plane, reset_run

HEAD = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\n"
CONTAINERD, CRIO = "unix:///var/run/containerd/containerd.sock", "unix:///var/run/crio/crio.sock"


def parsed(*words: str) -> dict[str, Any]:
    return reset.make_context("reset", list(words), obj=Globals()).params


def begun(root: Path, config: str = "", **options: Any) -> ResetRun:
    source = None
    if config:
        options["config"] = "/reset.yaml"
        source = Source("/reset.yaml", (HEAD + config).encode())
    return begin(LocalNode(str(root)), options, lambda _event: None, lambda: False, source=source)


def test_every_flag_of_kubeadms_reset_is_known() -> None:
    found = parsed("-f", "--cert-dir=/p", "--cleanup-tmp-dir", "--cri-socket=s", "--dry-run", "--kubeconfig=k")
    assert (found["force"], found["cert_dir"], found["cleanup_tmp_dir"]) == (True, "/p", True)
    assert parsed("--ignore-preflight-errors=all", "--skip-phases=preflight", "--config=c")["config"] == "c"


@pytest.mark.parametrize(
    ("phase", "flags"),
    [
        ("preflight", ["--dry-run", "--force", "--ignore-preflight-errors"]),
        ("pre-flight", ["--force"]),
        ("remove-etcd-member", ["--dry-run", "--kubeconfig", "--force"]),
        ("cleanup-node", ["--cert-dir", "--cleanup-tmp-dir", "--cri-socket", "--dry-run", "--keep"]),
        ("cleanupnode", ["--cert-dir"]),
    ],
)
def test_phases_run_alone_by_kubeadms_names(phase: str, flags: list[str]) -> None:
    shown = CliRunner().invoke(reset, ["phase", phase, "--help"], obj=Globals())
    assert shown.exit_code == 0
    assert [flag for flag in flags if flag not in shown.output] == []


def test_an_alias_is_not_listed_twice() -> None:
    shown = CliRunner().invoke(reset, ["phase", "--help"], obj=Globals()).output
    assert "cleanup-node" in shown
    assert "cleanupnode" not in shown


def test_an_unknown_phase_is_none() -> None:
    assert CliRunner().invoke(reset, ["phase", "drain"], obj=Globals()).exit_code == click.UsageError.exit_code


def test_the_file_says_what_flags_may_not(tmp_path: Path) -> None:
    text = "force: true\ncertificatesDir: /srv/pki\ncriSocket: unix:///a.sock\nunmountFlags: [MNT_DETACH]\n"
    run = begun(tmp_path, f"{text}timeouts: {{etcdAPICall: 5s}}\nskipPhases: [remove-etcd-member]\n")
    assert (run.reset.force, run.reset.unmount_flags, run.sockets) == (True, ("MNT_DETACH",), ("unix:///a.sock",))
    assert run.reset.timeouts.etcd_api_call.total_seconds() == 5
    assert "/srv/pki" in run.found.certificates_dirs
    assert run.reset.skip_phases == ("remove-etcd-member",)


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ("unmountFlags: [MNT_FORCED]\n", {}, "reset.yaml:3"),
        ("skipPhases: [drain]\n", {}, "drain"),
        ("certificatesDir: pki\n", {}, "certificatesDir"),
        ("criSocket: tcp://1.2.3.4\n", {}, "criSocket"),
        ("force: false\n", {"force": True}, "--force: cannot be given together with --config"),
        ("force: false\n", {"cert_dir": "/p", "cri_socket": CRIO}, "--cri-socket: cannot be given together with --config"),
        ("", {"cert_dir": "pki"}, "--cert-dir"),
        ("", {"skip_phases": ("drain",)}, "--skip-phases"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, config: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        begun(tmp_path, config, **options)
    assert said in str(raised.value)


def test_a_file_without_the_document_is_refused(tmp_path: Path) -> None:
    source = Source("/init.yaml", HEAD.replace("Reset", "Init").encode())
    with pytest.raises(ConfigError, match="ResetConfiguration"):
        begin(LocalNode(str(tmp_path)), {"config": "/init.yaml"}, lambda _event: None, lambda: False, source=source)


def test_flags_beside_the_file_win_over_it(tmp_path: Path) -> None:
    run = begun(tmp_path, "skipPhases: [preflight]\n", dry_run=True, skip_phases=("cleanup-node",))
    assert (run.dry_run, run.reset.skip_phases) == (True, ("cleanup-node",))


def test_of_two_runtimes_the_kubelets_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as containerd, socket.socket(socket.AF_UNIX) as crio:
        for runtime, url in ((containerd, CONTAINERD), (crio, CRIO)):
            path = Path(url.removeprefix("unix:///"))
            path.parent.mkdir(parents=True)
            runtime.bind(str(path))
        assert begun(tmp_path).sockets == (CONTAINERD, CRIO)
        kubelet = tmp_path / "var/lib/kubelet/instance-config.yaml"
        kubelet.parent.mkdir(parents=True)
        kubelet.write_text(f"containerRuntimeEndpoint: {CRIO}\n")
        assert begun(tmp_path).sockets == (CRIO,)
        assert begun(tmp_path, cri_socket=CONTAINERD).sockets == (CONTAINERD,)


def test_all_that_is_wrong_with_flags_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        begun(tmp_path, keep=("rules", "firewall"), kubeconfig="/none.conf", cert_dir="pki", cri_socket="here")
    said = [line.partition(": ")[::2] for line in str(caught.value).splitlines()]
    assert [flag for flag, _ in said] == ["--cert-dir", "--cri-socket", "--keep", "--kubeconfig"]
    assert said[2][1].startswith("there is no firewall; choose among cni, ")
    assert said[3][1] == "/none.conf does not exist"


def test_another_root_has_no_kernel_of_its_own(tmp_path: Path) -> None:
    """Programs of a tree on this machine would act on this machine's network."""
    assert begun(tmp_path, keep=("logs",)).keep == {"logs", "interfaces", "rules"}


@pytest.mark.parametrize(
    ("kubelet", "name"),
    [(ADMIN.replace("kubernetes-admin", "system:node:w7"), "w7"), ("kind: Config", "ip-10-0-0-7"), ("a: [", "ip-10-0-0-7")],
)
def test_the_node_to_be_deleted_is_named_as_the_cluster_knows_it(kubelet: str, name: str) -> None:
    node, events = control_plane(), list[Event]()
    node.put("/proc/sys/kernel/hostname", "IP-10-0-0-7\n")
    node.put("/etc/kubernetes/kubelet.conf", kubelet)
    options = {"force": True, "ignore_preflight_errors": ("all",), "skip_phases": ("remove-etcd-member",)}
    run_reset(options, events.append, confirm=lambda: False, choose=partial(without, PHASES), machine=node)
    [result] = [event for event in events if isinstance(event, Result)]
    assert f"`kubectl delete node {name}`" in result.text
    assert result.data == {"node": name}


@pytest.mark.parametrize("answer", [True, False])
def test_nothing_goes_before_the_user_agrees(answer: bool) -> None:
    run, _events = reset_run(control_plane(), force=False, ignore_preflight_errors=("all",))
    run.confirm = lambda: answer
    assert preflight.apply is not None
    if answer:
        assert preflight.apply(run) == ()
    else:
        with pytest.raises(DeclinedError, match="answer y, or give --force"):
            preflight.apply(run)


@pytest.mark.parametrize(("typed", "goes_on"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_the_question_is_kubeadms(monkeypatch: pytest.MonkeyPatch, typed: str, goes_on: bool) -> None:
    import io

    from pykubeadm.cli import reset as module

    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert module._confirm() is goes_on
