"""The page of `doctor -o html` in a real browser: it shows what was found, as it was found, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pykubeadm.commands.doctor.check import Examined, note, problem, unknown, warning
from pykubeadm.commands.doctor.command import Diagnosis
from pykubeadm.commands.doctor.report import html
from tests.support.browser import Page, browser

# What errors quote is anybody's: markup, scripts, pictures of elsewhere, and words that have no end.
HOSTILE = (
    "<script>window.taken = 1; console.error('taken')</script><img src=http://192.0.2.7/x onerror='window.taken = 2'>"
    "\"' & </td></table></style><link rel=stylesheet href=//192.0.2.7/y>"
)
LONG = "https://" + "very-long-name-of-a-registry." * 20 + "example.org/image:v1"
FOUND = Diagnosis(
    at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    node="cp1",
    server="https://10.0.0.1:6443",
    examined=(
        Examined("node/disk", "on a full disk etcd stops", ()),
        Examined("node/images", "without its image a pod does not start", (warning(LONG, f"crictl pull {LONG}"),)),
        Examined("cluster/dns", "pods find Services by their names", (problem(HOSTILE, f"echo {HOSTILE}"), note("and why"))),
        Examined("cluster/etcd", "etcd keeps the whole state", (unknown("this could not be checked: ✗ né"),)),
    ),
)
ROWS = """[...document.querySelectorAll("tbody tr")].map(row => [...row.cells].map(cell => cell.innerText.trim()))"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    place = tmp_path_factory.mktemp("page")
    (place / "doctor.html").write_text(html(FOUND))
    with browser(place / "profile") as started:
        yield started.open((place / "doctor.html").as_uri())


def test_it_shows_what_was_found_the_worst_first(page: Page) -> None:
    assert page.value("document.title") == "pykubeadm doctor: cp1 and https://10.0.0.1:6443"
    assert page.value("document.querySelector('p').innerText") == "2026-05-01 12:30:00 UTC: 1 problem(s), 1 warning(s), 4 checks."
    rows = page.value(ROWS)
    assert [row[:2] for row in rows] == [
        ["problem", "cluster/dns"],
        ["note", "cluster/dns"],
        ["warning", "node/images"],
        ["unknown", "cluster/etcd"],
        ["fine", "node/disk"],
    ]
    assert rows[0][2].split("\n") == [HOSTILE, "pods find Services by their names", f"echo {HOSTILE}"]
    assert rows[3][2].split("\n")[0] == "this could not be checked: ✗ né"


def test_what_it_quotes_is_text_and_nothing_else(page: Page) -> None:
    assert page.value("window.taken") is None
    assert page.value("document.querySelectorAll('script, img, link, iframe, object').length") == 0
    assert page.value("document.querySelectorAll('table').length") == 1


def test_it_asks_for_nothing_but_itself_and_the_console_is_empty(page: Page) -> None:
    assert page.requests == [page.value("location.href")]
    assert page.complaints == []


def test_its_own_style_is_applied(page: Page) -> None:
    colours = {
        level: page.value(f"getComputedStyle(document.querySelector('td.{level}')).color")
        for level in ("problem", "warning", "unknown", "fine")
    }
    assert len(set(colours.values())) == len(colours)
    assert page.value("getComputedStyle(document.querySelector('code')).backgroundColor") == "rgb(240, 242, 244)"


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_screens_and_phones(page: Page, width: int) -> None:
    page.resize(width, 800)
    assert page.value("innerWidth") == width
    assert page.value("document.documentElement.scrollWidth") <= width
