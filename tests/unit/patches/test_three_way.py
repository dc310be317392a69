"""The user's changes and ours, side by side."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.patches.three_way import three_way, without_served

_CONTAINER = {"name": "a", "image": "a:1", "args": ["-conf", "/a"]}


def _container(**changes: Any) -> dict[str, Any]:
    return {"containers": [_CONTAINER | changes]}


@pytest.mark.parametrize(
    ("base", "live", "wanted", "expected"),
    [
        pytest.param({"replicas": 2}, {"replicas": 5}, {"replicas": 2}, {"replicas": 5}, id="user scaled"),
        pytest.param({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, id="ours alone"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}, id="both to the same"),
        pytest.param({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}, id="what the user removed stays away"),
        pytest.param({"a": 1}, {"a": 1, "l": "x"}, {"a": 1, "b": 2}, {"a": 1, "l": "x", "b": 2}, id="both add"),
        pytest.param({"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 3}, {"b": 1}, {"b": 1, "c": 3}, id="we remove"),
        pytest.param(
            _container(),
            _container(resources={"limits": {"memory": "1Gi"}}),
            _container(image="a:2"),
            _container(image="a:2", resources={"limits": {"memory": "1Gi"}}),
            id="entries by name",
        ),
        pytest.param(
            {"t": [{"operator": "Exists"}]},
            {"t": [{"operator": "Exists"}, {"key": "mine"}]},
            {"t": [{"operator": "Exists"}, {"key": "new"}]},
            {"t": [{"operator": "Exists"}, {"key": "new"}, {"key": "mine"}]},
            id="entries without a name",
        ),
        pytest.param(
            ["kube-apiserver", "--a=1", "--b=1"],
            ["kube-apiserver", "--a=1", "--b=1", "--v=4"],
            ["kube-apiserver", "--a=2", "--c=1"],
            ["kube-apiserver", "--a=2", "--c=1", "--v=4"],
            id="flags",
        ),
        pytest.param(
            ["x", "--api=a", "--api=b"],
            ["x", "--api=b"],
            ["x", "--api=a", "--api=b", "--z=1"],
            ["x", "--api=b", "--z=1"],
            id="repeated",
        ),
    ],
)
def test_keeps_what_each_side_changed(base: Any, live: Any, wanted: Any, expected: Any) -> None:
    merged = three_way(base, live, wanted)
    assert merged.value == expected
    assert not merged.conflicts


@pytest.mark.parametrize(
    ("base", "live", "wanted", "sentence"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 3}}, "a.b: was 1, is 2 by a change of yours, would become 3"),
        ({"a": 1}, {}, {"a": 2}, "a: was 1, is not there by a change of yours, would become 2"),
        ({}, {"a": 1}, {"a": True}, "a: was not there, is 1 by a change of yours, would become true"),
        ({"a": [1]}, {"a": [2]}, {"a": [3]}, "a: was [1], is [2] by a change of yours, would become [3]"),
        (
            {"c": ["x", "--a=1"]},
            {"c": ["x", "--a=2"]},
            {"c": ["x", "--a=3"]},
            'c.--a: was ["--a=1"], is ["--a=2"] by a change of yours, would become ["--a=3"]',
        ),
    ],
)
def test_says_where_both_changed_the_same(base: Any, live: Any, wanted: Any, sentence: str) -> None:
    merged = three_way(base, live, wanted)
    assert [str(conflict) for conflict in merged.conflicts] == [sentence]
    assert merged.value == live


def test_what_the_server_filled_in_is_no_change_of_the_users() -> None:
    base = {"spec": {"serviceAccountName": "a", "containers": [{"name": "a", "ports": [{"name": "p", "containerPort": 1}]}]}}
    live = {
        "spec": {
            "serviceAccountName": "a",
            "serviceAccount": "a",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 5,
            "containers": [
                {"name": "mine", "resources": {}},
                {"name": "a", "ports": [{"name": "p", "containerPort": 1, "protocol": "TCP"}], "imagePullPolicy": "Always"},
            ],
        }
    }
    assert without_served(base, live) == {
        "spec": {
            "serviceAccountName": "a",
            "terminationGracePeriodSeconds": 5,
            "containers": [
                {"name": "mine"},
                {"name": "a", "ports": [{"name": "p", "containerPort": 1}], "imagePullPolicy": "Always"},
            ],
        }
    }


def test_what_we_wrote_ourselves_is_not_taken_for_the_servers() -> None:
    document = {"restartPolicy": "Always", "securityContext": {}}
    assert without_served(document, document) == document
