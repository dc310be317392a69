"""What an interrupted run left on the node, and what is left of it where the file was damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.phases.replacing.record import PATH, Record, read_record, write_record
from tests.support.node import FakeNode

RECORD = Record(command="upgrade apply", target="v1.36.2", cluster="", components=("etcd",), began={"etcd": 1.5})


@pytest.fixture
def node() -> FakeNode:
    found = FakeNode()
    write_record(found, RECORD)
    return found


def damage(node: FakeNode, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(node.text(PATH))
    change(data)
    node.put(PATH, json.dumps(data))


def test_it_is_read_as_it_was_written(node: FakeNode) -> None:
    assert read_record(node) == RECORD
    assert read_record(node, "upgrade") == RECORD
    with pytest.raises(PhaseError, match="`pykubeadm upgrade apply` was interrupted"):
        read_record(node, "reconfigure")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("schema"),
        lambda data: data.pop("target"),
        lambda data: data.pop("files"),
        lambda data: data.update(target="x"),
        lambda data: data.update(target=None),
        lambda data: data.update(more=1),
        lambda data: data.update(components="etcd"),
        lambda data: data.update(files=[None]),
        lambda data: data.update(replaced=["etcd"]),
        lambda data: data.update(began={"etcd": "soon"}),
        lambda data: data.update(manifests=5),
        lambda data: data.update(cluster=None),
        lambda data: data.update(etcd_members="1"),
    ],
)
def test_a_damaged_one_is_named_with_what_to_do(node: FakeNode, change: Callable[[dict[str, Any]], object]) -> None:
    damage(node, change)
    with pytest.raises(PhaseError, match=rf"{PATH}, which says .* cannot be read; .*remove {PATH}"):
        read_record(node)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "5", "[" * 100_000])
def test_what_is_no_record(node: FakeNode, content: str) -> None:
    node.put(PATH, content)
    with pytest.raises(PhaseError, match="cannot be read"):
        read_record(node)


def test_one_of_another_release_is_left_to_that(node: FakeNode) -> None:
    damage(node, lambda data: data.update(schema="pykubeadm.upgrade/v2", more=1))
    with pytest.raises(PhaseError, match=r"another release of pykubeadm \(pykubeadm.upgrade/v2\)"):
        read_record(node)
