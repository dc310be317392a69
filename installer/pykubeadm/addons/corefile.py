"""CoreDNS' Corefile, read as Caddy reads it (coredns/caddy: caddyfile/lexer.go, parse.go), to compare two of them by what they
mean, and to find what CoreDNS would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pykubeadm.util.dataclass import dataclass

# `coredns -plugins` of 1.13.1 as its project builds it, with what Caddy itself knows.
_BUILT_IN: Final = """
acl any auto autopath azure bind bufsize cache cancel chaos clouddns debug dns64 dnssec dnstap erratic errors etcd file forward
geoip grpc grpc_server header health hosts https https3 import k8s_external kubernetes loadbalance local log loop metadata
minimal multisocket nomad nsid on pprof prometheus quic ready reload rewrite root route53 secondary sign template timeouts tls
trace transfer tsig view whoami
"""
PLUGINS: Final = frozenset(_BUILT_IN.split())
# What ends CoreDNS when it stands in the Corefile, plugin or (plugin, option), with what takes its place
# (coredns/corefile-migration: "removed"; plugin/forward/setup.go). All were removed before Kubernetes 1.34's CoreDNS.
_REMOVED_PLUGINS: Final = {"proxy": "write forward in its place", "federation": "remove it"}
_REMOVED_OPTIONS: Final = {
    ("kubernetes", "upstream"): "remove it",
    ("kubernetes", "resyncperiod"): "remove it",
    ("kubernetes", "transfer"): "write the plugin transfer in its place",
    ("forward", "fail_fast"): "write failfast_all_unhealthy_upstreams in its place",
}


class CorefileError(ValueError):
    """The text is no Corefile; the sentence names the line."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A word with its arguments, and what stands in its braces: a plugin with its options. `block` is None without braces."""

    name: str
    arguments: tuple[str, ...] = ()
    block: tuple[Directive, ...] | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server block: its keys (".:53", "(snippet)") and its plugins."""

    keys: tuple[str, ...]
    plugins: tuple[Directive, ...]


class _Token(NamedTuple):
    text: str
    line: int
    quoted: bool

    def opens(self) -> bool:
        return self.text == "{" and not self.quoted

    def closes(self) -> bool:
        return self.text == "}" and not self.quoted


def parse_corefile(text: str) -> tuple[Server, ...]:
    """The server blocks in their order. CorefileError where braces or quotes do not match."""
    tokens = list(_tokens(text))
    servers: list[Server] = []
    at = 0
    while at < len(tokens):
        keys, at = _keys(tokens, at)
        plugins, at = _block(tokens, at)
        servers.append(Server(keys, plugins))
    return tuple(servers)


def same_meaning(left: str, right: str) -> bool:
    """Whether two Corefiles say the same. The order of server blocks means nothing, nor does that of plugins, which run in the
    order that CoreDNS was built with; only what stands several times in a block (rewrite, say) counts in its order. Texts that
    are no Corefiles have to be equal."""
    try:
        return _unordered(parse_corefile(left)) == _unordered(parse_corefile(right))
    except CorefileError:
        return left == right


def removed_in(servers: Sequence[Server]) -> Iterator[str]:
    """A sentence for everything that today's CoreDNS does not start with."""
    for plugin in _plugins(servers):
        if plugin.name in _REMOVED_PLUGINS:
            yield f"the plugin {plugin.name} is gone from CoreDNS: {_REMOVED_PLUGINS[plugin.name]}"
        for option in plugin.block or ():
            if remedy := _REMOVED_OPTIONS.get((plugin.name, option.name)):
                yield f"the option {option.name} of the plugin {plugin.name} is gone from CoreDNS: {remedy}"


def unknown_plugins(servers: Sequence[Server]) -> tuple[str, ...]:
    """Plugins that CoreDNS' own build does not have, sorted."""
    return tuple(sorted({plugin.name for plugin in _plugins(servers)} - PLUGINS))


def _plugins(servers: Sequence[Server]) -> Iterator[Directive]:
    for server in servers:
        yield from server.plugins


def _unordered(servers: Sequence[Server]) -> list[Server]:
    return sorted((Server(server.keys, _by_name(server.plugins)) for server in servers), key=lambda server: server.keys)


def _by_name(directives: Sequence[Directive]) -> tuple[Directive, ...]:
    """An empty block says no more than none."""
    named = [Directive(each.name, each.arguments, _by_name(each.block or ())) for each in directives]
    return tuple(sorted(named, key=lambda directive: directive.name))


def _tokens(text: str) -> Iterator[_Token]:
    """Words between blanks. One that starts with a quote goes on to the next, a `#` makes the rest of its line a comment."""
    text = text.removeprefix("\ufeff")
    at, line, size = 0, 1, len(text)
    while at < size:
        char = text[at]
        if char.isspace():
            line += char == "\n"
            at += 1
        elif char == "#":
            at = _until(text, at, "\n")
        elif char == '"':
            word, end = _quoted(text, at + 1, line)
            yield _Token(word, line, quoted=True)
            line += text.count("\n", at, end)
            at = end
        else:
            end = next((index for index in range(at, size) if text[index].isspace() or text[index] == "#"), size)
            yield _Token(text[at:end], line, quoted=False)
            at = end


def _until(text: str, start: int, mark: str) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found


def _quoted(text: str, at: int, line: int) -> tuple[str, int]:
    """The word and the index behind its closing quote. A backslash escapes a quote, and is itself before anything else."""
    word = ""
    while at < len(text):
        char = text[at]
        if char == '"':
            return word, at + 1
        if char == "\\" and at + 1 < len(text):
            following = text[at + 1]
            word += following if following == '"' else f"\\{following}"
            at += 2
        else:
            word += char
            at += 1
    raise CorefileError(f"line {line}: the quote that begins here has no end")


def _keys(tokens: Sequence[_Token], at: int) -> tuple[tuple[str, ...], int]:
    """The words before a server's brace; commas may part them."""
    start = tokens[at]
    keys: list[str] = []
    while at < len(tokens) and not tokens[at].opens():
        if tokens[at].closes():
            raise CorefileError(f"line {tokens[at].line}: a closing brace without an opening one")
        keys.extend(filter(None, tokens[at].text.split(",")))
        at += 1
    if at == len(tokens):
        raise CorefileError(f'line {start.line}: "{start.text}" has no block in braces')
    if not keys:
        raise CorefileError(f"line {tokens[at].line}: a block without a name before its brace")
    return tuple(keys), at


def _block(tokens: Sequence[_Token], at: int) -> tuple[tuple[Directive, ...], int]:
    """What stands in the braces that open at `at`, and the index behind them."""
    opening = tokens[at]
    at += 1
    found: list[Directive] = []
    while at < len(tokens):
        if tokens[at].closes():
            return tuple(found), at + 1
        if tokens[at].opens():
            raise CorefileError(f"line {tokens[at].line}: a block without a name before its brace")
        directive, at = _directive(tokens, at)
        found.append(directive)
    raise CorefileError(f"line {opening.line}: the brace that opens here is never closed")


def _directive(tokens: Sequence[_Token], at: int) -> tuple[Directive, int]:
    """A word with the rest of its line, and its block where the line ends with a brace."""
    name = tokens[at]
    arguments: list[str] = []
    at += 1
    line = name.line + name.text.count("\n")
    while at < len(tokens) and tokens[at].line == line and not tokens[at].closes():
        if tokens[at].opens():
            block, at = _block(tokens, at)
            return Directive(name.text, tuple(arguments), block), at
        arguments.append(tokens[at].text)
        line += tokens[at].text.count("\n")
        at += 1
    return Directive(name.text, tuple(arguments)), at
