"""What is said of a template that is wrong, where; and what is taken or refused otherwise than kubeadm has it."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.errors import UsageError
from pykubeadm.output.forms import form

DOCUMENT: dict[str, Any] = {
    "kind": "List",
    "days": 30,
    "share": 0.5,
    "items": [{"name": "a", "size": 1}, {"name": "b", "size": 2.5}],
    "nothing": None,
}


def printed(output: str, *, allow_missing: bool = True, file: bytes = b"") -> str:
    return form(output, allow_missing=allow_missing, read=lambda _path: file).printed([DOCUMENT])


def refusal(output: str, **given: Any) -> str:
    with pytest.raises(UsageError) as error:
        printed(output, **given)
    return str(error.value)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("jsonpath={.kind", '-o jsonpath:1:1: this action has no "}" on its line'),
        ("jsonpath=a\nb {.kind !}", '-o jsonpath:2:10: "!" cannot stand here'),
        ("jsonpath={.items[x]}", '-o jsonpath:1:9: "x" is not an index: 0, -1, 1:3 and * are, and keys in single quotes'),
        ("jsonpath={.items[?(@.name=~'a')]}", '-o jsonpath:1:17: "=" is not a comparison; there are ==, !=, <, <=, >, >='),
        ("jsonpath={kind}", '-o jsonpath:1:2: "kind" is not a word of JSONPath: a field begins with a point, a text is quoted'),
        ("jsonpath={range .items[*]}{.name}", '-o jsonpath:1:2: this range has no "{end}"'),
        ("jsonpath={end}", '-o jsonpath:1:2: "end" ends no range'),
        ("jsonpath={.items[7].name}", "-o jsonpath:1:9: the index 7 is outside of a list of 2"),
        ("jsonpath={.kind[0]}", "-o jsonpath:1:8: a text has no indexes, only a list"),
        ("jsonpath={.items[?(@.name>1)]}", "-o jsonpath:1:8: a text cannot be compared with a number"),
        ("go-template={{.kind", '-o go-template:1:1: this action has no "}}"'),
        ("go-template=a\n {{.kind}} {{if .kind}}", '-o go-template:2:14: this "if" has no "{{end}}"'),
        ("go-template={{.kind.x}}", '-o go-template:1:3: a text has no field "x"'),
        ("go-template={{nope .kind}}", '-o go-template:1:3: there is no function "nope"; there are and, base64decode,'),
        ('go-template={{define "x"}}{{end}}', "-o go-template:1:3: templates within templates (define) are not supported"),
        ("go-template={{html .kind}}", '-o go-template:1:3: the function "html" is not supported'),
        ("go-template={{'a'}}", "-o go-template:1:3: character constants are not supported"),
        ('go-template={{printf "%d" .kind}}', '-o go-template:1:3: "%d" does not fit a text'),
        ('go-template={{printf "%s" .days}}', '-o go-template:1:3: "%s" does not fit 30'),
        ('go-template={{printf "%s %s" .kind}}', '-o go-template:1:3: there is no value for "%s"'),
        ('go-template={{printf "%s" .kind 1}}', "-o go-template:1:3: there are 2 values, and verbs for 1"),
        ('go-template={{printf "%U" .days}}', '-o go-template:1:3: printf\'s "%U" is not supported'),
        ("go-template={{len .kind 1}}", "-o go-template:1:3: len takes 1 arguments, not 2"),
        ("go-template={{1 | .kind}}", "-o go-template:1:7: only a function takes arguments"),
        ("go-template={{if lt .items 1}}{{end}}", "-o go-template:1:6: a list and a number have no order"),
        ("jsonpath", "-o jsonpath takes a template: -o jsonpath=TEMPLATE"),
        ("go-template-file=", "-o go-template-file takes a template: -o go-template-file=FILE"),
    ],
)
def test_a_wrong_template_is_named_with_its_place(output: str, sentence: str) -> None:
    assert refusal(output).startswith(sentence)


def test_the_place_in_a_file_has_its_name() -> None:
    assert refusal("jsonpath-file=/root/t", file=b"a\n{(}") == '/root/t:2:2: "(" cannot stand here'
    assert refusal("templatefile=/root/t", file=b"\xff") == "/root/t: the template is not UTF-8 text"


def test_what_is_missing_is_named_on_request() -> None:
    assert printed("jsonpath={.nope}") == ""
    assert printed("go-template={{.nope}}") == "<no value>"
    assert refusal("jsonpath={.nope}", allow_missing=False) == '-o jsonpath:1:3: there is no field "nope"'
    assert refusal("go-template={{.nope}}", allow_missing=False) == '-o go-template:1:3: there is no field "nope"'


def test_whole_numbers_are_compared_with_others() -> None:
    """kubeadm refuses these for the types that its numbers happen to have."""
    assert printed("jsonpath={.items[?(@.size==1)].name}") == "a"
    assert printed("go-template={{if and (lt .days 30.5) (gt .share 0)}}yes{{end}}") == "yes"


def test_nesting_has_an_end() -> None:
    assert "nested more than" in refusal("go-template={{" + "(" * 200 + "1" + ")" * 200 + "}}")
    assert "nested more than" in refusal("go-template=" + "{{if .kind}}" * 200 + "{{end}}" * 200)
    assert "nested more than" in refusal("go-template={{if .kind}}" + "{{else if .kind}}" * 200 + "{{end}}")
    assert "nested more than" in refusal("jsonpath=" + "{range .items[*]}" * 200 + "{end}" * 200)


def test_length_has_none() -> None:
    assert printed("jsonpath={" + ".kind" * 5000 + "}") == ""
    assert printed("go-template={{.kind" + " | print" * 5000 + "}}") == "List"
    assert printed("go-template={{" + ".nope" + ".x" * 5000 + "}}") == "<no value>"


def test_several_documents_are_parted_as_kubeadm_parts_them() -> None:
    both = [{"kind": "A"}, {"kind": "B"}]

    def of(output: str) -> str:
        return form(output, allow_missing=True, read=str.encode).printed(both)

    assert of("yaml") == "kind: A\n---\nkind: B\n"
    assert of("kyaml") == '---\n{\n  kind: "A",\n}\n---\n{\n  kind: "B",\n}\n'
    assert of("json") == '{\n    "kind": "A"\n}\n{\n    "kind": "B"\n}\n'
    assert of("jsonpath={.kind}") == of("go-template={{.kind}}") == "AB"
    assert form("yaml", allow_missing=True, read=str.encode).printed([]) == ""
