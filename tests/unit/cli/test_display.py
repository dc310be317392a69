"""What a run says at its end."""

from __future__ import annotations

import pytest

from pykubeadm.cli.display import PlainDisplay
from pykubeadm.workflow.events import RunFinished, RunStarted


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
