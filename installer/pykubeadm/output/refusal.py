"""What is wrong with a user's template, and where."""

from __future__ import annotations

from pykubeadm.errors import one_line


class TemplateError(Exception):
    """One sentence; `at` is the offset in the template, counted in characters."""

    def __init__(self, at: int, sentence: str) -> None:
        self.at = at
        super().__init__(sentence)

    def placed(self, source: str, template: str) -> str:
        """The sentence with its place, `source:line:column`, both from 1; on one line whatever the template holds."""
        before = template[: self.at]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return one_line(f"{source}:{line}:{column}: {self}")


class MisfitError(Exception):
    """A function or verb of a template was given what it is not for. One sentence; who called it knows the place."""
