"""Documents as `-o json` and `-o yaml` print them: with kubeadm's indentation, and three dashes between several in YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal


def rendered(documents: Sequence[Mapping[str, Any]], form: Literal["json", "yaml"]) -> str:
    """The text to print, its last line's end included; "" for no document."""
    if form == "json":
        import json

        return "".join(json.dumps(document, indent=4) + "\n" for document in documents)
    from pykubeadm.util.yaml_output import to_yaml

    return "---\n".join(to_yaml(document) for document in documents)
