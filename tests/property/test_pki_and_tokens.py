from __future__ import annotations

import string
from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.pki.sans import covers, names_of
from pykubeadm.tokens.bootstrap import Token, parse_token
from pykubeadm.tokens.certificate_key import parse_certificate_key
from pykubeadm.tokens.jws import is_signed_with, sign_detached
from pykubeadm.tokens.shared_certificates import decrypt_files, encrypt_files
from pykubeadm.util.ip import join_host_port, parse_ip, split_host_port

CHARACTERS = string.digits + string.ascii_lowercase
TOKENS = st.builds(Token, st.text(CHARACTERS, min_size=6, max_size=6), st.text(CHARACTERS, min_size=16, max_size=16))
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join).filter(lambda host: parse_ip(host) is None)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(TOKENS)
def test_tokens_are_read_as_they_are_written(token: Token) -> None:
    assert parse_token(token.text) == token


@given(TOKENS, TOKENS, st.text(st.characters(exclude_categories=["Cs"])))
def test_only_the_same_token_verifies(token: Token, other: Token, content: str) -> None:
    signature = sign_detached(content, token)
    assert is_signed_with(signature, content, token)
    assert not is_signed_with(signature, content + "x", token)
    assert is_signed_with(signature, content, other) == (token == other)


@given(
    st.dictionaries(st.text(CHARACTERS, min_size=1), st.one_of(st.none(), st.binary(min_size=1))),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_encrypted_is_decrypted(contents: dict[str, bytes | None], key: bytes) -> None:
    assert decrypt_files(encrypt_files(contents, parse_certificate_key(key.hex())), key) == contents


@given(st.lists(st.one_of(HOSTS, ADDRESSES.map(str), st.text(max_size=12))))
def test_every_name_is_used_or_reported(texts: list[str]) -> None:
    names = names_of(texts)
    assert list(names.dns) == sorted(set(names.dns))
    assert len(set(names.ips)) == len(names.ips)
    for text in texts:
        address = parse_ip(text)
        assert (address in names.ips) if address else (text in names.dns) != (text in names.ignored)


@given(HOSTS)
def test_a_host_is_covered_by_itself_and_by_the_wildcard_of_its_parent(host: str) -> None:
    assert covers([host], host)
    assert covers([f"*.{host.partition('.')[2]}"], host)
    assert not covers([f"*.{host}"], host)


@given(ADDRESSES)
def test_addresses_are_read_in_every_spelling(address: IPv4Address | IPv6Address) -> None:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert parse_ip(str(address)) == (mapped or address)
    assert parse_ip(address.exploded) == (mapped or address)


@given(st.text(max_size=40))
def test_parse_ip_never_fails_and_never_invents(text: str) -> None:
    address = parse_ip(text)
    assert address is None or ip_address(str(address)) == address


@given(st.one_of(HOSTS, ADDRESSES.map(str)), st.integers(1, 65535))
def test_hosts_and_ports_are_split_as_they_are_joined(host: str, port: int) -> None:
    assert split_host_port(join_host_port(host, port)) == (host, str(port))
