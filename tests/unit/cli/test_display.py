"""What a run says at its end."""

from __future__ import annotations

import json

import pytest

from pykubeadm.cli.display import PlainDisplay, stamped, subscriber
from pykubeadm.workflow.events import Note, PhaseFinished, RunFinished, RunStarted


@pytest.mark.parametrize(
    ("dry_run", "changed", "sentence"),
    [
        (False, 1, "Done: 1 change (0.0s)"),
        (False, 2, "Done: 2 changes (0.0s)"),
        (True, 2, "Dry run: 2 changes would be made (0.0s)"),
    ],
)
def test_a_dry_run_does_not_claim_to_have_changed_anything(
    dry_run: bool, changed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show = PlainDisplay(0)
    show(RunStarted(command="init", node="cp1", phases=(), dry_run=dry_run))
    show(RunFinished(outcome="changed", changed=changed, exit_status=0))
    assert capsys.readouterr().out.splitlines()[-1] == sentence


@pytest.mark.parametrize(("phases", "shown"), [(("upload-certs",), True), (("upload-certs", "addon"), False)])
def test_a_single_phase_that_is_not_needed_is_named(
    phases: tuple[str, ...], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show = PlainDisplay(0)
    show(RunStarted(command="init phase upload-certs", node="cp1", phases=phases, dry_run=False))
    show(PhaseFinished(phase="upload-certs", outcome="skipped", changes=(), reason="", seconds=0.0))
    show(RunFinished(outcome="unchanged", changed=0, exit_status=0))
    assert ("[upload-certs] not needed here, or not asked for by a flag" in capsys.readouterr().out.splitlines()) is shown


def test_a_warning_is_given_once_in_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    for output in ("text", "json"):
        emit = stamped(subscriber(output, verbosity=0))
        for topic in ("certs/ca", "certs/apiserver"):
            emit(Note(level="warning", topic=topic, message="ca.crt expired"))
            emit(Note(level="info", topic=topic, message="looked at ca.crt"))
        emit(Note(level="warning", topic="certs/ca", message="ca.key can be read by all"))
        shown = "".join(capsys.readouterr())
        assert [shown.count(text) for text in ("ca.crt expired", "looked at ca.crt", "ca.key can be read")] == [1, 2, 1]


def test_the_same_warning_of_two_hosts_is_shown_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    emit = stamped(subscriber("json", verbosity=0), by_topic=True)
    for topic in ("w1", "w2", "w1"):
        emit(Note(level="warning", topic=topic, message="it is a part of another cluster"))
    shown = [json.loads(line)["topic"] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["w1", "w2"]
