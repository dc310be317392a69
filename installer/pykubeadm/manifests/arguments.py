"""Command lines of components (kubeadm: util/arguments.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pykubeadm.config.model import Arg


def command_line(base: Mapping[str, str], extra: Sequence[Arg]) -> list[str]:
    """`--name=value` words: the base sorted by name, then the user's in their order.

    An argument the user gives, once or repeated, takes the place of the base's argument of that name.
    """
    given = {arg.name for arg in extra}
    kept = [f"--{name}={value}" for name, value in sorted(base.items()) if name not in given]
    return kept + [f"--{arg.name}={arg.value}" for arg in extra]


def last_value(args: Iterable[Arg], name: str) -> str | None:
    """The value of the last argument of that name, which is the one a component goes by; None where it is not given."""
    value = None
    for arg in args:
        if arg.name == name:
            value = arg.value
    return value
