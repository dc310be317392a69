"""Puts the Ansible collection and the templates into the wheel, where `pykubeadm.resources` looks; nothing for editable ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = ("galaxy.yml", "meta", "playbooks", "plugins", "roles", "templates")
TARGET = "pykubeadm/_data/ansible_collections/pykubeadm/kube"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg] # hatchling's own configuration class is not public
    """One entry a file: `force_include` of a folder would take caches along."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for part in PARTS:
            top = root / part
            for path in [top] if top.is_file() else sorted(top.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    build_data["force_include"][str(path)] = f"{TARGET}/{path.relative_to(root)}"
