"""Which upgrades are offered, online beside kubeadm's (phases/upgrade/compute_test.go), offline by what is known here."""

from __future__ import annotations

import pytest

from pykubeadm.commands.upgrade.offers import Offer, known_versions, offer_of, offers
from pykubeadm.commands.upgrade.policy import Allowed
from pykubeadm.config.versions import RELEASES, parse_version

_STABLE_ONLY = Allowed()
_LABELS = {
    "stable-1.35": "v1.35.8",
    "stable-1.36": "v1.36.4",
    "stable-1.37": "v1.37.3",
    "latest": "v1.39.0-alpha.2",
    "latest-1.38": "v1.38.0-rc.1",
}


def _offered(
    cluster: str, answers: dict[str, str], allowed: Allowed = _STABLE_ONLY, held: tuple[str, ...] = ()
) -> tuple[list[tuple[str, str]], list[str]]:
    notes: list[str] = []
    known = known_versions(parse_version(version) for version in held)
    found = offers(parse_version(cluster), answers.get, known, allowed, notes.append)
    return [(offer.description, str(offer.target)) for offer in found], notes


@pytest.mark.parametrize(
    ("cluster", "allowed", "expected"),
    [
        ("v1.35.6", Allowed(), [("version in the v1.35 series", "v1.35.8"), ("stable version", "v1.36.4")]),
        ("v1.35.8", Allowed(), [("stable version", "v1.36.4")]),
        ("v1.36.4", Allowed(), [("stable version", "v1.37.3")]),
        ("v1.37.2", Allowed(), [("version in the v1.37 series", "v1.37.3")]),
        ("v1.37.3", Allowed(), []),
        ("v1.37.9", Allowed(), []),
        ("v1.37.3", Allowed(candidates=True), [("release candidate version", "v1.38.0-rc.1")]),
        ("v1.37.3", Allowed(experimental=True), [("experimental version", "v1.39.0-alpha.2")]),
        (
            "v1.37.3",
            Allowed(experimental=True, candidates=True),
            [("release candidate version", "v1.38.0-rc.1"), ("experimental version", "v1.39.0-alpha.2")],
        ),
    ],
)
def test_offers_what_the_release_labels_say(cluster: str, allowed: Allowed, expected: list[tuple[str, str]]) -> None:
    found, notes = _offered(cluster, _LABELS, allowed)
    assert found == expected
    assert not notes


def test_an_alpha_0_is_passed_over_for_the_branch_before_it() -> None:
    answers = _LABELS | {"latest": "v1.39.0-alpha.0", "latest-1.38": "v1.38.0-beta.1"}
    found, _ = _offered("v1.37.3", answers, Allowed(experimental=True))
    assert found == [("experimental version", "v1.38.0-beta.1")]


def test_offline_the_newest_known_versions_are_offered_with_a_note() -> None:
    found, notes = _offered("v1.35.1", {})
    assert found == [("version in the v1.35 series", RELEASES[35].newest), ("stable version", RELEASES[36].newest)]
    assert len(notes) == 1
    assert "there may be newer ones" in notes[0]


def test_a_minor_for_which_no_answer_comes_is_offered_as_it_is_known_with_a_note() -> None:
    found, notes = _offered("v1.36.2", {"stable-1.36": "v1.36.4"})
    assert found == [("version in the v1.36 series", "v1.36.4"), ("stable version", RELEASES[37].newest)]
    (note,) = notes
    assert "does not answer for 1.37" in note
    assert "there may be newer ones" in note


def test_a_cluster_of_a_minor_that_is_not_known_needs_another_pykubeadm() -> None:
    found, notes = _offered("v1.38.0", {})
    assert found == []
    assert notes == ["the cluster is at v1.38.0, and this pykubeadm knows up to 1.37: upgrade pykubeadm first"]


def test_offline_what_lies_in_the_folders_with_assets_is_offered() -> None:
    found, _ = _offered("v1.35.1", {}, held=("v1.36.77", "v1.38.1"))
    assert found == [("version in the v1.35 series", RELEASES[35].newest), ("stable version", "v1.36.77")]


def test_pre_releases_are_not_guessed_offline() -> None:
    found, notes = _offered("v1.37.5", {}, Allowed(experimental=True))
    assert found == []
    assert "name one" in notes[-1]


@pytest.mark.parametrize(
    ("target", "description"),
    [
        ("v1.35.6", "version in the v1.35 series"),
        ("v1.35.1", "version in the v1.35 series"),
        ("v1.36.2", "stable version"),
        ("v1.36.0-rc.1", "release candidate version"),
        ("v1.36.0-beta.1", "experimental version"),
    ],
)
def test_a_named_version_is_described_by_what_it_is(target: str, description: str) -> None:
    version = parse_version(target)
    assert offer_of(parse_version("v1.35.6"), version) == Offer(description, version)
