"""The JSON Schema of the Cluster document, made of its models (tools/schema.py publishes it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin

from pykubeadm.config.fleet import FLEET_API, FLEET_KIND, Cluster
from pykubeadm.config.model import Model, field_alias

_PLAIN = {str: "string", int: "integer", bool: "boolean"}


def fleet_schema() -> dict[str, Any]:
    """Draft 2020-12. Editors complete and check the document by it; what one value means for another is checked by
    `cluster validate` alone."""
    of_cluster = _object(Cluster)
    header = {"apiVersion": {"const": FLEET_API}, "kind": {"const": FLEET_KIND}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{FLEET_API} {FLEET_KIND}",
        **of_cluster,
        "properties": {**header, **of_cluster["properties"]},
        "required": [*header],
    }


def _object(model: type[Model]) -> dict[str, Any]:
    properties = {}
    for known in fields(model):
        of_field = _value(known.type, tuple(known.metadata.get("choices", ())))
        if description := known.metadata.get("description"):
            of_field["description"] = description
        properties[field_alias(known.name)] = of_field
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(kind: Any, choices: tuple[str, ...] = ()) -> dict[str, Any]:
    if isinstance(kind, UnionType):  # "or None": left out
        kind = get_args(kind)[0]
    shape = get_origin(kind) or kind
    if shape is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], choices)}
    if shape is Mapping:
        of = get_args(kind)[1]
        return {"type": "object", "additionalProperties": True if of is Any else _value(of)}
    if isinstance(shape, type) and issubclass(shape, Model):
        return _object(shape)
    return {"type": _PLAIN[shape]} | ({"enum": list(choices)} if choices else {})
