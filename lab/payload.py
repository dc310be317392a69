"""pykubeadm for nodes: a virtual environment with its dependencies for the node's Python, and a copy of the checkout.

Both are folders in the cache that nodes mount read-only, made once per content and byte-compiled by the node's own Python: a
command starts as fast as an installed one, and editing the checkout does not disturb nodes that run.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lab.host import ARCH, CACHE, CHECKOUT, LABEL, LabError, docker, locked, run
from lab.nodeimage import NodeImage

MOUNT = "/opt/pykubeadm"  # the virtual environment; the checkout is at MOUNT/src
SHIPPED = ("galaxy.yml", "installer", "meta", "playbooks", "plugins", "roles", "templates")
PACKAGES = CACHE / "lab" / "python"
COPIES = CACHE / "lab" / "checkout"
KEPT_COPIES = 8
LAUNCHER = f"""#!{MOUNT}/bin/python
import sys
from pykubeadm.cli.main import main
sys.exit(main())
"""


def mounts(image: NodeImage) -> list[str]:
    """`docker run` arguments that give a node pykubeadm."""
    environment, copy = folders(image)
    return [f"--volume={environment}:{MOUNT}:ro", f"--volume={copy}:{MOUNT}/src:ro"]


def folders(image: NodeImage) -> tuple[Path, Path]:
    """The virtual environment for MOUNT and the checkout for MOUNT/src."""
    with locked("payload"):
        return _environment(image), _copy(image)


def _environment(image: NodeImage) -> Path:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    dependencies = [*project["dependencies"], *project["optional-dependencies"]["encryption"]]
    key = hashlib.sha256("\0".join([image.python, LAUNCHER, *dependencies]).encode()).hexdigest()[:12]
    target = PACKAGES / f"{image.system}-{key}"
    if target.is_dir():
        return target
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PACKAGES, prefix=".new-") as scratch:
        tree = Path(scratch) / "tree"
        packages = tree / "lib" / f"python{image.python}" / "site-packages"
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(ARCH, ARCH)
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(36, 16, -1)] + [
            f"--platform=manylinux2014_{machine}"
        ]
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-compile",
                "--only-binary=:all:",
                f"--python-version={image.python}",
                "--implementation=cp",
                *platforms,
                f"--target={packages}",
                *dependencies,
            ],
            timeout=600,
        )
        # pip puts commands beside the packages and starts them with the Python it runs in.
        (tree / "bin").mkdir()
        for script in sorted((packages / "bin").iterdir()):
            first, _, rest = script.read_text().partition("\n")
            (tree / "bin" / script.name).write_text(
                f"#!{MOUNT}/bin/python\n{rest}" if first.startswith("#!") else f"{first}\n{rest}"
            )
        shutil.rmtree(packages / "bin")
        (tree / "bin" / "pykubeadm").write_text(LAUNCHER)
        for script in (tree / "bin").iterdir():
            script.chmod(0o755)
        for name in ("python", "python3"):
            (tree / "bin" / name).symlink_to("/usr/bin/python3")
        (tree / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        (packages / "pykubeadm.pth").write_text(f"{MOUNT}/src/installer\n")
        (tree / "src").mkdir()
        _compile(image, tree, MOUNT)
        tree.rename(target)
    return target


def _shipped_files() -> Iterator[Path]:
    for name in SHIPPED:
        top = CHECKOUT / name
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _copy(image: NodeImage) -> Path:
    state = hashlib.sha256(image.python.encode())
    files = list(_shipped_files())
    for path in files:
        state.update(f"{path.relative_to(CHECKOUT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    target = COPIES / f"{image.python}-{state.hexdigest()[:12]}"
    if target.is_dir():
        target.touch()
        return target
    COPIES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=COPIES, prefix=".new-") as scratch:
        tree = Path(scratch) / "tree"
        for path in files:
            to = tree / path.relative_to(CHECKOUT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
        _compile(image, tree, f"{MOUNT}/src")
        tree.rename(target)
    used = docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Mounts}}", "--no-trunc")
    old = sorted((path for path in COPIES.iterdir() if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime)
    for path in old[:-KEPT_COPIES]:
        if str(path) not in used:
            run(["rm", "-rf", path], root=True)  # the byte code in it is root's
    return target


def _compile(image: NodeImage, tree: Path, inside: str) -> None:
    """Byte-compile with the node's Python; files it cannot compile (templates of other versions) are not our concern."""
    if not tree.is_dir():
        raise LabError(f"{tree} vanished")
    docker(
        "run",
        "--rm",
        "--network",
        "none",
        "--label",
        f"{LABEL}=build",
        f"--volume={tree}:{inside}",
        "--entrypoint",
        "/usr/bin/python3",
        image.ensure(),
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        inside,
        check=False,
        timeout=300,
    )
