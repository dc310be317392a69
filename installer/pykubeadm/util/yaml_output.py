"""YAML as sigs.k8s.io/yaml writes it: keys in alphabetical order, block style, lists not indented, lines never wrapped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

_STR_TAG = "tag:yaml.org,2002:str"
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e]")
# Texts that other YAML readers take for a boolean or a number where PyYAML does not: y, n, 1e3, 0o17.
_AMBIGUOUS = re.compile(r"[yYnN]|[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?0[obxOBX][\da-fA-F_]+", re.ASCII)


@cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        if not style and (_AMBIGUOUS.fullmatch(value) or dumper.resolve(yaml.ScalarNode, value, (True, False)) != _STR_TAG):
            style = '"'
        return dumper.represent_scalar(_STR_TAG, value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def to_yaml(document: Mapping[str, Any]) -> str:
    """One document, without a leading `---`. Long texts become literal blocks; equal parts are written out, not aliased."""
    import yaml

    rendered: str = yaml.dump(
        document, Dumper=_dumper(), default_flow_style=False, width=2**31 - 1, allow_unicode=True, sort_keys=True
    )
    return rendered


def to_yaml_documents(documents: Iterable[Mapping[str, Any]]) -> str:
    """Several documents, each introduced by `---`."""
    return "".join(f"---\n{to_yaml(document)}" for document in documents)


def yaml_inline(value: object) -> str:
    """`value` on one line as YAML that reads back as the same value whatever it holds; for use inside templates.

    JSON is a subset of YAML but for characters that YAML does not take as they are; those are escaped.
    """
    return _OUTSIDE_ASCII.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(value, ensure_ascii=False))
