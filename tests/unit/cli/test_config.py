"""`pykubeadm config …`, as a user runs it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from pykubeadm.cli.main import cli
from pykubeadm.config.defaults import NO_ADDRESS
from pykubeadm.config.host import HostFacts
from pykubeadm.errors import ConfigError, UsageError
from pykubeadm.node import facts
from tests.unit.config.texts import CLUSTER, INIT, KUBELET, old


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["config", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cfg.yaml"
    path.write_text(f"{INIT}localAPIEndpoint: {{advertiseAddress: 10.0.0.5}}\nnodeRegistration: {{name: cp1}}\n---\n{CLUSTER}")
    return path


def test_validate(file: Path) -> None:
    result = run("validate", "--config", str(file))
    assert (result.exit_code, result.stdout) == (0, "ok\n")


def test_validate_below_another_root(file: Path) -> None:
    assert run("validate", "--config", "/cfg.yaml", "--rootfs", str(file.parent)).stdout == "ok\n"


@pytest.mark.parametrize("words", [["--rootfs", ""], ["--rootfs="]])
def test_an_empty_rootfs_is_this_machine_and_not_the_working_directory(
    file: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of `--rootfs "$ROOT"` where there is no ROOT; "" is kubeadm's default."""
    monkeypatch.chdir(file.parent)
    assert run("validate", "--config", str(file), *words).stdout == "ok\n"


def test_validate_names_the_file_as_given(file: Path) -> None:
    file.write_text(f"{CLUSTER}foo: 1\n---\n{KUBELET}bar: 2\n")
    result = run("validate", "--config", "/cfg.yaml", "--rootfs", str(file.parent))
    assert isinstance(result.exception, ConfigError)
    assert [str(problem).split(": ")[0] for problem in result.exception.problems] == ["/cfg.yaml:4:1", "/cfg.yaml:8:1"]


def test_validate_tells_of_the_old_api_unless_reported_not_to(file: Path) -> None:
    file.write_text(old(CLUSTER))
    assert "v1beta3" in run("validate", "--config", str(file)).output
    assert "v1beta3" not in run("validate", "--config", str(file), "--allow-deprecated-api").output


@pytest.mark.parametrize("path", ["/nowhere/cfg.yaml", "/", "a\0b"])
def test_a_file_that_cannot_be_read(path: str) -> None:
    assert isinstance(run("validate", "--config", path).exception, UsageError)


def test_a_named_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        result = run("validate", "--config", path)
        assert isinstance(result.exception, UsageError)
        assert "is not a file; give a file, or /dev/stdin" in str(result.exception)


def test_migrate_fills_in_the_defaults_and_keeps_tokens_secret(file: Path) -> None:
    file.write_text(old(file.read_text()) + "apiServer: {extraArgs: {v: '4'}, timeoutForControlPlane: 5m}\n")
    target = file.with_name("new.yaml")
    assert run("migrate", "--old-config", str(file), "--new-config", str(target)).exit_code == 0
    init, cluster = yaml.safe_load_all(target.read_text())
    assert init["timeouts"]["controlPlaneComponentHealthCheck"] == "5m0s"
    assert cluster["apiServer"] == {"extraArgs": [{"name": "v", "value": "4"}]}
    assert cluster["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert run("migrate", "--old-config", str(target)).stdout == target.read_text(), "a migrated file migrates to itself"


def test_migrate_needs_no_default_route(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "host_facts", lambda _node: HostFacts("desk"))
    file.write_text(CLUSTER)
    result = run("migrate", "--old-config", str(file))
    assert result.exit_code == 0
    init, _ = yaml.safe_load_all(result.stdout)
    assert init["localAPIEndpoint"] == {"advertiseAddress": NO_ADDRESS, "bindPort": 6443}


def test_print_init_defaults_with_components() -> None:
    result = run("print", "init-defaults", "--component-configs", "KubeletConfiguration,KubeProxyConfiguration")
    init, cluster, kubelet, kube_proxy = yaml.safe_load_all(result.stdout)
    assert init["bootstrapTokens"][0]["token"] == "abcdef.0123456789abcdef"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "1.2.3.4", "bindPort": 6443}
    assert init["nodeRegistration"]["taints"] is None
    assert cluster["kubernetesVersion"] == "1.36.0"
    assert kubelet["authentication"]["x509"]["clientCAFile"] == "/etc/kubernetes/pki/ca.crt"
    assert kube_proxy["clientConnection"]["kubeconfig"] == "/var/lib/kube-proxy/kubeconfig.conf"
    assert isinstance(run("print", "init-defaults", "--component-configs", "Foo").exception, UsageError)


def test_component_configs_may_be_given_one_by_one() -> None:
    each = [word for kind in ("KubeletConfiguration", "KubeProxyConfiguration") for word in ("--component-configs", kind)]
    both = run("print", "init-defaults", "--component-configs", "KubeletConfiguration,KubeProxyConfiguration")
    assert run("print", "init-defaults", *each).stdout == both.stdout


def test_migrate_makes_no_directories(file: Path) -> None:
    target = file.parent / "nowhere" / "new.yaml"
    assert isinstance(run("migrate", "--old-config", str(file), "--new-config", str(target)).exception, UsageError)
    refused = run("migrate", "--old-config", str(file), "--new-config", str(file.parent)).exception
    assert isinstance(refused, UsageError)
    assert str(refused) == f'--new-config: "{file.parent}" cannot be written: it is a directory; give the path of a file in it'
    assert not target.parent.exists()


@pytest.mark.parametrize(("given", "reported"), [("=true", False), ("=1", False), ("=false", True), ("=F", True)])
def test_switches_take_a_value_as_with_kubeadm(file: Path, given: str, reported: bool) -> None:
    file.write_text(old(CLUSTER))
    result = run("validate", "--config", str(file), f"--allow-deprecated-api{given}")
    assert (result.exit_code, "v1beta3" in result.output) == (0, reported)


def test_a_switch_takes_true_or_false_only(file: Path) -> None:
    result = run("validate", "--config", str(file), "--allow-deprecated-api=maybe")
    assert result.exit_code == 2
    assert "'--allow-deprecated-api' takes true or false, not 'maybe'" in result.output


@pytest.mark.parametrize("form", ["-ojson", "-o=json", "--output=json"])
def test_every_form_of_a_flag_with_a_value(form: str) -> None:
    assert json.loads(run("images", "list", "--kubernetes-version", "v1.36.2", form).stdout)["kind"] == "Images"


@pytest.mark.parametrize("command", ["init", "join", "reset", "upgrade"])
def test_printed_defaults_are_valid(command: str, tmp_path: Path) -> None:
    path = tmp_path / "cfg.yaml"
    path.write_text(run("print", f"{command}-defaults").stdout)
    assert run("validate", "--config", str(path)).stdout == "ok\n"


def test_images_list(file: Path) -> None:
    expected = [f"registry.k8s.io/kube-{name}:v1.36.2" for name in ("apiserver", "controller-manager", "scheduler", "proxy")]
    expected += ["registry.k8s.io/coredns/coredns:v1.14.2", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0"]
    assert run("images", "list", "--config", str(file)).stdout.splitlines() == expected
    document = json.loads(run("images", "list", "--kubernetes-version", "1.36.2", "-o", "json").stdout)
    assert document == {"kind": "Images", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", "images": expected}
    assert yaml.safe_load(run("images", "list", "--config", str(file), "-o", "yaml").stdout) == document


@pytest.mark.parametrize(
    "command",
    [
        "validate --config {file}",
        "migrate --old-config {file}",
        "images list --config {file}",
        "print init-defaults",
        "print join-defaults",
        "print reset-defaults",
        "print upgrade-defaults",
    ],
)
def test_every_command_has_the_kubeconfig_of_kubeadms_wherever_it_stands(file: Path, command: str) -> None:
    file.write_text(f"{INIT}bootstrapTokens: [{{token: abcdef.0123456789abcdef}}]\n---\n{CLUSTER}")
    words = command.format(file=file).split()
    expected = run(*words).stdout
    for place in range(len(words) + 1):
        if not words[place - 1].startswith("--"):
            assert run(*words[:place], "--kubeconfig", "/nowhere", *words[place:]).stdout == expected
    assert run(*words, "--kubeconfig=").stdout == expected
