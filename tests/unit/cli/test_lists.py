"""Flags that take a list, against what kubeadm v1.36.2 made of `kubeconfig user --org`; but that blanks around a part, and empty
parts, say nothing."""

from __future__ import annotations

import click
import pytest

from pykubeadm.cli.options import flattened, option


def read(*mentions: str) -> tuple[str, ...] | None:
    found: dict[str, tuple[str, ...] | None] = {}
    command = click.Command(
        "init", params=[option("skip-phases")], callback=lambda skip_phases: found.update(read=flattened(skip_phases))
    )
    command.main([word for mention in mentions for word in ("--skip-phases", mention)], standalone_mode=False)
    return found["read"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ('"a,b",c', ["a,b", "c"]),
        ('c,"a, b"', ["c", "a, b"]),
        ('"a""b"', ['a"b']),
        ('"a"', ["a"]),
        ("'a,b'", ["'a", "b'"]),
        (" a , b c ", ["a", "b c"]),
        ('" a" , "b"', [" a", "b"]),
        ("a,,b,", ["a", "b"]),
        ('"",a', ["a"]),
    ],
)
def test_commas_part_a_list_but_not_in_quotes(text: str, parts: list[str]) -> None:
    assert read(text) == tuple(parts)


def test_mentions_add_up() -> None:
    assert read("a,b", '"c,d"') == ("a", "b", "c,d")


@pytest.mark.parametrize("text", ["", ",", '""'])
def test_nothing_is_no_part(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("text", ['"a', 'a"b', '"a"b', 'a,"', '"a","b', '"a""'])
def test_quotes_that_part_nothing_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"a part with a comma or quotes is written like"):
        read(text)
