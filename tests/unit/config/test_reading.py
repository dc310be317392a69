"""What the files of all commands have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read_fleet import read_fleet
from pykubeadm.config.read_init import read_init
from pykubeadm.config.read_join import read_join
from pykubeadm.config.read_reset import read_reset
from pykubeadm.config.reset_flags import ResetFlags
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from tests.unit.config.texts import world


@pytest.mark.parametrize(
    ("read", "command"),
    [
        (lambda empty: read_init(empty, InitFlags(), world()), "pykubeadm config print init-defaults"),
        (lambda empty: read_join(empty, JoinFlags(), world()), "pykubeadm config print join-defaults"),
        (lambda empty: read_reset(empty, ResetFlags(), world()), "pykubeadm config print reset-defaults"),
        (lambda empty: read_fleet(empty, world()), "pykubeadm cluster init"),
    ],
)
@pytest.mark.parametrize("text", ["", "# to be written\n", "---\n"])
def test_an_empty_file_names_the_command_that_prints_one(read: Callable[[Source], object], command: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(Source("x.yaml", text.encode()))
    assert list(map(str, refused.value.problems)) == [
        f"x.yaml:1:1: the file holds no configuration; `{command}` prints one to start from"
    ]
