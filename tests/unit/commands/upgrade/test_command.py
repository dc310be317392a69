"""Whole runs of `upgrade`: how they end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.commands.upgrade import command
from pykubeadm.commands.upgrade.phases import APPLY
from pykubeadm.errors import ApiError, LockedError, MemberRemainsError, PhaseError, PreflightError, PykubeadmError, with_state
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.phase import Step, without
from tests.support.api import FakeApi
from tests.support.upgrade_runs import NEW, ControlPlaneNode, FakeEtcd, attach, images, made, upgrade_run

DENIED = 'admission webhook "no.example.org" denied the request'


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> tuple[ControlPlaneNode, FakeApi]:
    """A control plane, where a webhook denies every change of a ConfigMap."""
    node, api = made()
    attach(monkeypatch, node, FakeEtcd())
    api.call_timeout, write = timedelta(), api.replace

    def denied(document: KubeObject) -> KubeObject:
        if document["kind"] == "ConfigMap":
            raise ApiStatusError(DENIED, code=403, reason="Forbidden")
        return write(document)

    monkeypatch.setattr(api, "replace", denied)
    return node, api


def choose(skipped: Sequence[str]) -> tuple[Step[Any], ...]:
    return without(APPLY, (*skipped, "preflight"))


def test_a_step_that_fails_after_the_static_pods_says_that_these_are_upgraded(
    monkeypatch: pytest.MonkeyPatch, cluster: tuple[ControlPlaneNode, FakeApi]
) -> None:
    node, api = cluster
    monkeypatch.setattr(command, "begin", lambda *_args, **_named: upgrade_run(node, api)[0])
    with pytest.raises(ApiError, match=rf"{DENIED}.*; this control plane runs {NEW} by now.*run the same command again"):
        command.upgrade("apply", {}, lambda _event: None, choose=choose, name="upgrade apply", machine=node)
    assert images(node) == {NEW, "3.6.8-0"}


@pytest.mark.parametrize(
    ("error", "family"),
    [(LockedError("w"), LockedError), (MemberRemainsError("w"), MemberRemainsError), (PreflightError("w"), PhaseError)],
)
def test_the_exit_status_of_an_error_stays_where_its_state_is_said(error: PykubeadmError, family: type[PykubeadmError]) -> None:
    said = with_state(error, "it is half done")
    assert (type(said), str(said)) == (family, "w; it is half done")
