"""Flags that take a number, against what kubeadm v1.36.2 made of `--apiserver-bind-port`."""

from __future__ import annotations

import click
import pytest

from pykubeadm.cli.options import option


def read(text: str) -> int:
    found: dict[str, int] = {}
    command = click.Command("init", params=[option("apiserver-bind-port")], callback=lambda **values: found.update(values))
    command.main(["--apiserver-bind-port", text], standalone_mode=False)
    return found["apiserver_bind_port"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("443", 443),
        ("+80", 80),
        ("-0", 0),
        ("0", 0),
        ("017", 15),
        ("0_17", 15),
        ("0o17", 15),
        ("0O17", 15),
        ("0x1F", 31),
        ("0X1f", 31),
        ("0x_1F", 31),
        ("+0x10", 16),
        ("0b11", 3),
        ("1_000", 1000),
    ],
)
def test_the_beginning_says_the_base(text: str, number: int) -> None:
    assert read(text) == number


@pytest.mark.parametrize("text", ["", " 5", "5 ", "08", "0x", "1__0", "_1", "1_", "--5", "4.0", "1e3", "٣", "0x1F_"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="is not a whole number"):
        read(text)
