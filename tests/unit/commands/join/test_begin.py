"""From options to a run of join."""

from __future__ import annotations

import pytest

from pykubeadm.commands.join import begin as beginning
from pykubeadm.errors import PreflightError
from tests.support.node import FakeNode, completed

OPTIONS = {
    "api_server_endpoint": "10.0.0.1:6443",
    "token": "abcdef.0123456789abcdef",
    "discovery_token_unsafe_skip_ca_verification": True,
}


class AskedError(Exception):
    """The cluster was."""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    def ask(*_arguments: object, **_named: object) -> None:
        raise AskedError

    monkeypatch.setattr(beginning, "ask_cluster", ask)
    return FakeNode(commands={"id -u": completed("1000\n")})


def test_an_ordinary_user_hears_of_it_before_the_cluster_is_asked(node: FakeNode) -> None:
    with pytest.raises(PreflightError, match=r"\[ERROR IsPrivilegedUser\]: root is needed to change a node"):
        beginning.begin(node, OPTIONS, lambda _event: None, look_ahead=True)


@pytest.mark.parametrize(
    "further",
    [{"skip_phases": ("preflight",)}, {"ignore_preflight_errors": ("isprivilegeduser",)}, {"ignore_preflight_errors": ("all",)}],
)
def test_not_where_the_check_is_not_made(node: FakeNode, further: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(AskedError):
        beginning.begin(node, OPTIONS | further, lambda _event: None, look_ahead=True)


def test_not_before_a_single_phase(node: FakeNode) -> None:
    with pytest.raises(AskedError):
        beginning.begin(node, OPTIONS, lambda _event: None)
