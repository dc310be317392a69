"""Every command of kubeadm v1.36.2, under each of its names, with each of its flags in each of its spellings.

What we have not is named here, with the reason: `upgrade` is to come; `alpha` holds no command; `help` is ours to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pykubeadm.cli.main import cli

RECORDED = yaml.safe_load((Path(__file__).parent / "command_line.yaml").read_text())
COMMANDS = {path: flags for path, flags in RECORDED["commands"].items() if path.split()[0] != "upgrade"}


def found(path: str) -> click.Context:
    context = click.Context(cli, info_name="pykubeadm", **cli.context_settings)
    for word in path.split():
        assert isinstance(context.command, click.Group)
        command = context.command.get_command(context, word)
        assert command is not None, f"there is no {path}"
        context = click.Context(command, info_name=word, parent=context)
    return context


def spellings(flags: list[str]) -> Iterator[str]:
    """Of "f/force": -f, --force."""
    for flag in flags:
        *short, name = flag.split("/")
        yield from (f"-{letter}" for letter in short)
        yield f"--{name}"


def is_switch(option: click.Option) -> bool:
    return option.is_flag or option.type.name == "truth"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_flag_is_taken_as_kubeadm_takes_it(path: str) -> None:
    context = found(path)
    options = {name: option for option in context.command.get_params(context) for name in option.opts}
    wanted: dict[str, Any] = COMMANDS[path]
    for kind, switches in (("switches", True), ("values", False)):
        for name in spellings([*RECORDED["every"][kind], *wanted.get(kind, ())]):
            assert name in options, f"{path} has no {name}"
            assert is_switch(options[name]) == switches, f"{path} {name}"


@pytest.mark.parametrize("path", [path for path in COMMANDS if "aliases" in COMMANDS[path]])
def test_every_other_name_leads_to_the_same_command(path: str) -> None:
    before, _, _ = path.rpartition(" ")
    for alias in COMMANDS[path]["aliases"]:
        assert found(f"{before} {alias}").command.name == found(path).command.name


def test_flags_of_all_commands_may_stand_before_each_of_them() -> None:
    for path in ("", "config", "config images", "token", "certs renew", "init phase", "init phase certs"):
        context = found(path)
        names = {name for option in context.command.get_params(context) for name in option.opts}
        assert {"--rootfs", "--v", "-v", "--vmodule", "--help", "-h"} <= names
