"""Why a patch cannot be applied, and at which place of it."""

from __future__ import annotations

Path = tuple[str | int, ...]


class RefusalError(Exception):
    """`path` leads to the value in the patch; the message is a sentence."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path
        self.sentence = sentence
