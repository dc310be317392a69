"""One tuple of phases gives the steps, the names for --skip-phases, and what is left when some are skipped."""

from __future__ import annotations

import pytest

from pykubeadm.errors import UsageError
from pykubeadm.workflow.phase import Phase, paths, steps, without

PHASES: tuple[Phase[None], ...] = (
    Phase("preflight", "look"),
    Phase("certs", "certificates", phases=(Phase("ca", "the CA"), Phase("apiserver", "the API server's"))),
    Phase("certs-upload", "upload"),
)


def test_steps_are_the_leaves_in_order() -> None:
    assert [step.path for step in steps(PHASES)] == ["preflight", "certs/ca", "certs/apiserver", "certs-upload"]


def test_every_group_and_leaf_can_be_named() -> None:
    assert list(paths(PHASES)) == ["preflight", "certs", "certs/ca", "certs/apiserver", "certs-upload"]


@pytest.mark.parametrize(
    ("skip", "left"),
    [
        ([], ["preflight", "certs/ca", "certs/apiserver", "certs-upload"]),
        (["certs"], ["preflight", "certs-upload"]),  # a group takes its parts along, not its neighbour of a longer name
        (["certs/ca", "preflight"], ["certs/apiserver", "certs-upload"]),
    ],
)
def test_skipping(skip: list[str], left: list[str]) -> None:
    assert [step.path for step in without(PHASES, skip)] == left


def test_skipping_what_does_not_exist_names_what_does() -> None:
    with pytest.raises(UsageError, match="no phase 'cert', 'certs/caa'; the phases are preflight, certs, certs/ca"):
        without(PHASES, ["cert", "preflight", "certs/caa"])
