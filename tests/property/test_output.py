"""Whatever a template holds, it is printed or refused by our sentence; and what is printed reads back as the document."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pykubeadm.errors import UsageError
from pykubeadm.output.forms import form

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda held: st.lists(held, max_size=4) | st.dictionaries(TEXT, held, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(TEXT | st.sampled_from(["a", "b", "items"]), VALUES, max_size=5)
DOCUMENT = {"a": 1, "b": [1.5, "x", None, True, {"c": {"a": "b"}}], "items": [{"a": "x", "n": 1}, {"a": "y", "n": 2}], "e": []}
PARTS_OF_JSONPATH = """
    { } [ ] ( ) [?( )] @ $ . .. * , : - ' " \\ é 1 -1 1.5 == < != true end range {end} .items .a .b [0] [*] .*
    """
PARTS_OF_GO_TEMPLATES = """
    {{ }} ( ) | , . .a .b .items $ $x := = " ` ' \\ /* */ if else end range with break continue define nil true 1 -1 1.5 é
    len index slice eq lt and or not print printf exists base64decode {{end}} {{else}} "%v" "%-9s" "%q" "%5.1f" "x"
    """
JSONPATH = st.lists(st.sampled_from([*PARTS_OF_JSONPATH.split(), " ", "\n", "range ", "{range .items[*]}"]), max_size=14).map(
    "".join
)
CONTROLS = ["{{- ", " -}}", " ", "\n", "{{if .a}}", "{{range $x, $y := .b}}", "{{else if .e}}"]
GO_TEMPLATE = st.lists(st.sampled_from([*PARTS_OF_GO_TEMPLATES.split(), *CONTROLS]) | st.just(" "), max_size=16).map("".join)


def outcome(output: str, document: Any, *, allow_missing: bool = True) -> str:
    """What is printed, or the sentence."""
    try:
        return form(output, allow_missing=allow_missing, read=str.encode).printed([document])
    except UsageError as error:
        return one_line(str(error))


def one_line(sentence: str) -> str:
    assert "\n" not in sentence
    return sentence


@given(template=JSONPATH, allow_missing=st.booleans(), name=st.sampled_from(["jsonpath", "jsonpath-as-json", "jsonpath-file"]))
@example(template="{" + "[?(" * 300, allow_missing=True, name="jsonpath")
@example(template="{..}" * 50, allow_missing=True, name="jsonpath")
def test_any_jsonpath_is_printed_or_refused(template: str, allow_missing: bool, name: str) -> None:
    outcome(f"{name}={template}", DOCUMENT, allow_missing=allow_missing)
    outcome(f"{name}={{{template}}}", DOCUMENT, allow_missing=allow_missing)


@given(template=GO_TEMPLATE, allow_missing=st.booleans())
@example(template="{{" + "(" * 3000, allow_missing=True)
@example(template="{{printf `%99999999999999999999d` 1}}", allow_missing=True)
@example(template="{{slice `é` 1}}{{printf `%s` (slice `é` 0 1)}}", allow_missing=True)
def test_any_go_template_is_printed_or_refused(template: str, allow_missing: bool) -> None:
    outcome(f"go-template={template}", DOCUMENT, allow_missing=allow_missing)
    outcome(f"go-template={{{{{template}}}}}", DOCUMENT, allow_missing=allow_missing)


@given(TEXT, DOCUMENTS)
def test_any_text_is_printed_or_refused(template: str, document: dict[str, Any]) -> None:
    outcome(f"jsonpath={template}", document)
    outcome(f"go-template={template}", document)


@given(DOCUMENTS)
def test_every_value_can_be_printed(document: dict[str, Any]) -> None:
    assert printed("jsonpath={@}{.*}{..a}", document).startswith("{")
    shown = printed("go-template={{.}}{{range .}}{{.}}{{print .}}{{printf `%v` .}}{{end}}", document)
    assert shown.startswith("map[")
    assert len(shown) >= len(printed("go-template={{.}}", document))


def printed(name: str, document: dict[str, Any]) -> str:
    return form(name, allow_missing=True, read=str.encode).printed([document])


@given(DOCUMENTS)
def test_json_reads_back(document: dict[str, Any]) -> None:
    wanted = json.loads(json.dumps(document), parse_int=float)
    assert json.loads(printed("json", document), parse_int=float) == wanted
    assert json.loads(printed("jsonpath-as-json={@}", document), parse_int=float) == [wanted]


@given(st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT | st.lists(TEXT), max_size=5))
@example({"y": "1_0", "a": "b\n c\n\n\td", "1e5": "no", "2001-01-01": "é\u2028", "12:30": "\x00\x85\xa0"})
def test_kyaml_reads_back(document: dict[str, Any]) -> None:
    assert yaml.load(printed("kyaml", document), yaml.SafeLoader) == document
