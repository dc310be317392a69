"""What holds of any patch."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.patches.merge import merge_patch
from pykubeadm.patches.strategic import strategic_merge

SCALARS = st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from("xyz"), JSON, max_size=3)
PATCHES = st.dictionaries(st.sampled_from("xyz"), st.none() | JSON, max_size=3)

NAMES = st.sampled_from(["a", "b", "c", "d"])
VARIABLES = st.lists(
    st.fixed_dictionaries({"name": NAMES, "value": st.text("01", max_size=2)}),
    max_size=4,
    unique_by=lambda item: str(item["name"]),
)
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": st.text("xy", max_size=2), "env": VARIABLES, "tty": st.booleans()}),
    max_size=4,
    unique_by=lambda item: str(item["name"]),
)
LABELS = st.dictionaries(NAMES, st.text("12", max_size=1), max_size=3)
PODS = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"labels": LABELS}), "spec": st.fixed_dictionaries({"containers": CONTAINERS})}
)


@given(OBJECTS)
def test_an_empty_merge_patch_changes_nothing(document: dict[str, Any]) -> None:
    assert merge_patch(document, {}) == document


@given(OBJECTS, PATCHES)
def test_a_merge_patch_applied_twice_is_as_once(document: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(document, patch)
    assert merge_patch(once, patch) == once


@given(OBJECTS, PATCHES)
def test_a_merge_patch_leaves_its_arguments_alone(document: dict[str, Any], patch: dict[str, Any]) -> None:
    before = deepcopy((document, patch))
    merge_patch(document, patch)
    assert (document, patch) == before


@given(OBJECTS, PATCHES)
def test_a_merge_patch_sets_its_members_and_leaves_the_others(document: dict[str, Any], patch: dict[str, Any]) -> None:
    result = merge_patch(document, patch)
    for name, value in patch.items():
        if value is None:
            assert name not in result
        elif not isinstance(value, dict):
            assert result[name] == value
    assert {name: value for name, value in result.items() if name not in patch} == {
        name: value for name, value in document.items() if name not in patch
    }


@given(PODS)
def test_an_empty_strategic_patch_changes_nothing(pod: dict[str, Any]) -> None:
    assert strategic_merge("Pod", pod, {}) == pod
    assert strategic_merge("Pod", pod, pod) == pod


@given(PODS, PODS)
def test_a_strategic_patch_applied_twice_is_as_once(pod: dict[str, Any], patch: dict[str, Any]) -> None:
    once = strategic_merge("Pod", pod, patch)
    assert strategic_merge("Pod", once, patch) == once


@given(PODS, PODS)
def test_a_strategic_patch_leaves_its_arguments_alone(pod: dict[str, Any], patch: dict[str, Any]) -> None:
    before = deepcopy((pod, patch))
    strategic_merge("Pod", pod, patch)
    assert (pod, patch) == before


@given(PODS, PODS)
def test_every_entry_of_both_lists_is_there_once_and_in_order(pod: dict[str, Any], patch: dict[str, Any]) -> None:
    def names(document: dict[str, Any]) -> list[str]:
        return [container["name"] for container in document["spec"]["containers"]]

    result = names(strategic_merge("Pod", pod, patch))
    assert sorted(result) == sorted(set(names(pod)) | set(names(patch)))
    assert [name for name in result if name in names(patch)] == names(patch)
    others = [name for name in names(pod) if name not in names(patch)]
    assert [name for name in result if name in others] == others


@given(PODS, PODS)
def test_fields_of_an_entry_are_the_patchs_or_else_the_originals(pod: dict[str, Any], patch: dict[str, Any]) -> None:
    def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {container["name"]: container for container in document["spec"]["containers"]}

    for name, container in by_name(strategic_merge("Pod", pod, patch)).items():
        old, new = by_name(pod).get(name, {}), by_name(patch).get(name, {})
        assert container.get("image") == new.get("image", old.get("image"))
        assert {variable["name"] for variable in container.get("env", [])} == {
            variable["name"] for variable in (*old.get("env", []), *new.get("env", []))
        }


@given(PODS, NAMES)
def test_a_deleted_entry_is_gone_and_the_others_stay(pod: dict[str, Any], name: str) -> None:
    result = strategic_merge("Pod", pod, {"spec": {"containers": [{"name": name, "$patch": "delete"}]}})
    assert result["spec"]["containers"] == [container for container in pod["spec"]["containers"] if container["name"] != name]
