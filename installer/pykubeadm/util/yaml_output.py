"""YAML as sigs.k8s.io/yaml writes it: keys in alphabetical order, block style, lists not indented, lines wrapped at 80."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from pykubeadm.util.yaml_scalars import is_text

_STR_TAG = "tag:yaml.org,2002:str"
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e]")


@cache
def _dumper() -> Any:
    import yaml

    resolved = lru_cache(maxsize=1024)(yaml.resolver.Resolver().resolve)

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # libyaml asks twice for each text
            return resolved(kind, value if kind is yaml.ScalarNode else None, implicit)

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        # Quoted as well: what other readers of YAML 1.1 take for something else, such as = and 2001-13-14.
        if not style and not (is_text(value) and dumper.resolve(yaml.ScalarNode, value, (True, False)) == _STR_TAG):
            style = '"'
        return dumper.represent_scalar(_STR_TAG, value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def to_yaml(document: Mapping[str, Any]) -> str:
    """One document, without a leading `---`. Long texts become literal blocks; equal parts are written out, not aliased."""
    import yaml

    rendered: str = yaml.dump(document, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, sort_keys=True)
    return rendered


def to_yaml_documents(documents: Iterable[Mapping[str, Any]]) -> str:
    """Several documents, each introduced by `---`."""
    return "".join(f"---\n{to_yaml(document)}" for document in documents)


def yaml_inline(value: object) -> str:
    """`value` on one line as YAML that reads back as the same value whatever it holds; for use inside templates.

    JSON is a subset of YAML but for characters that YAML does not take as they are; those are escaped.
    """
    return _OUTSIDE_ASCII.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(value, ensure_ascii=False))
