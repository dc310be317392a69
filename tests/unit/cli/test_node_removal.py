"""`node drain`, `node remove`, `node replace`: what is no name of a node is refused before anything is asked."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pykubeadm.cli.node import node
from pykubeadm.errors import UsageError


@pytest.mark.parametrize("command", ["drain", "remove", "replace"])
@pytest.mark.parametrize("name", ["", " ", "cp1/status", "CP1", "../nodes"])
def test_what_is_no_name_of_a_node_is_refused(command: str, name: str) -> None:
    result = CliRunner().invoke(node, [command, name, *(["10.0.0.1:6443"] if command == "replace" else [])])
    assert isinstance(result.exception, UsageError)
    assert f'"{name}" is not a DNS name' in str(result.exception)
    assert str(result.exception).startswith("OLD: " if command == "replace" else "NAME: ")
