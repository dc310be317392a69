"""Draws the packages into docs/architecture.md from the imports: `python tools/architecture.py`; with --check it only compares.

It ends with status 1 where packages import each other in a circle, if for types alone: at the top, and among what `commands` and
`phases` hold. Imports for types (`if TYPE_CHECKING`) load nothing and are not drawn.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = CHECKOUT / "installer"
DOCUMENT = CHECKOUT / "docs" / "architecture.md"
BEGIN, END = "<!-- tools/architecture.py writes from here -->", "<!-- to here -->"
ROOT = "pykubeadm"
SPLIT = (f"{ROOT}.commands", f"{ROOT}.phases")  # drawn by what they hold as well

Arrows = dict[str, set[str]]  # a package or module → those that it imports


def arrows(graph: grimp.ImportGraph, parent: str) -> Arrows:
    """The imports between the children of a package, each with all that it holds."""
    children = {child for child in graph.find_children(parent) if not child.endswith("__main__")}
    inside = {module: child for child in children for module in (child, *graph.find_descendants(child))}
    found: Arrows = {child: set() for child in children}
    for module, child in inside.items():
        imported = {inside.get(name, child) for name in graph.find_modules_directly_imported_by(module)}
        found[child] |= imported - {child}
    return found


def circle(found: Arrows) -> list[str]:
    """The members of a circle, the first one again at the end; nothing where there is none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return [_short(name) for name in error.args[1]]
    return []


def needed(found: Arrows) -> Iterator[tuple[str, str]]:
    """The arrows that do not follow from others: of A → B → C and A → C the last one is left out."""
    reached: Arrows = {}
    for name in TopologicalSorter(found).static_order():  # what is imported comes first
        reached[name] = found[name].union(*(reached[other] for other in found[name]))
    for name in sorted(found):
        for other in sorted(found[name]):
            if not any(other in reached[between] for between in found[name]):
                yield name, other


def drawing(found: Arrows) -> list[str]:
    """In Mermaid's language, which GitHub draws."""
    names = [f'    {_key(name)}["{_short(name)}"]' for name in sorted(found)]
    return ["```mermaid", "flowchart TB", *names, *(f"    {_key(a)} --> {_key(b)}" for a, b in needed(found)), "```"]


def table(found: Arrows) -> list[str]:
    """All imports, also those that are not drawn, with the first sentence of each docstring."""
    rows = [
        f"| `{_short(name)}` | {_sentence(name)} | {', '.join(f'`{_short(other)}`' for other in sorted(found[name]))} |"
        for name in sorted(found)
    ]
    return ["| package | what it is | imports |", "| --- | --- | --- |", *rows]


def written(levels: dict[str, Arrows]) -> str:
    lines = [*drawing(levels[ROOT]), "", *table(levels[ROOT])]
    for parent in SPLIT:
        lines += ["", f"What `{_short(parent)}` holds:", "", *drawing(levels[parent]), "", *table(levels[parent])]
    return "\n".join(lines)


def _short(name: str) -> str:
    return name.removeprefix(f"{ROOT}.")


def _key(name: str) -> str:
    return _short(name).replace(".", "_")


def _sentence(name: str) -> str:
    path = SOURCES / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".").replace("|", "\\|")


def main(check: bool) -> int:
    sys.path.insert(0, str(SOURCES))  # this checkout, not what is installed
    graph = grimp.build_graph(ROOT, exclude_type_checking_imports=True, cache_dir=None)
    levels = {parent: arrows(graph, parent) for parent in (ROOT, *SPLIT)}
    with_types = grimp.build_graph(ROOT, cache_dir=None)
    circles = [found for parent in (ROOT, *SPLIT) if (found := circle(arrows(with_types, parent)))]
    for found in circles:
        print(f"a circle: {' imports '.join(reversed(found))}")
    if circles:
        return 1
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n\n{written(levels)}\n\n{END}{after}"
    if text == DOCUMENT.read_text():
        return 0
    if check:
        print(f"not up to date, run python tools/architecture.py: {DOCUMENT}")
        return 1
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
