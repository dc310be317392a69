"""What we print as YAML reads back as the same, by the rules with which Kubernetes reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pykubeadm.config.load import load_values
from pykubeadm.config.source import Source
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.util.yaml_scalars import resolve

SCALARS = [row[0] for row in json.loads((Path(__file__).parents[1] / "unit/config/kubeadm_scalars.json").read_text())]
PRINTABLE = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\ufffe\uffff", include_characters="\n\t"
)
NUMBERLIKE = st.text("0123456789abefox_.+-:eEyn~=<Tt ", max_size=12)


@given(st.text(PRINTABLE, max_size=200) | NUMBERLIKE)
@example("1e5_0")
@example("0b-1")
@example("2001-1-2")
def test_text_stays_text(text: str) -> None:
    values, problems = load_values(Source("x.yaml", to_yaml({"x": text, text: 1}).encode()))
    assert problems == []
    assert values[0].data == {"x": text, text: 1}


@pytest.mark.parametrize("text", SCALARS)
def test_text_that_is_something_else_without_quotes_has_them(text: str) -> None:
    written = to_yaml({"x": text}).removeprefix("x: ").rstrip("\n")
    assert written[0] in "\"'|" or resolve(written, None) == text


def test_long_text_is_wrapped_where_kubeadm_wraps_it() -> None:
    assert to_yaml({"clusterName": "kubernetes " * 12 + "end"}) == (
        "clusterName: kubernetes kubernetes kubernetes kubernetes kubernetes kubernetes kubernetes\n"
        "  kubernetes kubernetes kubernetes kubernetes kubernetes end\n"
    )
