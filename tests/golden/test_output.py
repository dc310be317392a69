"""The forms of `-o` against what kubeadm and kubectl v1.36.2 printed of the same document, byte for byte, and which they refused.

A file of output/ has the document and, for each `-o`, the text or that it was refused. kubectl made the one with numbers and
several levels; where it printed what depends on Go's random order of maps, nothing was recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pykubeadm.cli.images import images
from pykubeadm.errors import UsageError
from pykubeadm.output.forms import form

RECORDED = {path.stem: yaml.safe_load(path.read_text()) for path in (Path(__file__).parent / "output").glob("*.yaml")}
CASES = [
    pytest.param(recorded["document"], case, id=f"{name}-{case['output']}")
    for name, recorded in sorted(RECORDED.items())
    for case in recorded["cases"]
]


def printed(document: dict[str, Any], output: str, *, allow_missing: bool) -> str:
    """By way of the command's own option, as it is written on a command line."""
    option = next(param for param in images.commands["list"].params if param.name == "output")

    def read(path: str) -> bytes:
        raise UsageError(f"{path} is not there")

    chosen = option.type_cast_value(click.Context(images), output)
    return form(chosen, allow_missing=allow_missing, read=read).printed([document])


@pytest.mark.parametrize(("document", "case"), CASES)
def test_equals_kubeadm(document: dict[str, Any], case: dict[str, Any]) -> None:
    allow_missing = case.get("allow-missing", True)
    if "printed" in case:
        assert printed(document, case["output"], allow_missing=allow_missing) == case["printed"]
        return
    with pytest.raises((UsageError, click.UsageError)):
        printed(document, case["output"], allow_missing=allow_missing)
