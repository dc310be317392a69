"""Results that kubeadm v1.36.2 gives for the same patches, and refusals with their place."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.patches.refusal import RefusalError
from pykubeadm.patches.strategic import strategic_merge

POD: dict[str, Any] = {
    "metadata": {"name": "p", "labels": {"a": "1", "b": "2"}, "finalizers": ["f1", "f2", "f3"]},
    "spec": {
        "containers": [
            {
                "name": "main",
                "command": ["main", "--x"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "web"}],
                "resources": {"requests": {"cpu": "250m"}},
            },
            {"name": "side", "image": "s"},
        ],
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "data", "hostPath": {"path": "/data"}}, {"name": "certs", "hostPath": {"path": "/certs"}}],
    },
}


def spec(patch: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = strategic_merge("Pod", POD, {"spec": patch})["spec"]
    return result


def metadata(patch: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = strategic_merge("Pod", POD, {"metadata": patch})["metadata"]
    return result


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def test_entries_are_found_by_their_key() -> None:
    main, side = spec({"containers": [{"name": "main", "resources": {"limits": {"cpu": "1"}}}]})["containers"]
    assert main["resources"] == {"requests": {"cpu": "250m"}, "limits": {"cpu": "1"}}
    assert main["command"] == ["main", "--x"]
    assert side == {"name": "side", "image": "s"}


def test_new_entries_come_to_the_front() -> None:
    assert names(spec({"volumes": [{"name": "new", "emptyDir": {}}]})["volumes"]) == ["new", "data", "certs"]
    both = spec({"volumes": [{"name": "new"}, {"name": "certs"}]})["volumes"]
    assert names(both) == ["new", "data", "certs"]
    assert names(spec({"volumes": [{"name": "certs"}, {"name": "new"}]})["volumes"]) == ["data", "certs", "new"]


def test_lists_without_a_key_are_replaced() -> None:
    result = spec({"containers": [{"name": "main", "command": ["other"]}], "tolerations": []})
    assert result["containers"][0]["command"] == ["other"]
    assert result["tolerations"] == []


def test_lists_of_plain_values_are_united_where_the_field_says_so() -> None:
    assert metadata({"finalizers": ["f2", "new"]})["finalizers"] == ["f1", "f2", "new", "f3"]


def test_null_removes() -> None:
    assert metadata({"labels": {"a": None, "zz": None}})["labels"] == {"b": "2"}
    assert "ports" not in spec({"containers": [{"name": "main", "ports": None}]})["containers"][0]


def test_an_entry_is_deleted_by_its_key() -> None:
    assert names(spec({"containers": [{"name": "side", "$patch": "delete"}]})["containers"]) == ["main"]


def test_a_list_is_replaced_by_a_directive_in_it() -> None:
    assert spec({"volumes": [{"$patch": "replace"}, {"name": "only"}]})["volumes"] == [{"name": "only"}]


def test_an_object_is_replaced_or_emptied() -> None:
    assert metadata({"labels": {"$patch": "replace", "only": "this"}})["labels"] == {"only": "this"}
    assert metadata({"labels": {"$patch": "delete"}})["labels"] == {}


def test_retained_keys_push_out_the_others() -> None:
    volume = {"name": "data", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}
    assert {"name": "data", "emptyDir": {}} in spec({"volumes": [volume]})["volumes"]


def test_plain_values_are_deleted_from_a_list() -> None:
    assert metadata({"$deleteFromPrimitiveList/finalizers": ["f1", "none"]})["finalizers"] == ["f2", "f3"]


def test_an_order_can_be_set() -> None:
    result = spec(
        {"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}], "containers": [{"name": "main", "image": "m"}]}
    )
    assert names(result["containers"]) == ["side", "main"]
    assert result["containers"][1]["image"] == "m"
    assert metadata({"$setElementOrder/finalizers": ["f3", "f1"]})["finalizers"] == ["f2", "f3", "f1"]


@pytest.mark.parametrize(
    ("patch", "path", "why"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, ("spec", "containers", 0), "distinguished"),
        ({"spec": {"containers": [{"name": "main", "$patch": "merge"}]}}, ("spec", "containers", 0, "$patch"), "delete"),
        ({"spec": {"$patch": "remove"}}, ("spec", "$patch"), "delete"),
        ({"spec": {"volumes": ["x"]}}, ("spec", "volumes"), "one kind"),
        ({"metadata": {"labels": {"$retainKeys": ["a"], "c": "1"}}}, ("metadata", "labels", "c"), "$retainKeys"),
        ({"metadata": {"labels": {"$retainKeys": "a"}}}, ("metadata", "labels", "$retainKeys"), "list"),
        ({"metadata": {"$deleteFromPrimitiveList": ["a"]}}, ("metadata", "$deleteFromPrimitiveList"), "FIELD"),
        ({"spec": {"$setElementOrder/containers": [{"name": "side"}], "containers": [{"name": "main"}]}}, None, "elsewhere"),
    ],
)
def test_what_cannot_be_applied_is_refused_with_its_place(patch: dict[str, Any], path: tuple[str, ...] | None, why: str) -> None:
    with pytest.raises(RefusalError) as refused:
        strategic_merge("Pod", POD, patch)
    assert why in refused.value.sentence
    assert path is None or refused.value.path == path
