"""The root of the command line: start-up stays light, errors are sentences with a documented exit status."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pykubeadm.cli.main import main
from pykubeadm.errors import DeclinedError

HEAVY = ("cryptography", "http.client", "jinja2", "rich", "paramiko", "yaml")
LIGHT = [["version"], ["version", "-o", "json"], ["--help"], ["token", "generate"], ["token", "--help"]]


@dataclass(frozen=True)
class Done:
    returncode: object
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command line with arguments, and variables of the environment."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*argv: str, **environment: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["pykubeadm", *argv])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_light_commands_import_nothing_heavy() -> None:
    """One after the other in a new process."""
    script = (
        "import sys\n"
        "from pykubeadm.cli.main import main\n"
        f"for argv in {LIGHT!r}:\n"
        "    sys.argv = ['pykubeadm', *argv]\n"
        "    try:\n        main()\n    except SystemExit as done:\n        assert not done.code, (argv, done.code)\n"
        f"    heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "    assert not heavy, (argv, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_no_command_imports_anything_heavy_before_it_runs() -> None:
    """For its help, its completion, and to find out that a flag is wrong."""
    script = (
        "import importlib, pkgutil, sys\n"
        "import pykubeadm.cli\n"
        "for module in pkgutil.iter_modules(pykubeadm.cli.__path__, 'pykubeadm.cli.'):\n"
        "    importlib.import_module(module.name)\n"
        f"    heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "    assert not heavy, (module.name, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_version_in_every_form(run: Run) -> None:
    short = run("version", "-o", "short").stdout.strip()
    assert run("version").stdout == f"pykubeadm version: {short}\n"
    assert json.loads(run("version", "-o", "json").stdout)["clientVersion"]["version"] == short
    assert f"version: {short}" in run("version", "-o", "yaml").stdout


@pytest.mark.parametrize(
    "argv",
    [["-v=5", "version"], ["version", "--v=2"], ["version", "-v", "1"], ["--rootfs", "/", "version"], ["version", "--rootfs=/"]],
)
def test_global_flags_stand_anywhere(run: Run, argv: list[str]) -> None:
    assert run(*argv).returncode == 0


@pytest.mark.parametrize(
    ("argv", "status", "sentence"),
    [
        (["initialise"], 2, "No such command 'initialise'"),
        (["tokn"], 2, "No such command 'tokn'. Did you mean 'token'?"),
        (["upgrade", "aply"], 2, "No such command 'aply'. Did you mean 'apply'?"),
        (["init", "phase", "certs", "etcd-serv"], 2, "No such command 'etcd-serv'. Did you mean 'etcd-server'"),
        (["init", "--bogus"], 2, "No such option"),
        (["version", "-v", "much"], 2, "'much' is not a whole number"),
        (["init", "phase", "certs", "caa"], 2, "No such command 'caa'"),
        (
            ["node", "prepare", "--tags", "kernel,kernl", "--kubernetes-version", "v1.36.2"],
            2,
            "--tags: there is no kernl; choose",
        ),
        (["init", "--config", "/does/not/exist"], 2, 'the configuration file "/does/not/exist" cannot be read'),
        (["init", "--rootfs", "/does/not/exist"], 5, "the root directory /does/not/exist does not exist"),
        (["init", "--dry-run", "--skip-phases", "cert", "--kubernetes-version", "v1.36.2"], 2, 'there is no phase "cert"'),
    ],
)
def test_wrong_command_lines_are_reported_in_a_sentence(run: Run, argv: list[str], status: int, sentence: str) -> None:
    done = run(*argv)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


URL = "https://someone:pa:ss@example.com/c.yaml"


@pytest.mark.parametrize(
    "argv",
    [
        ["config", "validate", "--config", URL],
        ["cluster", "validate", "--file", URL],
        ["token", "list", "--kubeconfig", URL],
        ["certs", "check-expiration", "--kubeconfig", URL],
        ["config", "images", "list", "--kubernetes-version", "v1.36.2", "--image-repository", URL],
        ["init", URL],
        ["init", "--config", URL, "-o", "json"],
    ],
)
def test_passwords_in_urls_are_not_repeated(run: Run, argv: list[str]) -> None:
    done = run(*argv)
    said = done.stdout + done.stderr
    assert (done.returncode, "example.com/c.yaml" in said, "pa:ss" in said) == (2, True, False), said


def test_a_configuration_file_is_not_downloaded(run: Run) -> None:
    assert "cannot be read: a URL is not read; download it first" in run("config", "validate", "--config", URL).stderr


def test_with_json_output_errors_are_events(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "kubeadm.yaml"
    config.write_text(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nclusterNam: x\ncertificatesDir: pki\n---\n"
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {advertiseAddress: 10.0.0.9}\n"
        'nodeRegistration: {name: cp1, criSocket: "unix:///run/containerd/containerd.sock"}\n'
    )
    done = run("init", "--config", str(config), "--output", "json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["schema"], last["type"], last["exit_status"]) == (2, "pykubeadm.events/v1", "failure", 2)
    assert [problem.split(": ")[0] for problem in last["problems"]] == [f"{config}:3:1", f"{config}:4:18"]
    assert done.stderr == ""


def test_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        command = [sys.executable, "-m", "pykubeadm", "init", "--help"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_code_names_the_command(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_PYKUBEADM_COMPLETE" in done.stdout


def test_completion_offers_phases_by_name(run: Run) -> None:
    words = run(COMP_WORDS="pykubeadm init phase kube", COMP_CWORD="3", _PYKUBEADM_COMPLETE="bash_complete")
    assert words.returncode == 0
    assert {line.partition(",")[2] for line in words.stdout.split()} == {"kubeconfig", "kubelet-start", "kubelet-finalize"}


def test_help_lists_every_phase_with_its_parts(run: Run) -> None:
    text = run("init", "--help").stdout
    assert all(
        name in text for name in ("prepare", "preflight", "/apiserver-etcd-client", "/enable-client-cert-rotation", "addon")
    )


def test_patches_that_cannot_be_read_are_reported_before_anything_is_changed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/etcd.yaml").write_text("spec: [1")
    (tmp_path / "patches/kube-apiserver0+merge.yaml").write_text("- a\n")
    flags = ("--patches", "/patches", "--kubernetes-version", "v1.36.2", "--apiserver-advertise-address", "10.0.0.9")
    done = run("init", "--rootfs", str(tmp_path), "--skip-phases", "preflight", *flags)
    assert done.returncode == 2
    assert "/patches/etcd.yaml:1:" in done.stderr
    assert "/patches/kube-apiserver0+merge.yaml:1:1: a patch of type merge must be a mapping" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["patches"]


def test_an_answer_in_another_encoding_is_a_no(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    done = run("reset", "--rootfs", str(tmp_path), "--ignore-preflight-errors=all")
    assert done.returncode == DeclinedError.exit_status
    assert "answer y, or give --force" in done.stderr
