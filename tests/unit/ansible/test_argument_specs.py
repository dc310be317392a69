"""What is known of roles' variables without Ansible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pykubeadm.ansible.argument_specs import role_options

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
# Of a spec. What else Ansible knows, such as aliases and mutually_exclusive, config/validate_variables.py does not.
KNOWN = {"type", "elements", "choices", "options", "default", "required", "description"}
TYPES = {"str", "path", "int", "bool", "list", "dict"}


@pytest.mark.parametrize("role", ROLES)
def test_the_options_of_a_role_are_those_of_its_specs(role):
    text = (CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    for name in options:
        assert role_options(name) == options


@pytest.mark.parametrize("role", ROLES)
def test_specs_have_nothing_that_is_not_checked(role):
    def check(options):
        for name, spec in options.items():
            assert spec.keys() <= KNOWN, name
            assert (spec["type"] == "list") == ("elements" in spec), name
            assert {spec["type"], spec.get("elements", "str")} <= TYPES, name
            text = "str" in (spec["type"], spec.get("elements"))
            assert "choices" not in spec or (text and all(isinstance(choice, str) for choice in spec["choices"])), name
            check(spec.get("options", {}))

    check(role_options(f"{role}_"))


def test_the_playbook_s_variables_are_those_that_it_asks_for():
    text = (CHECKOUT / "playbooks" / "prepare.yml").read_text()
    asked = set(re.findall(r"(prepare_\w+) \| default\(", text)) - {"prepare_hosts"}  # which no inventory can say
    options = role_options("prepare_")
    assert options.keys() == asked
    assert f"default('containerd') in {list(options['prepare_runtime']['choices'])}" in text
    for name, spec in options.items():
        assert f"{name} | default({str(spec['default']).lower()})" in text.replace("'", "")


def test_a_variable_of_the_user_s_is_of_no_role():
    assert (role_options("mine"), role_options("kernelmodules"), role_options("pykubeadm_host")) == ({}, {}, {})
