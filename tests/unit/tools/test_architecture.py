"""The drawing of the packages: which arrows it has, and what it says of a circle."""

from __future__ import annotations

import grimp
import pytest

from tools.architecture import arrows, circle, drawing, needed


@pytest.fixture
def graph() -> grimp.ImportGraph:
    found = grimp.ImportGraph()
    for module in ("p", "p.cli", "p.work", "p.work.one", "p.work.two", "p.low"):
        found.add_module(module)
    found.add_import(importer="p.cli", imported="p.work.one")
    found.add_import(importer="p.cli", imported="p.low")
    found.add_import(importer="p.work.one", imported="p.work.two")
    found.add_import(importer="p.work.two", imported="p.low")
    return found


def test_an_import_of_what_a_package_holds_is_one_of_the_package(graph: grimp.ImportGraph) -> None:
    assert arrows(graph, "p") == {"p.cli": {"p.work", "p.low"}, "p.work": {"p.low"}, "p.low": set()}


def test_arrows_that_follow_from_others_are_not_drawn(graph: grimp.ImportGraph) -> None:
    assert list(needed(arrows(graph, "p"))) == [("p.cli", "p.work"), ("p.work", "p.low")]
    assert "    p_work --> p_low" in drawing(arrows(graph, "p"))


def test_a_circle_is_named_by_its_members(graph: grimp.ImportGraph) -> None:
    assert circle(arrows(graph, "p")) == []
    graph.add_import(importer="p.low", imported="p.work.two")
    assert set(circle(arrows(graph, "p"))) == {"p.work", "p.low"}
