"""What a node keeps of a rotation, where it is damaged."""

from __future__ import annotations

import pytest

from pykubeadm.commands.certs.rotation.material import kept_key, note_restarted, restarted_in
from pykubeadm.constants import CA_ROTATION_DIR
from tests.support.node import FakeNode


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"id": "a"}', '{"id": "a", "programs": "kubelet"}'])
def test_of_a_damaged_file_nothing_was_restarted(content: str) -> None:
    node = FakeNode()
    node.put(f"{CA_ROTATION_DIR}/restarted.json", content)
    assert restarted_in(node, "a") == {}
    note_restarted(node, "a", {"kubelet": "trust"})
    assert restarted_in(node, "a") == {"kubelet": "trust"}


def test_a_key_that_is_no_text_is_none() -> None:
    node = FakeNode()
    node.put(f"{CA_ROTATION_DIR}/certificate-key", b"\xff\xfe")
    assert kept_key(node) == ""
