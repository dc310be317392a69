"""The version policy beside kubeadm's (phases/upgrade/policy.go and its test's cases), and where ours is stricter or wider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykubeadm.commands.upgrade.policy import Allowed, Known, Refusal, enforce, refusals
from pykubeadm.config.versions import parse_version
from pykubeadm.errors import PreflightError
from pykubeadm.phases.cluster.state import ClusterVersions


def cluster(*api_servers: str, kubelets: tuple[str, ...] = ()) -> ClusterVersions:
    return ClusterVersions(
        {f"cp{index}": parse_version(version) for index, version in enumerate(api_servers, 1)},
        {f"w{index}": parse_version(version) for index, version in enumerate(kubelets or api_servers[:1], 1)},
    )


# As kubeadm 1.36 decides it: cluster, target, what is allowed → "" (goes), "force" or "never".
KUBEADM = [
    ("v1.36.1", "v1.36.2", Allowed(), ""),
    ("v1.36.2", "v1.36.2", Allowed(), ""),
    ("v1.36.2", "v1.36.1", Allowed(), ""),
    ("v1.35.6", "v1.36.2", Allowed(), ""),
    ("v1.34.1", "v1.36.2", Allowed(), "never"),
    ("v1.34.1", "v1.36.0-beta.1", Allowed(experimental=True), "force"),
    ("v1.36.2", "v1.34.1", Allowed(), "never"),
    ("v1.36.2", "v1.34.1-rc.1", Allowed(candidates=True), "force"),
    ("v1.36.2", "v1.35.6", Allowed(), "force"),
    ("v1.36.2", "v1.37.0", Allowed(), "never"),
    ("v1.36.2", "v1.37.0-alpha.1", Allowed(experimental=True), "force"),
    ("v1.36.2", "v1.36.3-beta.1", Allowed(), "force"),
    ("v1.36.2", "v1.36.3-rc.1", Allowed(), "force"),
    ("v1.33.9", "v1.34.1", Allowed(), "never"),
    ("v1.34.1", "v1.33.9", Allowed(), "never"),
]


@pytest.mark.parametrize(("running", "target", "allowed", "expected"), KUBEADM)
def test_decides_as_kubeadm_of_the_newest_known_minor_does(running: str, target: str, allowed: Allowed, expected: str) -> None:
    found = refusals(parse_version(target), cluster(running), allowed, Known(34, 36))
    decided = "" if not found else "force" if all(refusal.forceable for refusal in found) else "never"
    assert decided == expected, found


# From each minor that is deployed (rows) to those from 1.33 to 1.38: "+" goes, "f" has to be forced, "-" never.
STEPS = """
34  - + + - - -
35  - f + + - -
36  - - f + + -
37  - - - f + -
"""


@pytest.mark.parametrize("row", STEPS.split("\n")[1:-1])
def test_every_step_between_the_minors_that_are_deployed(row: str) -> None:
    running, *decisions = row.split()
    for target, expected in enumerate(decisions, 33):
        found = refusals(parse_version(f"v1.{target}.1"), cluster(f"v1.{running}.1"), Allowed())
        decided = "+" if not found else "f" if all(refusal.forceable for refusal in found) else "-"
        assert decided == expected, (target, found)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("v1.36.3-rc.1", Allowed(candidates=True)),
        ("v1.36.3-rc.1", Allowed(experimental=True)),
        ("v1.36.3-alpha.1", Allowed(experimental=True)),
    ],
)
def test_pre_releases_go_where_they_are_allowed(target: str, allowed: Allowed) -> None:
    assert refusals(parse_version(target), cluster("v1.36.2"), allowed) == ()


def test_an_alpha_is_not_allowed_as_a_release_candidate() -> None:
    (found,) = refusals(parse_version("v1.36.3-alpha.1"), cluster("v1.36.2"), Allowed(candidates=True))
    assert found.forceable
    assert "--allow-experimental-upgrades" in found.sentence


def test_a_newer_patch_release_needs_no_newer_tool() -> None:
    assert refusals(parse_version("v1.36.99"), cluster("v1.36.2"), Allowed()) == ()


def test_kubelets_three_minors_behind_may_stay_and_older_ones_have_to_be_forced() -> None:
    running = cluster("v1.36.2", kubelets=("v1.34.0", "v1.33.1", "v1.33.2"))
    (found,) = refusals(parse_version("v1.37.1"), running, Allowed())
    assert found == Refusal(
        "kubelets of v1.33.1, v1.33.2 (on w2, w3) are more than 3 minors older than v1.37.1: upgrade them first", forceable=True
    )


def test_kubelets_that_would_be_newer_than_their_api_server_are_refused() -> None:
    found = refusals(parse_version("v1.35.6"), cluster("v1.36.2"), Allowed())
    assert [refusal.forceable for refusal in found] == [True, True]
    assert "kubelets of v1.36.2 (on w1) are newer than v1.35.6" in found[1].sentence


def test_the_oldest_api_server_counts_for_the_step_up() -> None:
    (found,) = refusals(parse_version("v1.36.2"), cluster("v1.35.6", "v1.34.3", kubelets=("v1.34.3",)), Allowed())
    assert found == Refusal(
        "v1.36.2 is more than one minor above the API server's v1.34.3 (on cp2): upgrade to 1.35 first", forceable=False
    )


def test_names_no_more_nodes_than_one_reads() -> None:
    running = cluster("v1.36.2", kubelets=("v1.32.0",) * 12)
    (found,) = refusals(parse_version("v1.36.2"), running, Allowed())
    assert "(on w1, w10, w11, w12, w2 and 7 more)" in found.sentence


def test_what_cannot_be_forced_is_shown_alone() -> None:
    found = (Refusal("never", forceable=False), Refusal("only by force", forceable=True))
    with pytest.raises(PreflightError) as raised:
        enforce(found, force=True, note=lambda _text: None)
    assert str(raised.value) == "this version cannot be upgraded to:\n\t- never"


def test_what_can_be_forced_stops_without_force_and_is_noted_with_it() -> None:
    found = (Refusal("only by force", forceable=True),)
    with pytest.raises(PreflightError, match=r"If you know better, `pykubeadm upgrade apply --force` passes over this\.$"):
        enforce(found, force=False, note=lambda _text: None)
    notes: list[str] = []
    enforce(found, force=True, note=notes.append)
    assert notes == ["--force passes over this: only by force"]


def test_nodes_whose_kubelet_is_none_have_to_be_forced() -> None:
    found = refusals(parse_version("v1.36.2"), replace(cluster("v1.35.6"), unknown={"w2": "kwok-v0.6.0", "w3": ""}), Allowed())
    (refusal,) = found
    assert 'the Nodes w2, w3 give "", "kwok-v0.6.0" for their kubelet' in refusal.sentence
    assert refusal.forceable
