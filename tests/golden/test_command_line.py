"""Every command of kubeadm v1.36.2, by each of its names, with each of its flags in each of its spellings; and what it refuses.

What there is not, and why: `upgrade` is to come, and `alpha` holds no command.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from pykubeadm.cli.main import cli
from pykubeadm.errors import PykubeadmError

RECORDED = yaml.safe_load((Path(__file__).parent / "command_line.yaml").read_text())
# What kubeadm v1.36.2 ended with status 1, and said why, before it did anything.
REFUSED = """
    frobnicate
    --version
    -v abc version
    version --rootfs
    version -o bogus
    version extra
    init --nope
    init extra
    init --apiserver-bind-port abc
    init --config
    init --config /no-such-file
    init --dry-run=maybe
    init phase nope
    init phase certs nope
    join a:6443 b:6443
    join phase preflight --nope
    reset --nope
    token nope
    token delete
    token delete XX
    token list extra
    token list --kubeconfig /no-such-file
    token list -o bogus
    token create bad.token
    token create --ttl nope
    config images nope
    config images list --dry-run
    config images list --kubernetes-version nope
    config images list --kubernetes-version v1.36.2 --feature-gates Nope=true
    config images list --kubernetes-version v1.36.2 extra
    config migrate
    config migrate --old-config /no-such-file
    config validate
    config validate --config /no-such-file
    config print nope
    config print init-defaults --component-configs Nope
    certs renew nope
    certs renew all extra
    certs check-expiration --config /no-such-file
    certs check-expiration extra
    certs generate-csr --config /no-such-file
    certs certificate-key extra
    kubeconfig user
    kubeconfig user --client-name x --config /no-such-file
    kubeconfig user --client-name x --validity-period nope
    completion
    completion tcsh
    completion bash zsh
    """
COMMANDS = RECORDED["commands"]


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
    options = {name: option for option in context.command.params for name in option.opts}
    wanted: dict[str, Any] = COMMANDS[path]
    for kind, switches in (("switches", True), ("values", False)):
        for name in spellings([*RECORDED["every"][kind], *wanted.get(kind, ())]):
            if name in context.help_option_names:  # made when it is asked for
                continue
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
        names = {name for option in context.command.params for name in option.opts}
        assert {"--rootfs", "--v", "-v", "--vmodule"} <= names
        assert context.help_option_names == ["-h", "--help"]


@pytest.mark.parametrize("line", [line.strip() for line in REFUSED.strip().splitlines()])
def test_what_kubeadm_refuses_is_refused(line: str) -> None:
    """With the status of a wrong command line, and with a sentence: click's says Error, ours is that of the exception."""
    result = CliRunner().invoke(cli, line.split(), prog_name="pykubeadm")
    if isinstance(result.exception, PykubeadmError):
        assert (result.exception.exit_status, str(result.exception) == "") == (2, False)
    else:
        assert (result.exit_code, "Error: " in result.output) == (2, True)
