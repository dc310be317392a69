"""`ansible-galaxy collection build` gives the collection and nothing else; it works without the Python package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = {
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "inventories",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "MANIFEST.json",
    "FILES.json",
}


def tool(name):
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    subprocess.run(
        [tool("ansible-galaxy"), "collection", "build", str(CHECKOUT), "--output-path", str(folder)],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("pykubeadm-kube-*.tar.gz")
    return built


def test_nothing_but_the_collection(archive):
    with tarfile.open(archive) as found:
        names = [member.name for member in found if member.isfile()]
    assert {name.split("/")[0] for name in names} <= PARTS
    assert {"plugins/modules/files.py", "roles/kubelet/tasks/main.yml", "playbooks/prepare.yml"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_playbook_is_found_by_its_full_name(archive, tmp_path):
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
    }  # fmt: skip
    command = [tool("ansible-galaxy"), "collection", "install", "--offline", str(archive), "-p", str(tmp_path / "collections")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    inventory = CHECKOUT / "inventories" / "ha" / "hosts.yml"
    done = subprocess.run(
        [tool("ansible-playbook"), "pykubeadm.kube.prepare", "-i", str(inventory), "--list-tasks"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Load kernel modules and set kernel parameters, now and at boot" in done.stdout


@pytest.mark.parametrize("module", sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py")))
def test_modules_are_documented_as_they_are(module):
    """What ansible-test's validate-modules holds together: documented options are the argument spec's, and examples parse."""
    import ast

    import yaml

    tree = ast.parse((CHECKOUT / "plugins" / "modules" / f"{module}.py").read_text())
    texts = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }
    documented = yaml.safe_load(texts["DOCUMENTATION"])
    assert documented["module"] == module
    assert {"check_mode"} <= documented["attributes"].keys()
    examples = yaml.safe_load(texts["EXAMPLES"])
    assert all(f"pykubeadm.kube.{module}" in task for task in examples)
    assert yaml.safe_load(texts["RETURN"])
    source = (CHECKOUT / "plugins" / "modules" / f"{module}.py").read_text()
    for shared in re.findall(r"plugins\.module_utils\.(\w+) import [^\n]*\bOPTIONS\b", source):
        source += (CHECKOUT / "plugins" / "module_utils" / f"{shared}.py").read_text()
    for option in documented.get("options", {}):
        assert f'"{option}": {{' in source, f"{option} is documented but not in the argument spec"
    options = documented.get("options", {})
    for task in examples:
        for name in task[f"pykubeadm.kube.{module}"] or {}:
            assert name in options, f"the example uses {name}, which is not documented"
