"""What `kubeadm config migrate` and `validate` v1.36.2 made of some three hundred scalars: as text (the text, or null where it
was refused), as a boolean, as an integer of 64 bits and as a float (whether it was one)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.config.texts import CLUSTER, KUBELET, problems, read_cluster

ROWS: list[tuple[str, str | None, bool, bool, bool]] = json.loads(
    Path(__file__).with_name("kubeadm_scalars.json").read_text(encoding="utf-8")
)
# Control characters have no place in our configurations; the rest is libyaml, which has one escape that Go's YAML has not, and
# not another.
STRICTER = {r'"\0"', r'"\a"', r'"\b"', r'"\e"', r'"\f"', r'"\x00"', r'"\x7f"', r'"\'"'}
LAXER = {r'"\/"'}
# What kubeadm prints of these is another text to a reader of YAML.
PRINTED_OTHERWISE = {r'"\N"', r'"\u0085"'}


@pytest.mark.parametrize(("scalar", "text"), [(scalar, text) for scalar, text, *_ in ROWS if scalar not in STRICTER | LAXER])
def test_text(scalar: str, text: str | None) -> None:
    file = f"{CLUSTER}clusterName: {scalar}\n"
    if text is None:
        assert problems(file)
    elif scalar not in PRINTED_OTHERWISE:
        assert read_cluster(file)[1].cluster.cluster_name == text


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] not in STRICTER | LAXER], ids=lambda row: row[0])
def test_other_types(row: tuple[str, str | None, bool, bool, bool]) -> None:
    scalar, _text, boolean, integer, number = row
    files = (
        f"{CLUSTER}proxy: {{}}\ndns:\n  disabled: {scalar}\n",
        f"{CLUSTER}---\n{KUBELET}maxOpenFiles: {scalar}\n",
        f"{CLUSTER}---\n{KUBELET}memoryThrottlingFactor: {scalar}\n",
    )
    assert [not problems(file) for file in files] == [boolean, integer, number]


@pytest.mark.parametrize("digits", ["1" * 5000, "-" + "9" * 400, "1e" + "9" * 5000, "0x" + "f" * 5000, "0o" + "7" * 5000])
def test_numbers_of_any_length_that_nothing_holds_are_text(digits: str) -> None:
    assert read_cluster(f"{CLUSTER}clusterName: {digits}\n")[1].cluster.cluster_name == digits
