"""Writes docs/reference/cluster.schema.json and cluster.md, what cluster.yaml may say, from its models: python tools/schema.py"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
REFERENCE = CHECKOUT / "docs" / "reference"
_HEAD = """\
# cluster.yaml

<!-- tools/schema.py writes this file -->

The file of [`pykubeadm cluster`](../guides/cluster.md): YAML documents. One is `Cluster` of `pykubeadm.cluster/v1`, described
here and, for editors, as a [JSON Schema](cluster.schema.json). The others are kubeadm's own, unchanged: `ClusterConfiguration`,
`KubeletConfiguration`, `KubeProxyConfiguration` ([reference](config.md)). Settings of a single host belong in `Cluster`, so
there is no Init- or JoinConfiguration. `pykubeadm cluster init` prints a commented file to start from, `pykubeadm cluster
validate` checks one; unknown fields are refused.

| field | type | meaning |
| --- | --- | --- |
"""


def schema() -> dict[str, Any]:
    sys.path.insert(0, str(CHECKOUT / "installer"))
    from pykubeadm.config.fleet_schema import fleet_schema

    return fleet_schema()


def rows(described: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A row of the table for each field."""
    for name, of in described["properties"].items():
        inner = of.get("items", of)
        kind = of.get("type", "text") if of.get("type") != "array" else f"list of {inner.get('type')}"
        kind = kind.replace("string", "text").replace("object", "mapping").replace("integer", "number")
        said = f'"{of["const"]}"' if "const" in of else of.get("description", "")
        if choices := inner.get("enum"):
            said += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
        yield f"| `{prefix}{name}` | {kind} | {said} |"
        if "properties" in inner and name not in {"taints", "kubeletExtraArgs"}:  # kubeadm's own
            yield from rows(inner, f"{prefix}{name}{'[]' if 'items' in of else ''}.")


def texts() -> dict[str, str]:
    """File name → what has to be in it."""
    found = schema()
    table = "\n".join(rows(found))
    return {"cluster.schema.json": json.dumps(found, indent=2) + "\n", "cluster.md": f"{_HEAD}{table}\n"}


if __name__ == "__main__":
    for file, content in texts().items():
        (REFERENCE / file).write_text(content, encoding="utf-8")
