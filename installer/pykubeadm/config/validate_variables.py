"""Checks variables of the node roles by the roles' argument specs, as Ansible does when a role begins.

Text may stand for a number or for true and false where Ansible reads it as one, and each of these for text. Text for a list or a
mapping, and these for text, may not: Ansible converts values for its check alone, and a role gets what was written, which only
some modules take apart. What a template gives only Ansible knows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pykubeadm.config.decode import describe, unknown_field
from pykubeadm.config.fleet import Cluster
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path

Spec = Mapping[str, Any]  # of one variable: type, elements, choices, options, default, required
Options = Mapping[str, Spec]  # variable → its spec
OptionsOf = Callable[[str], Options]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BOOLEANS = frozenset(("y", "yes", "on", "1", "true", "t", "n", "no", "off", "0", "false", "f"))
_TEMPLATE = ("{{", "{%", "{#")


def check_variables(cluster: Cluster, report: Report, options_of: OptionsOf) -> None:
    """Those for all machines and those of each. `options_of` gives, for a name, the options of the role that it is named as; {}
    for a variable of the user's own."""
    _named(cluster.variables, ("variables",), report, options_of)
    for index, host in enumerate(cluster.hosts):
        _named(host.variables, ("hosts", index, "variables"), report, options_of)


def _named(variables: Mapping[str, Any], path: Path, report: Report, options_of: OptionsOf) -> None:
    for name, value in variables.items():
        options = options_of(name)
        if not _NAME.fullmatch(name) or name.startswith("ansible_"):
            report.problem((*path, name), f'"{name}" is not a variable of a role; put how the machine is reached into ssh')
        elif name == "kubelet_version":
            report.problem((*path, name), "the version is kubernetesVersion in the ClusterConfiguration")
        elif name in options:
            check_value(value, options[name], (*path, name), report)
        elif options:
            near = difflib.get_close_matches(name, sorted(options), 1, 0.8)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            report.unknown((*path, name), f"no role has this variable{hint}")


def check_value(value: Any, spec: Spec, path: Path, report: Report) -> None:
    """What is wrong with a value of this spec, and with what is in it."""
    if _is_template(value) or (value is None and spec.get("default") is None and not spec.get("required")):
        return
    kind = spec["type"]
    wanted, fits = _TYPES[kind]
    if not fits(value):
        report.problem(path, f"must be {wanted}, not {describe(value)}")
    elif kind == "list":
        item_spec = {**spec, "type": spec["elements"], "required": True}  # null is an item like any other
        for index, item in enumerate(value):
            check_value(item, item_spec, (*path, index), report)
    elif spec.get("choices") and str(value) not in spec["choices"]:
        report.problem(path, f"must be one of {', '.join(spec['choices'])}, not {describe(value)}")
    elif kind == "dict" and spec.get("options"):
        _fields(value, spec["options"], path, report)


def _fields(value: Mapping[str, Any], options: Options, path: Path, report: Report) -> None:
    for key, item in value.items():
        if key in options:
            check_value(item, options[key], (*path, key), report)
        else:
            report.unknown((*path, key), unknown_field(key, list(options)))
    for key, spec in options.items():
        if spec.get("required") and key not in value:
            report.problem(path, f'the field "{key}" is missing')


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and any(mark in value for mark in _TEMPLATE)


def _is_text(value: Any) -> bool:
    """Not null, which only newer Ansible takes for a text without content."""
    return value is not None and not isinstance(value, list | Mapping)


def _is_whole_number(value: Any) -> bool:
    """Not 5.0, which only newer Ansible takes for 5, and which roles would write as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            int(value)
            return True
    return isinstance(value, int) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower().strip() in _BOOLEANS
    return isinstance(value, int | float) and value in (0, 1)


_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", _is_text),
    "path": ("text", _is_text),
    "int": ("a whole number", _is_whole_number),
    "bool": ("true or false", _is_boolean),
    "list": ("a list", lambda value: isinstance(value, list)),
    "dict": ("a mapping", lambda value: isinstance(value, Mapping)),
}
