"""What the offline phases write and print, held against what kubeadm v1.36.2 does with the same configuration.

A file of cases/ is a configuration, patch files, and the facts recorded of kubeadm: in default.yaml all of them, in the
others what differs from those, as a JSON merge patch (null: not there) over the facts in `keyed` form.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pykubeadm.cli.main import main
from pykubeadm.patches.merge import merge_patch
from tests.golden.facts import addon_facts, differences, keyed, node_facts

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
PHASES = ("etcd local", "control-plane all", "kubelet-start")
# Slow for their keys, so only where a case says that certificates differ.
CERTIFICATE_PHASES = ("certs all", "kubeconfig all")
CERTIFICATE_FACTS = ("certs", "kubeconfigs", "modes")


@cache
def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    return case


def expected(case: dict[str, Any]) -> dict[str, Any]:
    if "expect" in case:
        facts: dict[str, Any] = case["expect"]
        return facts
    default = load(CASES[0].with_name("default.yaml"))["expect"]
    merged: dict[str, Any] = merge_patch(default, case["differs"])
    return merged


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_kubeadm(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    case = load(path)
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for directory in ("etc", "var/lib", "tmp", "patches", "opt"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "cfg.yaml").write_text(case["config"])
    for name, text in case.get("patches", {}).items():
        file = tmp_path / "patches" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    want = expected(case)

    def run(*words: str) -> str:
        command = ["pykubeadm", "init", "phase", *words, "--rootfs", str(tmp_path), "--config", "/cfg.yaml"]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        assert ended.value.code == 0, output.err
        return output.out

    certificates = "expect" in case or any(section in case["differs"] for section in CERTIFICATE_FACTS)
    for phase in (*(CERTIFICATE_PHASES if certificates else ()), *PHASES):
        run(*phase.split())
    got = node_facts(tmp_path)
    got["addons"] = {addon: addon_facts(run("addon", addon, "--print-manifest")) for addon in ("coredns", "kube-proxy")}
    if not certificates:
        want = {section: facts for section, facts in want.items() if section not in CERTIFICATE_FACTS}
        got = {section: facts for section, facts in got.items() if section not in CERTIFICATE_FACTS}
    assert not list(differences(want, keyed(got)))
