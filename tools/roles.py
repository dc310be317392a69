"""Writes roles/*/README.md from meta/argument_specs.yml and defaults: `python tools/roles.py`; with --check it only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"
MARKS = re.compile(r"\b[CVO]\(([^)]*)\)")  # Ansible's semantic markup


def text(value: Any) -> str:
    """One line of Markdown."""
    lines = value if isinstance(value, list) else [value]
    return " ".join(MARKS.sub(r"`\1`", " ".join(str(line).split())) for line in lines).replace("|", "\\|")


def default(option: dict[str, Any], found: Any) -> str:
    if option.get("required"):
        return "required"
    value = option.get("default", found)
    if isinstance(value, str) and "{{" in value:
        return "computed"
    if value is None:
        return ""
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix('...').strip()}`"


def rows(options: dict[str, Any], defaults: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        choices = " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "." if "choices" in option else ""
        shown = default(option, None if prefix else defaults.get(name))
        found.append(f"| `{prefix}{name}` | {kind} | {shown} | {text(option['description'])}{choices} |")
        found += rows(option.get("options", {}), {}, f"{prefix}{name}[]." if option["type"] == "list" else f"{prefix}{name}.")
    return found


def readme(role: Path) -> str:
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    lines = [
        f"# pykubeadm.kube.{role.name}",
        "",
        f"{spec['short_description']}.",
        "",
        *(f"- {text(line)}" for line in spec["description"]),
        "",
        "```yaml",
        "- hosts: nodes",
        "  gather_facts: false",
        "  become: true",
        "  roles:",
        f"    - role: pykubeadm.kube.{role.name}",
        "```",
        "",
        "## Variables",
        "",
        "| name | type | default | meaning |",
        "| --- | --- | --- | --- |",
        *rows(spec["options"], defaults),
        "",
        "This file is made from `meta/argument_specs.yml` by `tools/roles.py`.",
    ]
    return "\n".join(lines) + "\n"


def main(check: bool) -> int:
    stale = []
    for role in sorted(path for path in ROLES.iterdir() if (path / "meta").is_dir()):
        target = role / "README.md"
        wanted = readme(role)
        if not target.exists() or target.read_text() != wanted:
            stale.append(str(target))
            if not check:
                target.write_text(wanted)
    if check and stale:
        print(f"not up to date, run python tools/roles.py: {', '.join(stale)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
