"""Each role works by itself in a user's playbook, without anything gathered before."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("role", NAMES)
def test_defaults_need_no_facts(role):
    """Ansible checks the arguments before the role's first task, so defaults that look at facts break it."""
    assert "ansible_facts" not in (ROLES / role / "defaults" / "main.yml").read_text()


@pytest.mark.parametrize("role", NAMES)
def test_a_role_that_needs_facts_gathers_them(role):
    folder = ROLES / role
    texts = [path.read_text() for part in ("tasks", "templates", "vars") for path in (folder / part).glob("*") if path.is_file()]
    if not any("ansible_facts.pykubeadm" in text for text in texts):
        pytest.skip("it needs none")
    first = yaml.safe_load((folder / "tasks" / "main.yml").read_text())[0]
    assert "pykubeadm.kube.facts" in first
