"""The record of a restore that was interrupted, where it is damaged."""

from __future__ import annotations

import pytest

from pykubeadm.commands.etcd import restoring
from pykubeadm.errors import PhaseError
from tests.support.node import FakeNode

PATH = f"{restoring.DIRECTORY}/restore.json"


@pytest.mark.parametrize("content", ["", "[]", "5", "{}", '{"sha256": 5}', '{"sha256": "a", "aside": ["b"]}', "[" * 100_000])
def test_a_damaged_record_is_named_with_what_to_do(content: str) -> None:
    node = FakeNode()
    node.put(PATH, content)
    with pytest.raises(PhaseError, match=rf"^{PATH}, which says .* is damaged: remove it, run this again$"):
        restoring.read(node)


def test_it_is_read_as_it_was_written() -> None:
    node, record = FakeNode(), restoring.Restoring("a", aside="b", has_data=True)
    restoring.write(node, record)
    assert restoring.read(node) == record
