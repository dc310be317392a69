"""What the modules import: a node compiles it in each call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[4] / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_what_only_downloads_need(name):
    script = (
        "import importlib, sys\n"
        f"importlib.import_module('ansible_collections.pykubeadm.kube.plugins.modules.{name}')\n"
        "print(sorted({'ansible.module_utils.urls', 'http.client', 'ssl', 'urllib.request'} & set(sys.modules)))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
