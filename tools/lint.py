"""`make lint`: every checker, all of them even when one finds something; one line for each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.host import CHECKOUT

CHECKERS = {
    "ruff check": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--quiet", "--check", "--diff", "."],
    "mypy": ["mypy", "--no-error-summary"],
    # Two mypy at once on one cache that is not there yet break each other.
    "mypy lab, bench": ["mypy", "--no-error-summary", "--cache-dir=.mypy_lab_cache", "lab", "tests/bench"],
    "import-linter": ["lint-imports", "--no-cache"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "-q", "--nocolor"],
    "README of roles": ["python", "tools/roles.py", "--check"],
    "drawing of the packages": ["python", "tools/architecture.py", "--check"],
}


def _check(name: str, collections: str) -> tuple[str, subprocess.CompletedProcess[str], float]:
    tools = Path(sys.executable).parent  # the virtual environment's
    path = f"{tools}:{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "ANSIBLE_COLLECTIONS_PATH": collections}
    began = time.monotonic()
    command, *arguments = CHECKERS[name]
    done = subprocess.run(
        [str(tools / command), *arguments], cwd=CHECKOUT, env=environment, check=False, capture_output=True, text=True
    )
    return name, done, time.monotonic() - began


def main() -> int:
    failed = 0
    # Ansible finds the roles and modules of this checkout as the collection pykubeadm.kube.
    with tempfile.TemporaryDirectory() as collections, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        collection = Path(collections) / "ansible_collections" / "pykubeadm" / "kube"
        collection.parent.mkdir(parents=True)
        collection.symlink_to(CHECKOUT)
        for name, done, seconds in pool.map(lambda name: _check(name, collections), CHECKERS):
            print(f"{name}: {'clean' if done.returncode == 0 else 'FAILED'} ({seconds:.0f} s)", flush=True)
            if done.returncode != 0:
                failed += 1
                print(done.stdout + done.stderr, flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
