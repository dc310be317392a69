"""The command line as a process: streams that are closed, full or broken, and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_plane_files import CONFIG

PYKUBEADM = (sys.executable, "-m", "pykubeadm")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
ERASED = b"\x1b[2K"  # a line
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"  # the cursor, on a terminal
CA = ("init", "phase", "certs", "ca", "--config", "/kubeadm.yaml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "kubeadm.yaml").write_text(CONFIG)
    return tmp_path


def shell(tree: Path, redirections: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'"$@" {redirections}', "sh", *PYKUBEADM, "--rootfs", str(tree), *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_works_with_streams_that_are_closed(tree: Path, closed: str) -> None:
    done = shell(tree, closed, *CA)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tree / "etc/kubernetes/pki/ca.crt").exists()
    # No file took the place of a stream.
    assert (tree / "var/lib/pykubeadm/lock").read_text().startswith("pykubeadm init phase certs ca (process ")


@pytest.mark.parametrize("output", ["text", "json"])
def test_says_so_where_the_output_cannot_be_written(tree: Path, output: str) -> None:
    done = shell(tree, ">/dev/full", *CA, "--output", output)
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device; run the same command again to continue\n"


def test_a_reader_that_goes_away_is_no_bug(tree: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        command = [*PYKUBEADM, "--rootfs", str(tree), *CA]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def _shown(command: list[str], environment: dict[str, str]) -> bytes:
    """What a terminal gets of a command that succeeds."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # EIO: the other side is closed
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert process.wait(120) == 0, shown
    return shown


@pytest.mark.parametrize(("variables", "live"), [({"LC_ALL": "C"}, False), ({"TERM": ""}, False), ({}, True)])
def test_the_display_is_live_where_the_terminal_can_show_it(tree: Path, variables: dict[str, str], live: bool) -> None:
    environment = ENVIRONMENT | {"TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} | variables
    shown = _shown([*PYKUBEADM, "--rootfs", str(tree), *CA], environment)
    assert b"made the certificate authority" in shown
    assert (b"\x1b[" in shown) is live


WARNED = """
from pykubeadm.cli.display import LiveDisplay
from pykubeadm.workflow.events import Note, PhaseStarted

show = LiveDisplay(0)
show(PhaseStarted(phase="preflight", summary="Look at the node"))
show(Note(level="warning", topic="preflight", message="beware"))
"""


def test_a_warning_begins_a_line_of_its_own() -> None:
    """Whatever moves on the terminal is taken back before."""
    shown = _shown([sys.executable, "-c", WARNED], ENVIRONMENT | {"TERM": "xterm", "LC_ALL": "C.UTF-8"})
    before = shown.partition(b"[preflight] beware")[0].rpartition(b"Look at the node")
    assert before[0], shown
    assert ERASED in before[2], shown


def test_characters_that_the_output_does_not_have_do_no_harm(tree: Path) -> None:
    environment = ENVIRONMENT | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [*PYKUBEADM, "--rootfs", str(tree), "init", "--config", "/é.yaml"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"cannot be read: No such file or directory" in done.stderr


def _that_hears(number: signal.Signals, command: list[str], **more: Any) -> subprocess.Popen[Any]:
    """Begun with the signal heard: a shell's background jobs ignore SIGINT, what nohup(1) begins SIGHUP, and it would too."""
    inherited = signal.signal(number, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, **more)
    finally:
        signal.signal(number, inherited)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_words_with_status_130(number: signal.Signals) -> None:
    command = [*PYKUBEADM, "config", "validate", "--config", "/dev/stdin"]
    process = _that_hears(number, command, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while _descriptors_of_stdin(process.pid) < 2:  # it is being read
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors.strip()) == (130, "interrupted; run the same command again to continue")


def test_a_signal_is_the_last_event() -> None:
    command = [*PYKUBEADM, "init", "--config", "/dev/stdin", "--output", "json"]
    process = _that_hears(signal.SIGTERM, command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while _descriptors_of_stdin(process.pid) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    last = json.loads(output.splitlines()[-1])
    assert (process.returncode, last["type"], last["exit_status"]) == (130, "failure", 130)


SLOW = """
import pathlib, sys, time
from pykubeadm.cli.main import main
from pykubeadm.phases.certs import files

make = files.make_ca

def make_slowly(*arguments):
    pathlib.Path(sys.argv[2], "begun").touch()
    while not pathlib.Path(sys.argv[2], "hung-up").exists():
        time.sleep(0.02)
    return make(*arguments)

files.make_ca = make_slowly
main()
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, None])
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "LC_ALL": "C.UTF-8"}], ids=["plain", "live"])
def test_a_run_survives_the_loss_of_its_terminal(tree: Path, number: signal.Signals | None, variables: dict[str, str]) -> None:
    """With the signal that comes with it, and where that does not reach us."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", SLOW, "--rootfs", str(tree), *CA]
    process = subprocess.Popen(command, env=ENVIRONMENT | variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    while not (tree / "begun").exists():
        assert process.poll() is None, os.read(ours, 65536)
        time.sleep(0.05)
    os.close(ours)
    if number:
        process.send_signal(number)
    (tree / "hung-up").touch()
    assert process.wait(120) == 0
    assert (tree / "etc/kubernetes/pki/ca.crt").exists()
    assert json.loads((tree / "var/lib/pykubeadm/journal.json").read_text())["runs"][-1]["outcome"] == "changed"


def _descriptors_of_stdin(process: int) -> int:
    place = Path(f"/proc/{process}/fd")
    links = []
    for descriptor in place.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(descriptor))
    return links.count(os.readlink(place / "0"))


@pytest.mark.parametrize(
    "line",
    ['"$@" --config /dev/stdin <{file}', 'cat {file} | "$@" --config /dev/stdin', '"$@" --config <(cat {file})'],
)
def test_a_configuration_may_come_through_a_pipe(tree: Path, line: str) -> None:
    command = ["bash", "-c", line.format(file=tree / "kubeadm.yaml"), "bash", *PYKUBEADM, "config", "validate"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_over_a_fleet_hands_the_terminal_back(tmp_path: Path, sent: signal.Signals) -> None:
    file, log = tmp_path / "cluster.yaml", tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an sshd that never answers
        host = f"{{name: c1, address: 127.0.0.1, ssh: {{port: {silent.getsockname()[1]}}}, parts: [control-plane]}}"
        file.write_text(f"apiVersion: pykubeadm.cluster/v1\nkind: Cluster\nhosts: [{host}]\n")
        ours, theirs = os.openpty()
        environment = ENVIRONMENT | {"TERM": "xterm", "HOME": str(tmp_path), "XDG_STATE_HOME": str(log)}
        command = [*PYKUBEADM, "cluster", "apply", "--file", str(file)]
        process = _that_hears(sent, command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        while HIDDEN not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(sent)
        with suppress(OSError):  # EIO: the other side is closed
            while chunk := os.read(ours, 4096):
                shown += chunk
        os.close(ours)
    assert process.wait(20) == 130, shown.decode()
    assert shown.rfind(SHOWN) > shown.rfind(HIDDEN)
    assert b"Interrupted after" in shown
    assert "interrupted" in next(log.rglob("*.log")).read_text()
