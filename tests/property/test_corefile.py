"""Any Corefile that can be written is read back as what was written, and any text at all is read or refused with a sentence."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.addons.corefile import CorefileError, Directive, Server, parse_corefile, same_meaning

_PLAIN = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters=".:/-_()"), min_size=1, max_size=12)
# What has to stand in quotes; a backslash before a quote or at the end of a word cannot be written.
_QUOTED = st.text(st.characters(codec="ascii", categories=("L", "N", "Zs"), include_characters='"{}#'), min_size=1, max_size=12)
_OPTION = st.builds(Directive, _PLAIN, st.lists(_PLAIN | _QUOTED, max_size=3).map(tuple))
_OPTIONS = st.lists(_OPTION, max_size=3, unique_by=lambda option: option.name).map(tuple)
_PLUGIN = st.builds(
    Directive,
    _PLAIN,
    st.lists(_PLAIN | _QUOTED, max_size=3).map(tuple),
    st.none() | _OPTIONS,
)
_PLUGINS = st.lists(_PLUGIN, max_size=4, unique_by=lambda plugin: plugin.name).map(tuple)
_KEYS = st.lists(_PLAIN, min_size=1, max_size=3).map(tuple)
_SERVERS = st.lists(st.builds(Server, _KEYS, _PLUGINS), max_size=3, unique_by=lambda server: server.keys).map(tuple)


def _word(text: str) -> str:
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"' if not text.isascii() or set(text) & set(' "{}#') or not text.strip() else text


def _written(directive: Directive, indent: int = 1) -> str:
    line = "  " * indent + " ".join(map(_word, (directive.name, *directive.arguments)))
    if directive.block is None:
        return f"{line}\n"
    inner = "".join(_written(option, indent + 1) for option in directive.block)
    return f"{line} {{ # a comment\n{inner}{'  ' * indent}}}\n"


def _text(servers: tuple[Server, ...]) -> str:
    return "".join(f"{' '.join(server.keys)} {{\n{''.join(map(_written, server.plugins))}}}\n\n" for server in servers)


@given(_SERVERS)
def test_what_was_written_is_read_back(servers: tuple[Server, ...]) -> None:
    assert parse_corefile(_text(servers)) == servers


@given(_SERVERS, st.randoms(use_true_random=False))
def test_the_order_means_nothing(servers: tuple[Server, ...], chance: random.Random) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(chance.sample(items, len(items)))

    other = tuple(Server(server.keys, shuffled(server.plugins)) for server in shuffled(servers))  # type: ignore[arg-type, attr-defined]
    assert same_meaning(_text(servers), _text(other))


@given(st.text(st.sampled_from('{}#" \n\\ab.'), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        servers = parse_corefile(text)
    except CorefileError as refusal:
        found = re.match(r"line (\d+): .", str(refusal))
        assert found
        assert 1 <= int(found[1]) <= text.count("\n") + 1
    else:
        assert all(server.keys for server in servers)
        assert same_meaning(text, text)
