"""Reading text: positions, Go's scalars, and text that no configuration is."""

from __future__ import annotations

import pytest

from pykubeadm.config.load import MAX_BYTES, load
from pykubeadm.config.source import Document, Source, render
from tests.unit.config.texts import CLUSTER, problems


def documents(text: str | bytes) -> list[Document]:
    found, wrong = load(Source("x.yaml", text if isinstance(text, bytes) else text.encode()))
    assert wrong == []
    return found


def refusals(text: str | bytes) -> list[str]:
    _found, wrong = load(Source("x.yaml", text if isinstance(text, bytes) else text.encode()))
    return [str(problem) for problem in wrong]


def value(text: str) -> object:
    return documents(f"apiVersion: a/b\nkind: K\nx: {text}\n")[0].data["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("12", 12),
        ("+12", 12),
        ("0x1F", 31),
        ("0b101", 5),
        ("017", 15),
        ("0o17", 15),
        ("08", 8),
        ("1_000", 1000),
        ("18446744073709551615", 18446744073709551615),
        ("6443.0", 6443),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2001-12-14", "2001-12-14"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("!!str 12", "12"),
        ('!!int "12"', 12),
        ("! 12", "12"),
        ("!own text", "text"),
        ("!!binary aGVsbG8=", "hello"),
        ('"\\u00e9"', "é"),
    ],
)
def test_reads_scalars_as_go_does(text: str, expected: object) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_every_value_has_its_position() -> None:
    first, second = documents(
        '# c\napiVersion: a/b\nkind: K\nlist:\n- é: {b: "c"}\n  d:\n---\n{"apiVersion": "a/b",\n "kind": "L"}\n'
    )
    assert first.positions["list", 0, "é"] == (5, 6)
    assert first.positions["list", 0, "é", "b"] == (5, 10)
    assert first.positions["list", 0, "d"] == (6, 3), "an empty value is found at its key"
    assert first.keys["list", 0, "é"] == (5, 3)
    assert second.positions["kind",] == (9, 10)


def test_anchors_aliases_and_merge_keys() -> None:
    data = documents("apiVersion: a/b\nkind: K\na: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  f: 3\n")[0].data
    assert data["d"] == {"b": 1, "c": 2}
    assert data["e"] == {"b": 1, "c": 2, "f": 3}


def test_dashes_at_either_end_make_no_document() -> None:
    assert [found.kind for found in documents(f"---\n# a\n{CLUSTER}---\n")] == ["ClusterConfiguration"]


def test_every_empty_document_is_reported_where_its_dashes_are() -> None:
    found = problems(f"# a\n---\n{CLUSTER}---\n# b\n---\nnull\n")
    assert [text.partition(": ")[0] for text in found] == ["x.yaml:1:1", "x.yaml:6:1", "x.yaml:9:1"]
    assert all("an empty document" in text for text in found)


def test_a_document_in_braces_is_json() -> None:
    text = '{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",\n  "clusterName": "a",\n}\n'
    [found] = problems(text)
    assert found.startswith(
        "x.yaml:2:21: a document that starts with a brace must be JSON, and this is none: illegal trailing comma"
    )


@pytest.mark.parametrize("before", ["", "\ufeff", "---\n", "# a comment\n", "\n", "\r\n", "\ufeff# c\r\n"])
@pytest.mark.parametrize("between", ["---\n", "--- # c\n", "---\r\n", "---\n\ufeff", "---\n---\n", "---\n# c\n\n", "...\n---\n"])
@pytest.mark.parametrize("after", ["", "---", "---\n", "# c", "...\n", "\r\n"])
def test_documents_are_found_and_have_their_places(before: str, between: str, after: str) -> None:
    text = f"{before}{CLUSTER}{between}apiVersion: a/b\nkind: K\nx: y\n{after}"
    lines = text.replace("\ufeff", "").split("\n")
    first, second = documents(text)
    assert [lines.index(line) + 1 for line in ("kind: ClusterConfiguration", "kind: K", "x: y")] == [
        first.keys["kind",][0],
        second.keys["kind",][0],
        second.positions["x",][0],
    ]
    assert second.positions["x",][1] == 4


def test_numbers_in_json_are_what_json_says() -> None:
    text = '{"apiVersion": "a/b", "kind": "K", "a": 6443.0, "b": 1E3, "c": -0, "d": 18446744073709551616, "e": "1e3"}'
    data = documents(text)[0].data
    assert [(name, data[name], type(data[name])) for name in "abcde"] == [
        ("a", 6443.0, float),
        ("b", 1000.0, float),
        ("c", 0, int),
        ("d", 18446744073709551616.0, float),
        ("e", "1e3", str),
    ]


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    assert documents(b"\xef\xbb\xbf" + CLUSTER.replace("\n", "\r\n").encode())[0].data["kubernetesVersion"] == "v1.36.2"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (f"{CLUSTER}\ufeff", "4:1", "byte order mark"),
        (f"\ufeff\ufeff{CLUSTER}", "1:1", "byte order mark"),
        (f"{CLUSTER}---\napiVersion: a/b\n\ufeffkind: K\n", "6:1", "byte order mark"),
        (f"{CLUSTER}...\n{CLUSTER}", "5:1", "ended before this"),
        (f"{CLUSTER}---\n--- # c\n---\n{CLUSTER}", "6:1", "an empty document"),
        (f'{CLUSTER}---\n{{"apiVersion": "a/b",\n"kind": NaN}}\n', "5:1", "it has no NaN"),
        ("", "1:1", "holds no configuration"),
        ("# nothing\n", "1:1", "holds no configuration"),
        ("- a\n", "1:1", "this is a list"),
        ("hello\n", "1:1", "this is a single value"),
        ("kind: K\n", "1:1", "apiVersion: is missing"),
        ("apiVersion: a/b\nkind: 3\n", "2:7", "kind: must be text"),
        (f"{CLUSTER}networking:\n\tpodSubnet: x\n", "5:1", "a tab cannot indent"),
        (f"{CLUSTER}a: [\n", "5:1", "not valid YAML"),
        (f"{CLUSTER}a: b: c\n", "4:5", "not valid YAML"),
        (f"{CLUSTER}a: *x\n", "4:4", "alias *x has no anchor"),
        (f"{CLUSTER}a: &x [*x]\n", "4:8", "inside the value"),
        (f"{CLUSTER}a: 1\nb: 2\na: 3\n", "6:1", "a: is given twice; the first is in line 4"),
        (f"{CLUSTER}l:\n- {{a: 1, a: 2}}\n", "5:10", "l[0].a: is given twice"),
        (f"{CLUSTER}kind: InitConfiguration\n", "4:1", "kind: is given twice; the first is in line 2"),
        (f"{CLUSTER}? [a]\n: b\n", "4:3", "a key must be text"),
        (f"{CLUSTER}a: .inf\n", "4:4", "infinity"),
        (f"{CLUSTER}--- x\n{CLUSTER}", "4:1", "three dashes"),
        (f"{CLUSTER}a: !!int x\n", "4:4", "is not of the type int"),
        (f"{CLUSTER}a: !!binary x\n", "4:4", "not base64"),
        (CLUSTER.encode() + b"a: \xff\n", "4:4", "0xff is not UTF-8"),
        (CLUSTER.encode() + b"a: \x00\n", "4:4", "U+0000"),
        (f'{CLUSTER}a: "x\\e[31m"\n', "4:4", "a: the control character U+001B"),
        (CLUSTER.encode("utf-16"), "1:1", "not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "1:1", "bytes long"),
        ("a: " + "[" * 5000, "1:104", "nested more than 100 deep"),
        ("a:\n" + "".join(" " * depth + "- \n" for depth in range(400)), "102:101", "nested more than 100 deep"),
        ("a:\n" + "".join(" " * depth + "- \n" for depth in range(1400)), "102:101", "nested more than 100 deep"),
        ("{a: " * 5000, "1:402", "nested more than 100 deep"),
        ("- " * 5000, "1:203", "nested more than 100 deep"),
        ("? " * 5000, "1:203", "nested more than 100 deep"),
        ("[" * 1000 + "@", "1:102", "nested more than 100 deep"),
        ("[" * 1001 + '"', "1:102", "nested more than 100 deep"),
        ('["a" "b" ' + "[" * 1200, "1:6", "did not find expected ',' or ']'"),
        (f"{CLUSTER}a: [? ]\n", "4:5", "a key must be text"),
        (f"{CLUSTER}a: [? ]]\n", "4:5", "a key must be text"),
        ('{"a": ' + "1" * 5000 + "}", "1:7", "infinity"),
    ],
)
def test_one_sentence_with_the_place(text: str | bytes, where: str, words: str) -> None:
    found = refusals(text)
    assert found[0].startswith(f"x.yaml:{where}: "), found
    assert words in found[0]
    assert "\n" not in found[0]


def test_forgotten_dashes_are_one_problem_and_not_one_for_every_field_after_them() -> None:
    """kubeadm takes a KubeletConfiguration at the end for all there is."""
    text = f"{CLUSTER}kind: KubeletConfiguration\nmaxPods: 3\napiVersion: kubelet.config.k8s.io/v1beta1\n{CLUSTER}dns: {{}}\n"
    sentence = "another document begins here, with an apiVersion and a kind of its own: put a line of three dashes before it"
    assert problems(text) == [f"x.yaml:4:1: {sentence}", f"x.yaml:7:1: {sentence}"]


def test_a_value_that_cannot_be_does_not_hide_others() -> None:
    assert len(refusals(f"{CLUSTER}a: .inf\nb: 1\nb: 2\nc: .nan\n")) == 3


def test_empty_documents_in_any_number_are_read_in_time() -> None:
    """A file of 300 KB, a tenth of the largest, takes a second. Were the time quadratic, it would be minutes."""
    assert refusals("---\n" * (MAX_BYTES // 40)) == refusals("")


def test_alias_bombs_end_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.config.load.MAX_VALUES", 10_000)
    lists = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    merges = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))
    for bomb in (lists, merges):
        assert any("values" in line for line in refusals(f"apiVersion: a/b\nkind: K\n{bomb}"))


def test_a_broken_document_does_not_hide_the_others() -> None:
    found = problems(f"{CLUSTER}a: [\n---\n{CLUSTER.replace('v1.36.2', 'v1.2.3')}")
    assert [line.split(": ")[0] for line in found] == ["x.yaml:5:1", "x.yaml:8:20"]


def test_paths_read_well() -> None:
    assert render(("apiServer", "extraArgs", 0, "name")) == "apiServer.extraArgs[0].name"
    assert render(("evictionHard", "memory.available")) == 'evictionHard["memory.available"]'
