"""From words to a run of `upgrade`: kubeadm's flags and file, the version, the cluster's configuration, what was begun before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pykubeadm.cli.lazy import Globals
from pykubeadm.cli.upgrade_apply import apply
from pykubeadm.cli.upgrade_node import node as node_command
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.phases import APPLY
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.source import Source
from pykubeadm.errors import ApiError, ConfigError, PhaseError, PreflightError, UsageError
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import File
from pykubeadm.phases.replacing.record import Record, write_record
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Event
from tests.support.api import FakeApi
from tests.support.init_runs import configuration, warnings
from tests.support.upgrade_runs import NEW, OLD, cluster_of, made

HEAD = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\n"

Begin = Callable[..., tuple[UpgradeRun, list[Event]]]


@pytest.fixture(scope="module")
def files() -> list[File]:
    return [file for file in made()[0].files.values() if isinstance(file, File)]


@pytest.fixture
def api() -> FakeApi:
    return cluster_of()


@pytest.fixture
def begun(tmp_path: Path, files: list[File], api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Begin:
    LocalNode(str(tmp_path)).write(files)
    asked: list[tuple[str, str]] = []

    def connect(_node: object, path: str, _warn: object, *, server: str = "", **_rest: object) -> FakeApi:
        asked.append((path, server))
        return api

    monkeypatch.setattr("pykubeadm.commands.existing.connect", connect)

    def run(part: Any = "apply", config: str = "", **options: Any) -> tuple[UpgradeRun, list[Event]]:
        events: list[Event] = []
        source = None
        if config:
            options["config"] = "/upgrade.yaml"
            source = Source("/upgrade.yaml", (config if config.startswith("apiVersion") else HEAD + config).encode())
        return begin(part, options, events.append, machine=LocalNode(str(tmp_path)), source=source, phases=APPLY), events

    run.asked = asked  # type: ignore[attr-defined]
    return run


def parsed(command: click.Command, *words: str) -> dict[str, Any]:
    return command.make_context("upgrade", list(words), obj=Globals()).params


def test_every_flag_of_kubeadms_apply_is_known() -> None:
    words = ("v1.36.2", "--allow-experimental-upgrades", "--allow-release-candidate-upgrades", "--dry-run", "-f", "-y")
    found = parsed(apply, *words, "--kubeconfig=k", "--patches=/p", "--print-config", "--skip-phases=addon", "--config=c")
    assert found["kubernetes_version"] == "v1.36.2"
    assert [found[name] for name in ("force", "yes", "dry_run", "print_config")] == [True] * 4


@pytest.mark.parametrize(
    ("words", "value"),
    [((), None), (("--etcd-upgrade",), True), (("--etcd-upgrade=true",), True), (("--etcd-upgrade=0",), False)],
)
@pytest.mark.parametrize("command", [apply, node_command])
def test_switches_that_are_on_are_switched_off_as_in_kubeadm(command: click.Command, words: tuple[str, ...], value: bool) -> None:
    assert parsed(command, *words, "--dry-run")["etcd_upgrade"] is value


def test_a_switch_does_not_take_the_version_for_its_value() -> None:
    found = parsed(apply, "--certificate-renewal", "1.36.2")
    assert (found["certificate_renewal"], found["kubernetes_version"]) == (True, "1.36.2")


def test_neither_true_nor_false() -> None:
    with pytest.raises(click.BadParameter, match="neither true nor false"):
        parsed(apply, "--etcd-upgrade=maybe")


def test_the_phases_are_kubeadms_and_the_hidden_one_is_not_listed() -> None:
    shown = CliRunner().invoke(apply, ["--help"], obj=Globals()).output
    names = ("preflight", "control-plane", "upload-config", "kubelet-config", "bootstrap-token", "addon", "post-upgrade")
    assert [name for name in names if f"  {name} " not in shown] == []
    assert "Have the kubelet speak" not in shown
    shown = CliRunner().invoke(apply, ["phase", "upload-config", "kubeadm", "--help"], obj=Globals()).output
    assert "[KUBERNETES_VERSION]" in shown


@pytest.mark.parametrize("text", ["v1.36.2", "1.36.2", "release/v1.36.2"])
def test_the_version_is_one_however_it_is_written(begun: Begin, text: str) -> None:
    run, _events = begun(kubernetes_version=text)
    assert (run.target, run.stored.kubernetes_version) == (NEW, OLD)


@pytest.mark.parametrize(("text", "said"), [("1.36", "is not a version"), ("stable-1.36", "cannot be looked up")])
def test_what_is_no_version_is_refused(begun: Begin, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setattr("pykubeadm.commands.environment.look_up", lambda _label: None)
    with pytest.raises(ConfigError, match=said):
        begun(kubernetes_version=text)


def test_a_label_is_looked_up(begun: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.commands.environment.look_up", {"stable-1.36": "v1.36.1"}.get)
    assert begun(kubernetes_version="stable-1.36")[0].target == "v1.36.1"


def test_apply_needs_a_version_and_the_argument_wins_over_the_file(begun: Begin) -> None:
    with pytest.raises(UsageError, match="the version to upgrade to is missing"):
        begun()
    assert begun(config="apply: {kubernetesVersion: 1.36.1}\n")[0].target == "v1.36.1"
    assert begun(config="apply: {kubernetesVersion: 1.36.1}\n", kubernetes_version=NEW)[0].target == NEW


def test_the_file_says_what_flags_may_not(begun: Begin) -> None:
    fields = "etcdUpgrade: false, certificateRenewal: false, forceUpgrade: true, skipPhases: [addon], imagePullPolicy: Never"
    text = f"apply: {{{fields}}}\ntimeouts: {{upgradeManifests: 7m}}\n"
    run, _events = begun(config=text, kubernetes_version=NEW)
    assert (run.etcd_upgrade, run.certificate_renewal, run.interactive) == (False, False, False)
    assert run.configuration.this_node.timeouts.upgrade_manifests.total_seconds() == 420
    assert run.configuration.this_node.node_registration.image_pull_policy == "Never"
    assert run.upgrade.apply.skip_phases == ("addon",)
    with pytest.raises(ConfigError, match="--etcd-upgrade: cannot be given together with --config") as raised:
        begun(config=text, kubernetes_version=NEW, etcd_upgrade=False, force=True)
    assert "--force" in str(raised.value)


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ("apply: {skipPhases: [addons]}\n", {}, 'upgrade.yaml:3.*there is no phase "addons"; did you mean "addon"'),
        ("apply: {imagePullPolicy: Sometimes}\n", {}, "imagePullPolicy"),
        ("apply: {ignorePreflightErrors: [all, x]}\n", {}, "all stands for every check"),
        ("", {"skip_phases": ("addons",)}, "--skip-phases"),
        ("", {"patches": "/nowhere"}, "there is no directory"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(begun: Begin, config: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        begun(config=config, kubernetes_version=NEW, **options)


def test_a_file_without_the_document_is_refused(begun: Begin) -> None:
    with pytest.raises(ConfigError, match="the file holds no UpgradeConfiguration"):
        begun("node", HEAD.replace("Upgrade", "Reset"))


def test_the_node_is_as_its_own_files_have_it(begun: Begin) -> None:
    run, _events = begun(kubernetes_version=NEW)
    assert run.node_name == "cp1"
    assert run.configuration.this_node.local_api_endpoint.advertise_address == "10.0.0.9"
    assert begun.asked[-1] == ("/etc/kubernetes/admin.conf", "https://10.0.0.9:6443")  # type: ignore[attr-defined]


def test_a_node_goes_where_the_cluster_is(begun: Begin, api: FakeApi) -> None:
    api.objects.update(cluster_of(configuration(kubernetes_version=NEW)).objects)
    run, _events = begun("node")
    assert (run.target, run.interactive) == (NEW, False)


def test_a_worker_asks_as_the_node_that_it_is(begun: Begin, tmp_path: Path) -> None:
    (tmp_path / "etc/kubernetes/manifests/kube-apiserver.yaml").unlink()
    run, _events = begun("node")
    assert not run.is_control_plane
    assert begun.asked[-1] == ("/etc/kubernetes/kubelet.conf", "")  # type: ignore[attr-defined]
    with pytest.raises(PreflightError, match="this node is not a control plane"):
        begun("apply", kubernetes_version=NEW)


@pytest.mark.parametrize("part", ["plan", "diff", "apply", "node"])
def test_a_control_plane_that_was_stopped_is_one(begun: Begin, tmp_path: Path, part: str) -> None:
    manifest = tmp_path / "etc/kubernetes/manifests/kube-apiserver.yaml"
    (stopped := tmp_path / "var/lib/pykubeadm/stopped").mkdir(parents=True)
    manifest.rename(stopped / manifest.name)
    with pytest.raises(PreflightError, match=r"was stopped .*: run `pykubeadm etcd start`"):
        begun(part, kubernetes_version=NEW)


@pytest.mark.parametrize(
    ("options", "asks"), [({}, True), ({"yes": True}, False), ({"force": True}, False), ({"dry_run": True}, False)]
)
def test_who_is_asked(begun: Begin, options: dict[str, Any], asks: bool) -> None:
    assert begun(kubernetes_version=NEW, **options)[0].interactive is asks


@pytest.mark.parametrize("kubelet", [True, False])
def test_whether_the_kubelet_is_replaced_is_known_to_what_comes_before(begun: Begin, kubelet: bool) -> None:
    assert begun("node", kubelet=kubelet)[0].replaces_kubelet is kubelet


def test_a_dry_run_writes_nowhere(begun: Begin, api: FakeApi) -> None:
    run, _events = begun(kubernetes_version=NEW, dry_run=True)
    assert run.node.dry_run
    assert run.api is not api


def test_without_a_kubeconfig_there_is_no_way_to_the_cluster(begun: Begin, tmp_path: Path) -> None:
    (tmp_path / "etc/kubernetes/admin.conf").unlink()
    with pytest.raises(PhaseError, match=r"admin\.conf does not exist.*--kubeconfig"):
        begun(kubernetes_version=NEW)


def test_what_an_interrupted_run_had_read_counts_where_its_api_server_does_not_answer(
    begun: Begin, api: FakeApi, tmp_path: Path
) -> None:
    refused = ApiUnreachableError("no answer from https://10.0.0.9:6443: connection refused")
    api.failures, api.call_timeout = [refused] * 100, timedelta()
    with pytest.raises(ApiError):
        begun(kubernetes_version=NEW)
    stored = configuration(kubernetes_version=OLD).cluster.document()
    write_record(LocalNode(str(tmp_path)), Record(command="upgrade apply", target=NEW, cluster=to_yaml(stored)))
    api.failures = [refused]
    run, events = begun(kubernetes_version=NEW)
    assert (run.stored.kubernetes_version, run.resumed, run.interactive) == (OLD, True, False)
    assert any(f"an interrupted `upgrade apply` to {NEW}" in warning for warning in warnings(events))
    write_record(LocalNode(str(tmp_path)), Record(command="upgrade node", target=NEW, cluster=to_yaml(stored)))
    api.failures = [refused]
    assert begun("node")[0].target == NEW


def test_an_interrupted_upgrade_is_finished_before_one_to_another_version(begun: Begin, tmp_path: Path) -> None:
    """The version that it goes on to was judged when it was begun; no other is."""
    stored = to_yaml(configuration(kubernetes_version=OLD).cluster.document())
    write_record(LocalNode(str(tmp_path)), Record(command="upgrade apply", target=NEW, cluster=stored))
    with pytest.raises(PreflightError, match=rf"upgrade to {NEW} was interrupted.* to v1\.37\.1 now.*upgrade apply {NEW}"):
        begun(kubernetes_version="v1.37.1")
    assert begun(kubernetes_version=NEW)[0].resumed


def test_what_apply_began_is_not_finished_by_node_which_would_not_store_the_version(begun: Begin, tmp_path: Path) -> None:
    stored = to_yaml(configuration(kubernetes_version=OLD).cluster.document())
    write_record(LocalNode(str(tmp_path)), Record(command="upgrade apply", target=NEW, cluster=stored))
    with pytest.raises(PreflightError, match=rf"`pykubeadm upgrade apply {NEW}` was interrupted on this node: run that again"):
        begun("node")
    write_record(LocalNode(str(tmp_path)), Record(command="upgrade node", target=NEW, cluster=stored))
    assert begun("node")[0].resumed
    with pytest.raises(PreflightError, match=r"cannot be upgraded to v1\.37\.1 now.*`pykubeadm upgrade node`"):
        begun(kubernetes_version="v1.37.1")
