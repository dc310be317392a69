"""PEM as Go reads it. `pem_verdicts.json` holds texts and the blocks that encoding/pem of Go 1.26 finds in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.issue import encode_certificate
from pykubeadm.pki.pem import Block, pem_blocks
from tests.support.servers import authority

VERDICTS = json.loads(Path(__file__).with_name("pem_verdicts.json").read_text(encoding="utf-8"))
LABELS = st.text("ABC 9", min_size=1, max_size=8)


@pytest.mark.parametrize("case", VERDICTS, ids=lambda case: case["what"] or "some text")
def test_the_same_blocks_are_found_as_by_go(case: dict[str, Any]) -> None:
    found = [[block.label, base64.b64encode(block.content).decode(), bool(block.headers)] for block in pem_blocks(_bytes(case))]
    assert found == case["blocks"]


def _bytes(case: dict[str, Any]) -> bytes:
    text: str = case["text"]
    return text.encode()


@given(st.lists(st.tuples(LABELS, st.binary(max_size=200))), st.sampled_from([b"\n", b"\r\n", b"  \n", b"\t\r\n"]), st.booleans())
def test_what_is_encoded_is_found_again(blocks: list[tuple[str, bytes]], line_end: bytes, final: bool) -> None:
    text = b"".join(Block(label, content).encoded() for label, content in blocks).replace(b"\n", line_end)
    text = text if final else text.removesuffix(line_end)
    assert [(block.label, block.content) for block in pem_blocks(text)] == blocks


@given(st.binary(max_size=50), st.integers(0, 300), st.integers(0, 40))
def test_damage_ends_in_blocks_or_in_none(inserted: bytes, at: int, cut: int) -> None:
    text = Block("A", bytes(90)).encoded() + Block("B", b"x").encoded()
    for block in pem_blocks(text[:at] + inserted + text[at + cut :]):
        assert isinstance(block.content, bytes)


@given(st.text(" \t", min_size=1, max_size=4))
def test_an_indented_certificate_is_none(blanks: str) -> None:
    pem = encode_certificate(authority().certificate)
    indented = b"".join(blanks.encode() + line for line in pem.splitlines(keepends=True))
    with pytest.raises(ValueError, match=r"holds no certificate in PEM form, only what looks like one: its lines are indented"):
        load_certificates(indented)


def test_headers_disqualify_a_certificate() -> None:
    pem = encode_certificate(authority().certificate).replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nx: y\n\n", 1)
    with pytest.raises(ValueError, match="holds no certificate"):
        load_certificates(pem)


def test_other_blocks_are_passed_over_and_a_damaged_certificate_is_not() -> None:
    pem = encode_certificate(authority().certificate)
    trusted = pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE")
    assert load_certificates(b"CN=x\n" + trusted + pem + pem) == (authority().certificate,) * 2
    with pytest.raises(ValueError, match="holds a certificate that cannot be read"):
        load_certificates(pem + Block("CERTIFICATE", b"nonsense").encoded())
