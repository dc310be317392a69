"""The Corefile as Caddy reads it."""

from __future__ import annotations

import pytest

from pykubeadm.addons.coredns import corefile
from pykubeadm.addons.corefile import (
    CorefileError,
    Directive,
    Server,
    parse_corefile,
    removed_in,
    same_meaning,
    unknown_plugins,
)
from tests.support.init_runs import configuration

DEFAULT = corefile(configuration().cluster)


def test_reads_the_one_that_a_new_cluster_gets() -> None:
    (server,) = parse_corefile(DEFAULT)
    assert server.keys == (".:53",)
    assert [plugin.name for plugin in server.plugins] == (
        ["errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload", "loadbalance"]
    )
    kubernetes = server.plugins[3]
    assert kubernetes.arguments == ("cluster.local", "in-addr.arpa", "ip6.arpa")
    assert kubernetes.block == (
        Directive("pods", ("insecure",)),
        Directive("fallthrough", ("in-addr.arpa", "ip6.arpa")),
        Directive("ttl", ("30",)),
    )
    assert unknown_plugins((server,)) == ()
    assert list(removed_in((server,))) == []


def test_reads_quotes_comments_and_several_servers() -> None:
    text = '# top\na.org, b.org:53 { # here\n  template IN A "x y" {\n    answer "{{ .Name }} \\"60\\" \\d"\n  }\n}\n.:53 {\n}\n'
    assert parse_corefile(text) == (
        Server(
            ("a.org", "b.org:53"),
            (Directive("template", ("IN", "A", "x y"), (Directive("answer", ('{{ .Name }} "60" \\d',)),)),),
        ),
        Server((".:53",), ()),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (".:53 {\n  errors\n", "line 1: the brace that opens here is never closed"),
        (".:53 {\n}\n}\n", "line 3: a closing brace without an opening one"),
        (".:53\n", 'line 1: ".:53" has no block in braces'),
        ("{\n}\n", "line 1: a block without a name before its brace"),
        (".:53 {\n  {\n  }\n}\n", "line 2: a block without a name before its brace"),
        ('.:53 {\n  hosts "x\n}\n', "line 2: the quote that begins here has no end"),
    ],
)
def test_names_the_line_where_it_is_none(text: str, sentence: str) -> None:
    with pytest.raises(CorefileError) as raised:
        parse_corefile(text)
    assert str(raised.value) == sentence


def test_order_layout_and_comments_mean_nothing() -> None:
    assert same_meaning(".:53 {\n  errors\n  cache 30 {\n  }\n}\n", ".:53 {\n cache 30\n\n # mine\n errors }")
    assert same_meaning("a {\n}\nb {\n}\n", "b {\n}\na {\n}\n")


def test_the_order_of_rules_means_something() -> None:
    assert not same_meaning(".:53 {\n rewrite name a b\n rewrite name b c\n}", ".:53 {\n rewrite name b c\n rewrite name a b\n}")


def test_a_forwarder_of_ones_own_means_something() -> None:
    assert not same_meaning(DEFAULT, DEFAULT.replace("/etc/resolv.conf", "192.0.2.53"))


def test_a_broken_one_is_the_same_only_to_the_letter() -> None:
    assert same_meaning("{", "{")
    assert not same_meaning("{", "{ ")


def test_finds_what_coredns_no_longer_starts_with() -> None:
    text = ".:53 {\n proxy . 192.0.2.1\n kubernetes a {\n  upstream\n }\n forward . 192.0.2.1 {\n  fail_fast\n }\n}\n"
    assert list(removed_in(parse_corefile(text))) == [
        "the plugin proxy is gone from CoreDNS: write forward in its place",
        "the option upstream of the plugin kubernetes is gone from CoreDNS: remove it",
        "the option fail_fast of the plugin forward is gone from CoreDNS: write failfast_all_unhealthy_upstreams in its place",
    ]


def test_names_plugins_that_coredns_does_not_come_with() -> None:
    assert unknown_plugins(parse_corefile(".:53 {\n unbound\n errors\n alternate\n}\n")) == ("alternate", "unbound")
