"""What a kubeconfig says, as client-go reads it, and what is said of one that cannot be read or used."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.config.section import DocumentError
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.kubeconfig.read import has_credentials, read_kubeconfig, usable_kubeconfig
from pykubeadm.util.yaml_output import to_yaml

CA = base64.b64encode(b"CA").decode()
CLUSTER = {"server": "https://api:6443", "certificate-authority-data": CA}
GOOD = to_yaml(for_cluster("c", CLUSTER, "u", {"token": "t"})).encode()


def of(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> bytes:
    return to_yaml(
        for_cluster("c", CLUSTER if cluster is None else cluster, "u", {"token": "t"} if user is None else user)
    ).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(DocumentError) as error:
        usable_kubeconfig(content)
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (b"", "is empty"),
        (b"\n# only this\n", "is empty"),
        (b"a: [", "cannot be read (line 1, column "),
        (b"a: \x00", "cannot be read (line 1, column 4): the control character U+0000"),
        (b"a: \xff", "cannot be read (line 1, column 4): the byte 0xff is not UTF-8 text"),
        (b"x", "holds text in place of a mapping"),
        (b"- a", "holds a list in place of a mapping"),
        (b"a: 1\na: 2", "cannot be read (line 2, column 1): a is given twice"),
        (b"kind: Pod", "is not a kubeconfig"),
        (b"{apiVersion: v2, kind: Config}", "is not a kubeconfig"),
        (b"kind: [x]", "has a list for kind where text must be (line 1)"),
        (b"kind: Config", "has no current-context"),
        (b"clusters: [{name: c, cluster: {server: 'https://a'}}]", "has no current-context"),
        (b"kind: Config\ncurrent-context: here", 'has no context "here", which its current-context names (line 2)'),
        (b"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x", 'has no cluster "c"'),
        (
            b"contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\nclusters: [{name: c}]",
            'has no user "u", which its current context names (line 1)',
        ),
        (b"clusters: 5", "has a whole number for clusters where a list must be (line 1)"),
        (b"clusters:\n- 5", "has a whole number for clusters[0] where a mapping must be (line 2)"),
        (b"clusters:\n-\n", "has nothing for clusters[0] where a mapping must be (line 2)"),
        (b"clusters:\n- cluster: x\n", "has text for clusters[0].cluster where a mapping must be (line 2)"),
        (b"clusters: [{cluster: {server: 1.5}}]", "has a number for clusters[0].cluster.server where text must be"),
        (b"clusters: [{cluster: {server: true}}]", "has true or false for clusters[0].cluster.server where text must be"),
        (b"clusters: [{cluster: {insecure-skip-tls-verify: 'no'}}]", "where true or false must be"),
        (b"clusters: [{cluster: {server: a}}, {cluster: {server: b}}]", 'has the cluster "" twice'),
        (of({**CLUSTER, "certificate-authority-data": "*"}), "has certificate-authority-data that is not base64 (line 4)"),
        (of({**CLUSTER, "certificate-authority-data": "QQ"}), "has certificate-authority-data that is not base64"),
        (of(user={"client-key-data": "Q Q="}), "has client-key-data that is not base64"),
        (of({"certificate-authority-data": CA}), "names no server"),
        (of({**CLUSTER, "certificate-authority": "ca.crt"}), "has both certificate-authority and certificate-authority-data"),
        (of({**CLUSTER, "insecure-skip-tls-verify": True}), "which exclude each other"),
        (of(user={"client-certificate-data": CA}), "has a client certificate without its key (client-key or client-key-data)"),
        (of(user={"client-certificate": "tls.crt"}), "has a client certificate without its key"),
        (of(user={"client-certificate": "a", "client-certificate-data": CA, "client-key": "b"}), "has both client-certificate"),
        (of(user={"client-certificate": "a", "client-key": "b", "client-key-data": CA}), "has both client-key"),
        (of(user={"token": "t", "username": "me"}), "has a token and a user name with a password"),
        (of(user={"token": "t", "as": "root", "as-groups": ["x"]}), "sets as and as-groups, which pykubeadm does not support"),
        (of(user={"auth-provider": {"name": "gcp"}}), "sets auth-provider, which pykubeadm does not support"),
        (GOOD.replace(b"    user: u\n", b""), 'names no user for its context "u@c"'),
    ],
)
def test_what_cannot_be_used_is_reported_with_its_place(content: bytes, end: str) -> None:
    assert end in refusal(content)


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("https://api:6443", "https://api:6443"),
        ("HTTPS://Api:6443/prefix", "https://Api:6443/prefix"),
        ("Http://api", "http://api"),
        ("api:6443", "api:6443"),  # client-go asks in plain text there, which no API server answers
        ("https://[fd00::1", "https://[fd00::1"),
    ],
)
def test_the_scheme_of_a_server_may_be_in_capitals(server: str, url: str) -> None:
    assert usable_kubeconfig(of({**CLUSTER, "server": server})).url == url


def test_base64_may_have_line_ends_as_in_a_block() -> None:
    content = GOOD.replace(CA.encode(), b"|\n      " + CA[:2].encode() + b"\n      " + CA[2:].encode())
    assert read_kubeconfig(content).ca == b"CA"


def test_the_first_document_counts_and_json_is_yaml() -> None:
    assert read_kubeconfig(GOOD + b"---\nkind: Other\n").server == "https://api:6443"
    assert read_kubeconfig(b'{"clusters": [{"cluster": {"server": "https://a"}}]}').server == "https://a"


def test_entries_are_parts_of_the_document() -> None:
    found = read_kubeconfig(GOOD)
    found.user["token"] = "other"
    assert read_kubeconfig(to_yaml(found.document).encode()).user == {"token": "other"}


@pytest.mark.parametrize(
    ("user", "known"),
    [
        ({}, False),
        ({"token": "t"}, True),
        ({"tokenFile": "t"}, True),
        ({"username": "me"}, False),
        ({"username": "me", "password": "x"}, True),
        ({"client-key-data": CA}, False),
        ({"client-certificate-data": CA, "client-key": "f"}, True),
        ({"exec": {"command": "x"}}, True),
    ],
)
def test_who_comes_is_known_by_a_token_a_password_a_pair_or_a_program(user: dict[str, Any], known: bool) -> None:
    assert has_credentials(user) is known


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    """Such as a character that turns the direction of what follows."""
    with pytest.raises(DocumentError) as refused:
        usable_kubeconfig(GOOD.replace(b"current-context:", b"current-context: \xe2\x80\xae"))
    assert str(refused.value).startswith('has no context "\\u202e')


@given(st.integers(0, len(GOOD)), st.binary(max_size=6), st.integers(0, 12))
def test_damage_ends_in_a_kubeconfig_or_a_sentence(at: int, inserted: bytes, cut: int) -> None:
    damaged = GOOD[:at] + inserted + GOOD[at + cut :]
    try:
        usable_kubeconfig(damaged)
    except DocumentError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.data(), _VALUES)
def test_any_value_anywhere_ends_in_a_kubeconfig_or_a_sentence(data: st.DataObject, value: Any) -> None:
    document: Any = for_cluster("c", CLUSTER, "u", {"token": "t", "client-key-data": CA})
    places = _places(document)
    *way, last = data.draw(st.sampled_from(places))
    inner = document
    for part in way:
        inner = inner[part]
    inner[last] = value
    try:
        usable_kubeconfig(to_yaml(document).encode())
    except DocumentError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [place for key, value in entries for place in ((*path, key), *_places(value, (*path, key)))]
