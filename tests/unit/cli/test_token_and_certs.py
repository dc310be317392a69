from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pykubeadm.cli.certs import certs
from pykubeadm.cli.token import token
from pykubeadm.errors import ApiError, UsageError


@pytest.mark.parametrize("flags", [[], ["--dry-run", "--kubeconfig=/none"]])
def test_token_generate_prints_a_token(flags: list[str]) -> None:
    result = CliRunner().invoke(token, ["generate", *flags])
    assert result.exit_code == 0
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}\n", result.output)


def test_certificate_key_prints_a_key() -> None:
    result = CliRunner().invoke(certs, ["certificate-key"])
    assert result.exit_code == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", result.output)


@pytest.mark.parametrize("arguments", [("token", "generate"), ("certs", "certificate-key")])
def test_neither_loads_what_takes_long(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from pykubeadm.cli.main import cli\n"
        f"cli.main({list(arguments)!r}, standalone_mode=False)\n"
        "print(sorted({'cryptography', 'http.client', 'rich', 'jinja2', 'yaml'} & set(sys.modules)))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_join_command_with_a_key_that_join_refuses_is_not_printed_and_no_token_made() -> None:
    arguments = ["create", "--print-join-command", "--certificate-key", "abc", "--kubeconfig", "/none"]
    result = CliRunner().invoke(token, arguments)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("--certificate-key has 3 hexadecimal digits")


@pytest.mark.parametrize("words", [["create"], ["delete", "abcdef"]])
def test_a_dry_run_says_that_there_is_no_cluster(tmp_path: Path, words: list[str]) -> None:
    """As what would be done is not known."""
    file = tmp_path / "config"
    file.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: x}}]\n"
    )
    result = CliRunner().invoke(token, [*words, "--dry-run", "--kubeconfig", str(file)])
    assert isinstance(result.exception, ApiError)
    assert "no answer from http://127.0.0.1:1" in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a word", "holds text in place of a mapping"),
        ("[1]", "holds a list in place of a mapping"),
        ("users: 5", "has a whole number for users where a list must be (line 1)"),
        ("{current-context: a, contexts: [b]}", "has text for contexts[0] where a mapping must be (line 1)"),
    ],
)
def test_a_kubeconfig_that_is_none_is_reported_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    result = CliRunner().invoke(token, ["list", "--kubeconfig", str(file)])
    assert isinstance(result.exception, ApiError)
    assert str(result.exception) == f"{file} {sentence}"
