"""`node prepare`: what of the machine it runs on does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pykubeadm.ansible.assets import Assets
from pykubeadm.cli.node import node
from pykubeadm.config.host import HostFacts


@pytest.mark.parametrize("has_inventory", [False, True])
def test_it_needs_no_default_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_inventory: bool) -> None:
    (tmp_path / "hosts.yml").touch()
    where = ["--inventory", str(tmp_path / "hosts.yml")] if has_inventory else []
    host = HostFacts("desk", proxy_env={"https_proxy": "http://proxy:3128"})
    given: list[Any] = []
    monkeypatch.setattr("pykubeadm.node.facts.host_facts", lambda _machine: host)
    monkeypatch.setattr("pykubeadm.ansible.assets.find_assets", lambda *_arguments: Assets())
    monkeypatch.setattr("pykubeadm.commands.node.prepare.prepare_nodes", lambda *arguments, **_more: given.extend(arguments))
    done = CliRunner().invoke(node, ["prepare", "--check", "--kubernetes-version", "v1.36.2", *where])
    assert (done.exit_code, done.exception) == (0, None)
    direct = given[1]["containerd_proxy"]["no_proxy"]
    assert "10.96.0.0/12" in direct
    assert "0.0.0.0" not in direct  # noqa: S104
