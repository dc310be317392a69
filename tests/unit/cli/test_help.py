"""`pykubeadm help COMMAND`, and flags that stand before a command of `token`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pykubeadm.cli.main import cli
from pykubeadm.errors import ApiError, UsageError


def output(*words: str) -> str:
    result = CliRunner().invoke(cli, words, prog_name="pykubeadm", catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize(
    "words", [(), ("token",), ("token", "create"), ("init", "phase", "certs", "apiserver"), ("certificates",)]
)
def test_help_is_what_the_command_prints_itself(words: tuple[str, ...]) -> None:
    assert output("help", *words) == output(*words, "--help")


def test_help_of_a_command_that_there_is_not() -> None:
    with pytest.raises(UsageError, match='there is no command "token nope"; pykubeadm token --help lists what there is'):
        output("help", "token", "nope")


@pytest.mark.parametrize("words", [("--kubeconfig", "/nope", "list"), ("list", "--kubeconfig", "/nope")])
def test_the_kubeconfig_stands_before_the_command_or_after_it(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig at /nope"):
        output("token", *words)


def test_who_sets_kubeconfig_does_not_get_another_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one whose name was mistyped. kubeadm looks at admin.conf besides, too, and not below the home directory."""
    (tmp_path / "home/jane/.kube").mkdir(parents=True)
    (tmp_path / "home/jane/.kube/config").write_text("half: [a\n")
    monkeypatch.setenv("HOME", "/home/jane")
    monkeypatch.setenv("KUBECONFIG", "/nope:/neither")
    with pytest.raises(UsageError, match=r"there is no kubeconfig at /nope or /neither or /etc/kubernetes/admin\.conf: "):
        output("token", "list", "--rootfs", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(ApiError, match=r"/home/jane/\.kube/config cannot be read"):
        output("token", "list", "--rootfs", str(tmp_path))


def test_a_wrong_template_is_refused_before_the_cluster_is_asked() -> None:
    with pytest.raises(UsageError, match='-o jsonpath:1:1: this action has no "}"'):
        output("token", "--kubeconfig", "/nope", "list", "-o", "jsonpath={.token")


def test_forms_are_named_in_any_case_and_switches_take_a_value() -> None:
    images = ("config", "images", "list", "--kubernetes-version", "v1.36.2")
    assert output(*images, "-o", "JSON") == output(*images, "--output=json", "--allow-missing-template-keys")
    assert output(*images, "-o=jsonpath={.nope}", "--vmodule=x=1") == ""
    with pytest.raises(UsageError, match='there is no field "nope"'):
        output(*images, "-o", "jsonpath={.nope}", "--allow-missing-template-keys=false")
    assert "'json' takes no '=x'" in CliRunner().invoke(cli, [*images, "-o", "json=x"]).output


def test_a_template_may_be_a_file(tmp_path) -> None:
    (tmp_path / "t").write_text("{range .images[0:2]}{@}\n{end}")
    printed = output(
        "config", "images", "list", "--kubernetes-version", "v1.36.2", "--rootfs", str(tmp_path), "-o", "jsonpath-file=/t"
    )
    assert printed == "registry.k8s.io/kube-apiserver:v1.36.2\nregistry.k8s.io/kube-controller-manager:v1.36.2\n"
    with pytest.raises(UsageError, match='the template file "/t" cannot be read: No such file'):
        output("config", "images", "list", "-o", "go-template-file=/t")


@pytest.mark.parametrize(("words", "status"), [((), 0), (("token",), 2), (("config", "print"), 2), (("init", "phase"), 2)])
def test_a_group_alone_prints_its_help_and_is_no_command(words: tuple[str, ...], status: int) -> None:
    result = CliRunner().invoke(cli, words, prog_name="pykubeadm")
    assert (result.exit_code, result.output) == (status, output(*words, "--help"))
