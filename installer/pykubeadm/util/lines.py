"""Texts that are too long, cut between two lines: half a word may say what the whole one would not have been allowed to."""

from __future__ import annotations


def last_lines(text: str, most: int) -> str:
    """The last whole lines of `text` with no more than `most` characters in all."""
    if len(text) <= most:
        return text
    return text[-most - 1 :].partition("\n")[2]


def first_lines(text: str, most: int) -> str:
    """The first whole lines of `text` with no more than `most` characters in all."""
    if len(text) <= most:
        return text
    head, newline, _ = text[: most + 1].rpartition("\n")
    return (head + newline)[:most]
