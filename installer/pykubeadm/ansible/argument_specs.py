"""The variables of the node roles by the roles' own argument specs, roles/*/meta/argument_specs.yml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import RUNTIMES

if TYPE_CHECKING:
    from pathlib import Path

_PLAYBOOK = "prepare"
# Of playbooks/prepare.yml: Ansible knows specs of roles only.
_PLAYBOOK_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "prepare_runtime": {"type": "str", "default": "containerd", "choices": (*RUNTIMES, "none")},
    "prepare_kubelet": {"type": "bool", "default": True},
    "prepare_load_balancer": {"type": "bool", "default": False},
    "prepare_hardening": {"type": "bool", "default": False},
    "prepare_certificates": {"type": "bool", "default": False},
    "prepare_snapshots": {"type": "bool", "default": False},
}


def role_options(variable: str) -> Mapping[str, Mapping[str, Any]]:
    """The options of the role that a variable is named as, each with its spec; {} where it is named as that of none."""
    if variable.startswith(f"{_PLAYBOOK}_"):
        return _PLAYBOOK_OPTIONS
    return next((_options(path) for role, path in _specs() if variable.startswith(f"{role}_")), {})


@cache
def _specs() -> tuple[tuple[str, Path], ...]:
    """Each role with the file of its specs."""
    from pykubeadm.resources import collection_dir

    return tuple((path.parts[-3], path) for path in collection_dir().glob("roles/*/meta/argument_specs.yml"))


@cache
def _options(path: Path) -> Mapping[str, Mapping[str, Any]]:
    import yaml

    specs = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)["argument_specs"]
    return {name: spec for entry in specs.values() for name, spec in entry["options"].items()}
