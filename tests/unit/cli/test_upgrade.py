"""How `upgrade plan` and `upgrade diff` end, and what goes to which stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pykubeadm.cli.main import cli
from pykubeadm.commands.upgrade.offers import Offer
from pykubeadm.commands.upgrade.plan import Plan, Upgrade
from pykubeadm.commands.upgrade.policy import Refusal
from pykubeadm.config.versions import parse_version
from pykubeadm.workflow.events import Note, Subscriber
from pykubeadm.workflow.events import Result as Shown

ERROR = "[ERROR DiskSpace]: /var/lib/etcd has 1 MiB left"


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Options of each plan that is made, which finds an error and has a warning."""
    asked: list[dict[str, Any]] = []

    def plan(options: Mapping[str, Any], emit: Subscriber, **_machine: object) -> Plan:
        asked.append(dict(options))
        emit(Note(level="warning", topic="preflight", message="[WARNING EtcdMembers]: pinned"))
        return Plan(parse_version("v1.36.2"), (), (), (ERROR,))

    monkeypatch.setattr("pykubeadm.commands.upgrade.plan.plan", plan)
    return asked


def test_a_plan_with_errors_is_shown_whole_and_ends_as_a_failed_preflight(planned: list[dict[str, Any]]) -> None:
    done = run("upgrade", "plan", "v1.36.3", "--ignore-preflight-errors=A,B", "--etcd-upgrade=false")
    assert done.stdout.startswith("The cluster is at v1.36.2, and there is nothing newer for it up to ")
    assert isinstance(done.exception, Exception)
    assert getattr(done.exception, "exit_status", 0) == 3
    assert str(done.exception).startswith(f"the cluster is not ready to be upgraded, for 1 reason:\n\t{ERROR}\n")
    assert planned[0]["kubernetes_version"] == "v1.36.3"
    assert planned[0]["ignore_preflight_errors"] == ("A", "B")
    assert planned[0]["etcd_upgrade"] is False


@pytest.mark.usefixtures("planned")
def test_json_is_alone_on_standard_output() -> None:
    done = run("upgrade", "plan", "-o", "json")
    assert json.loads(done.stdout)["kind"] == "UpgradePlan"
    assert "[WARNING EtcdMembers]: pinned" in done.stderr


def test_why_a_version_is_refused_is_a_warning_beside_json(monkeypatch: pytest.MonkeyPatch) -> None:
    too_far, forced = Refusal("v1.36.2 is too far", forceable=False), Refusal("a kubelet is too old", forceable=True)
    upgrade = Upgrade(Offer("stable version", parse_version("v1.36.2")), (), (too_far, forced))
    monkeypatch.setattr(
        "pykubeadm.commands.upgrade.plan.plan", lambda *_given, **_machine: Plan(parse_version("v1.34.3"), (upgrade,), ())
    )
    done = run("upgrade", "plan", "v1.36.2", "-o", "json")
    assert done.stderr.splitlines() == [
        "warning: v1.36.2 is refused: v1.36.2 is too far",
        "warning: v1.36.2 is refused: a kubelet is too old (--force passes over this)",
    ]
    assert len(json.loads(done.stdout)["availableUpgrades"]) == 1
    assert run("upgrade", "plan", "v1.36.2").stderr == ""


@pytest.mark.parametrize(("others", "status"), [((), 3), (("v1.34.4",), None)])
def test_a_plan_ends_as_a_failed_preflight_where_every_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...], status: int | None
) -> None:
    refused = Upgrade(Offer("stable version", parse_version("v1.36.2")), (), (Refusal("it is too far", forceable=False),))
    upgrades = (refused, *(Upgrade(Offer("patch", parse_version(other)), (), ()) for other in others))
    monkeypatch.setattr(
        "pykubeadm.commands.upgrade.plan.plan", lambda *_given, **_machine: Plan(parse_version("v1.34.3"), upgrades, ())
    )
    failure = run("upgrade", "plan").exception
    assert getattr(failure, "exit_status", None) == status
    assert status is None or str(failure) == "the cluster cannot be upgraded to v1.36.2, for the reasons above"


@pytest.fixture
def different(monkeypatch: pytest.MonkeyPatch) -> None:
    """A diff that finds a difference."""

    def diff(_options: Mapping[str, Any], emit: Subscriber, **_machine: object) -> bool:
        emit(Shown(name="difference", text="--- a\n+++ b\n@@ -1 +1 @@\n-1\n+2", data={"what": "a"}))
        return True

    monkeypatch.setattr("pykubeadm.commands.upgrade.diff.diff", diff)


@pytest.mark.usefixtures("different")
@pytest.mark.parametrize(("words", "status"), [((), 0), (("--exit-code",), 1)])
def test_differences_are_a_status_where_that_is_wanted(words: tuple[str, ...], status: int) -> None:
    done = run("upgrade", "diff", *words)
    assert done.exit_code == status
    assert done.stdout == "--- a\n+++ b\n@@ -1 +1 @@\n-1\n+2\n"


@pytest.mark.usefixtures("different")
def test_differences_are_events_for_programs() -> None:
    (line,) = run("upgrade", "diff", "-o", "json").stdout.splitlines()
    assert json.loads(line)["data"] == {"what": "a"}
