"""Every command that reads a configuration says the same of it; only a run refuses what only a run goes by. The verdicts are
those of kubeadm v1.36.2 but where a directory is missing, which kubeadm sees later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pykubeadm.cli.main import cli
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read_init import read_init
from pykubeadm.config.read_join import read_join
from pykubeadm.config.read_reset import read_reset
from pykubeadm.config.reset_flags import ResetFlags
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from tests.unit.config.texts import CLUSTER, DISCOVERY, INIT, JOIN, RESET, world

READING = (
    ("config", "validate", "--config"),
    ("config", "migrate", "--old-config"),
    ("config", "images", "list", "--config"),
)
# What a document says, and whether `init` or `join` refuses it; the others do not.
FOR_A_RUN = [
    ("nodeRegistration: {ignorePreflightErrors: [all, Swap]}\n", True),
    ("nodeRegistration: {ignorePreflightErrors: [swap, ALL]}\n", True),
    ("nodeRegistration: {ignorePreflightErrors: [all, All]}\n", False),
    ("nodeRegistration: {ignorePreflightErrors: [Nonsense]}\n", False),
    ("skipPhases: [nope]\n", True),
    ("skipPhases: [preflight]\n", False),
    ("patches: {directory: /nowhere}\n", True),
]
WRONG = [
    "nodeRegistration: {imagePullPolicy: Sometimes}\n",
    "nodeRegistration: {ignorePreflightErrors: all}\n",
    "skipPhases: [1]\n",
    "localAPIEndpoint: {bindPort: 70000}\n",
    "nope: 1\n",
]


def said(path: Path, text: str, command: tuple[str, ...]) -> str:
    """ "" where the command accepts the file."""
    path.write_text(text)
    result = CliRunner().invoke(cli, [*command, str(path)])
    assert result.exit_code == 0 or isinstance(result.exception, ConfigError)
    return str(result.exception or "")


def of_init(text: str) -> str:
    try:
        read_init(Source("x.yaml", text.encode()), InitFlags(), replace(world(), phases=lambda: ("preflight",)))
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(("body", "refused"), FOR_A_RUN)
def test_what_only_a_run_goes_by(tmp_path: Path, body: str, refused: bool, command: tuple[str, ...]) -> None:
    text = f"{INIT}{body}---\n{CLUSTER}"
    assert said(tmp_path / "cfg.yaml", text, command) == ""
    assert bool(of_init(text)) == refused


@pytest.mark.parametrize(("body", "refused"), FOR_A_RUN)
def test_what_only_a_run_of_join_goes_by(tmp_path: Path, body: str, refused: bool) -> None:
    text = f"{JOIN}{DISCOVERY}{body}"
    for command in READING[:2]:
        assert said(tmp_path / "cfg.yaml", text, command) == ""
    environment = replace(world(), phases=lambda: ("preflight",))
    if refused:
        with pytest.raises(ConfigError):
            read_join(Source("x.yaml", text.encode()), JoinFlags(), environment)
    else:
        read_join(Source("x.yaml", text.encode()), JoinFlags(), environment)


def test_what_only_a_run_of_reset_goes_by(tmp_path: Path) -> None:
    environment = replace(world(), phases=lambda: ("preflight",))
    for body in ("ignorePreflightErrors: [all, Swap]\n", "skipPhases: [nope]\n"):
        for command in READING[:2]:
            assert said(tmp_path / "cfg.yaml", f"{RESET}{body}", command) == ""
        with pytest.raises(ConfigError, match=r"^x\.yaml:3:"):
            read_reset(Source("x.yaml", f"{RESET}{body}".encode()), ResetFlags(), environment)
    with pytest.raises(ConfigError, match=r"^--ignore-preflight-errors: all stands for every check"):
        read_reset(None, ResetFlags(ignore_preflight_errors=("all", "Swap")), environment)


@pytest.mark.parametrize("body", WRONG)
def test_what_is_wrong_is_wrong_for_all_in_the_same_words(tmp_path: Path, body: str) -> None:
    text = f"{INIT}{body}---\n{CLUSTER}"
    found = {said(tmp_path / "cfg.yaml", text, command).replace(f"{tmp_path}/cfg.yaml", "x.yaml") for command in READING}
    assert found == {of_init(text)}
    assert found != {""}


def test_validate_warns_of_what_a_run_will_refuse(tmp_path: Path) -> None:
    (tmp_path / "cfg.yaml").write_text(f"{INIT}nodeRegistration: {{ignorePreflightErrors: [all, Swap]}}\n---\n{CLUSTER}")
    result = CliRunner().invoke(cli, ["config", "validate", "--config", str(tmp_path / "cfg.yaml")])
    assert result.stdout == "ok\n"
    assert "a run will refuse this: all stands for every check" in result.stderr
