"""Variables of the node roles are judged as Ansible judges them when a role begins."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from pykubeadm.ansible.argument_specs import role_options
from pykubeadm.config.report import Report
from pykubeadm.config.validate_variables import check_value
from pykubeadm.errors import Problem
from pykubeadm.resources import collection_dir

ROLES = sorted(path.name for path in (collection_dir() / "roles").iterdir())
OPTIONS = [(name, spec) for role in ROLES for name, spec in sorted(role_options(f"{role}_").items())]
WORDS = ["yes", " No", "TRUE", "t", "2", "1", "a=b", "a,b", '{"a": 1}', "[1]", "null"]
TEXTS = st.sampled_from(WORDS) | st.text("0149- xyn", max_size=5)
SCALARS = st.none() | st.booleans() | st.integers(-2, 99) | st.sampled_from([0.0, 1.0, 2.0, 1.5]) | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=4
)


def like(spec: Any) -> st.SearchStrategy[Any]:
    """Values that are much as the spec wants them."""
    found = SCALARS | st.sampled_from(spec.get("choices", ["a"]))
    if spec["type"] == "list":
        found = st.lists(like({**spec, "type": spec["elements"]}), max_size=3)
    elif spec["type"] == "dict":
        known = {name: like(own) for name, own in spec.get("options", {}).items()}
        required = {name: known.pop(name) for name, own in spec.get("options", {}).items() if own.get("required")}
        whole = st.fixed_dictionaries(required, optional=known)
        found = whole | whole | st.fixed_dictionaries({}, optional=required | {"other": SCALARS})
    return found | found | ANYTHING


def as_ansible(name: str, spec: Any, value: Any) -> bool:
    """Whether Ansible takes the value, and for its check makes nothing else of it that the role does not get."""
    try:
        result = ArgumentSpecValidator({name: spec}).validate({name: value}, validate_role_argument_spec=True)
    except (TypeError, ValueError):  # of text that it cannot take for a mapping
        return False
    return not result.error_messages and is_as_written(spec, value, result.validated_parameters[name])


def is_as_written(spec: Any, written: Any, taken: Any) -> bool:
    """Whether it is of one shape with what is taken for it, no null, and no number that is written as something else."""
    if isinstance(written, list) and isinstance(taken, list):
        of_item = {**spec, "type": spec["elements"]}
        return all(is_as_written(of_item, *pair) for pair in zip(written, taken, strict=True))
    if isinstance(written, dict) and isinstance(taken, dict):
        options = spec.get("options", {})
        return all(is_as_written(options[key], item, taken[key]) for key, item in written.items() if key in options)
    if isinstance(written, list | dict) or isinstance(taken, list | dict) or (written is None and taken is not None):
        return False
    return spec["type"] != "int" or not isinstance(written, bool | float)


@settings(max_examples=500)
@given(st.sampled_from(OPTIONS).flatmap(lambda option: st.tuples(st.just(option), like(option[1]))))
def test_the_verdict_is_ansible_s(option_and_value):
    (name, spec), value = option_and_value
    problems: list[Problem] = []
    check_value(value, spec, (name,), Report(problems, note=lambda _note: None))
    assert (not problems) == as_ansible(name, spec, value), problems
    assert all(len(str(problem).splitlines()) == 1 for problem in problems)
