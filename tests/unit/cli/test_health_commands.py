"""`verify`, `doctor` and `support` on the command line: what is printed where, and with which status they end."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pykubeadm.cli.main import cli
from pykubeadm.commands.doctor import command as doctor
from pykubeadm.commands.verify import command
from pykubeadm.commands.verify.command import Verification
from pykubeadm.commands.verify.row import RowResult
from pykubeadm.commands.verify.rows import ROWS
from pykubeadm.errors import UNHEALTHY, ApiError, NodeError, UsageError


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="pykubeadm")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """Of a cluster that does not answer."""
    file = tmp_path / "config"
    clusters = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]"
    users = "users: [{name: u, user: {token: abcdefghijklmnop}}]"
    contexts = "contexts: [{name: x, context: {cluster: c, user: u}}]"
    file.write_text(f"apiVersion: v1\nkind: Config\n{clusters}\n{users}\n{contexts}\ncurrent-context: x\n")
    return str(file)


def test_rows_are_listed_without_a_cluster() -> None:
    listed = run("verify", "--list", "--only", "pods,devices", "--skip", "pods/shared").output.splitlines()
    assert [line.split()[0] for line in listed] == ["pods/init-container", "devices/plugin"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--only", "podz"), "there is no row or group podz; the groups are containers, pods,"),
        (("--kubeconfig", "/nope"), "there is no kubeconfig at /nope"),
        (("--only", ""), "--only names no row or group"),
        (("--only", " , "), "--only names no row or group"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], sentence: str) -> None:
    failure = run("verify", *words).exception
    assert isinstance(failure, UsageError)
    assert sentence in str(failure)


def results(monkeypatch: pytest.MonkeyPatch, *outcomes: str, left: str = "") -> None:
    """Have rows end so."""

    def verify(_credentials: object, *, begin: object, report: object, **_named: object) -> Verification:
        found = tuple(
            RowResult(row, outcome, 1.0, "the reason", ("Pod x on w: waits",) if outcome == "failed" else ())  # type: ignore[arg-type]
            for row, outcome in zip(ROWS, outcomes, strict=False)
        )
        for result in found:
            begin(result.row)  # type: ignore[operator]
            report(result)  # type: ignore[operator]
        return Verification("https://a:6443", "ns", found, 3.0, left)

    monkeypatch.setattr(command, "verify", verify)


def test_a_failed_row_ends_with_its_own_status_and_evidence(monkeypatch: pytest.MonkeyPatch, kubeconfig: str) -> None:
    results(monkeypatch, "passed", "failed", "not served")
    done = run("verify", "--kubeconfig", kubeconfig)
    assert done.exit_code == UNHEALTHY
    lines = done.output.splitlines()
    assert re.fullmatch(r"shown +containers/process +the reason \(1\.0s\)", lines[0])
    assert re.fullmatch(r"FAILED +containers/cpu-limit +the reason \(1\.0s\)", lines[1])
    assert lines[2] == "    Pod x on w: waits"
    assert lines[-1] == "1 shown, 1 FAILED (containers/cpu-limit), 1 not served here, in 3 s"


def test_what_is_not_served_is_no_failure(monkeypatch: pytest.MonkeyPatch, kubeconfig: str) -> None:
    results(monkeypatch, "passed", "not served")
    assert run("verify", "--kubeconfig", kubeconfig).exit_code == 0


@pytest.mark.parametrize(("form", "begins"), [("json", "{"), ("junit", "<?xml")])
def test_programs_get_the_results_alone(monkeypatch: pytest.MonkeyPatch, kubeconfig: str, form: str, begins: str) -> None:
    results(monkeypatch, "passed")
    done = run("verify", "--kubeconfig", kubeconfig, "-o", form)
    assert done.stdout.startswith(begins)
    assert "shown" in done.stderr


def test_programs_learn_of_a_namespace_that_did_not_go(monkeypatch: pytest.MonkeyPatch, kubeconfig: str) -> None:
    results(monkeypatch, "passed", left="a finalizer is left")
    assert json.loads(run("verify", "--kubeconfig", kubeconfig, "-o", "json").stdout)["left"] == "a finalizer is left"
    suite = run("verify", "--kubeconfig", kubeconfig, "-o", "junit").stdout
    assert "<system-err>the namespace ns is still there: a finalizer is left</system-err>" in suite


def test_a_cluster_that_does_not_answer_is_doctors_first_problem(kubeconfig: str) -> None:
    done = run("doctor", "--kubeconfig", kubeconfig, "--rootfs", "/", "-o", "json")
    assert done.exit_code == UNHEALTHY
    [check] = [check for check in json.loads(done.stdout)["checks"] if check["name"].startswith("cluster/")]
    assert check["level"] == "problem"
    assert "no answer from https://127.0.0.1:1" in check["remarks"][0]["found"]


def test_the_page_holds_what_was_found_and_nothing_of_elsewhere(kubeconfig: str) -> None:
    page = run("doctor", "--kubeconfig", kubeconfig, "-o", "html").stdout
    assert "no answer from https://127.0.0.1:1" in page
    assert not re.search(r"<script|<link|src=|@import|url\(", page)


def test_an_archive_of_a_dead_cluster_lists_what_it_holds(kubeconfig: str, tmp_path: Path) -> None:
    file = tmp_path / "out.tar.gz"
    done = run("support", "--kubeconfig", kubeconfig, "--output-file", str(file))
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        held = [name.partition("/")[2] for name in tar.getnames()]
    assert {"pykubeadm.txt", "doctor.json", "doctor.html", "missing.txt"} <= set(held)
    assert [line.split()[1] for line in done.stdout.splitlines()[:-1]] == held
    assert b"abcdefghijklmnop" not in file.read_bytes()
    assert "warning: not in it: the cluster: could not list Secret objects: no answer" in done.stderr


def test_a_directory_is_no_place_for_an_archive_and_nothing_is_collected(kubeconfig: str, tmp_path: Path) -> None:
    done = run("support", "--kubeconfig", kubeconfig, "--output-file", str(tmp_path))
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == f"--output-file: {tmp_path} is a directory; give the path of a file in it"
    assert done.output == ""


@pytest.mark.parametrize("name", ["verify", "doctor", "support"])
def test_without_a_kubeconfig_it_says_where_it_looked(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nope"))
    monkeypatch.setenv("HOME", str(tmp_path))
    failure = run(name, "--rootfs", str(tmp_path)).exception
    assert isinstance(failure, UsageError)
    assert "there is no kubeconfig at" in str(failure)


def test_a_kubeconfig_that_cannot_be_used_does_not_keep_doctor_from_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    (tmp_path / "etc/kubernetes/admin.conf").write_text("half: [a\n")
    done = run("doctor", "--rootfs", str(tmp_path), "-o", "json")
    assert done.exit_code == UNHEALTHY, done.output
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "/etc/kubernetes/admin.conf cannot be read" in checks["cluster/api"]["remarks"][0]["found"]
    assert "node/disk" in checks


@pytest.mark.parametrize("name", ["doctor", "support"])
def test_who_may_not_look_at_the_node_has_the_cluster_looked_at(
    name: str, kubeconfig: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(_node: object) -> bool:
        raise NodeError("cannot look at /var/lib/kubelet/config.yaml: Permission denied")

    monkeypatch.setattr(doctor, "is_node", refused)
    monkeypatch.chdir(tmp_path)
    done = run(name, "--kubeconfig", kubeconfig)
    assert done.exit_code == (UNHEALTHY if name == "doctor" else 0), done.output
    assert "warning: nothing is asked of this node: cannot look at /var/lib/kubelet/config.yaml" in done.stderr
    assert "no answer from https://127.0.0.1:1" in done.output


@pytest.mark.parametrize("name", ["verify", "doctor", "support"])
def test_a_directory_is_no_kubeconfig(name: str, tmp_path: Path) -> None:
    failure = run(name, "--kubeconfig", str(tmp_path)).exception
    assert isinstance(failure, ApiError)
    assert str(failure) == f"the kubeconfig {tmp_path} is a directory: name the file in it, with --kubeconfig or in KUBECONFIG"


@pytest.mark.parametrize("name", ["doctor", "support"])
def test_a_directory_at_the_kubeconfigs_place_does_not_keep_it_from_the_node(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home/somebody/.kube/config").mkdir(parents=True)
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    done = run(name, "--rootfs", str(tmp_path))
    assert done.exit_code == (UNHEALTHY if name == "doctor" else 0), done.exception
    assert "the kubeconfig /home/somebody/.kube/config is a directory" in done.output
    assert ("node/disk" if name == "doctor" else "doctor.json") in done.output
