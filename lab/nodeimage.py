"""Node images: Debian with systemd as PID 1, made by debootstrap from the machine's Debian mirror, no registry involved.

Two flavours. `bare` is what a freshly installed server is: systemd, sshd, Python, no container runtime. `ready` is `bare`
with containerd, runc, CNI plugins and what kubelet's package brings: `pykubeadm init` can start at once. Images are tagged
`pykubeadm/node:debian13-ready-<hash>` with a hash of their recipe: built once, and again whenever it changes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab import engine
from lab.host import CACHE, FILES, LABEL, STATE, LabError, docker, locked, require_commands, run

REPOSITORY = "pykubeadm/node"
SUITES = {"debian12": "bookworm", "debian13": "trixie"}
FLAVOURS = ("bare", "ready")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
ENTRYPOINT = 'ENTRYPOINT ["/usr/local/sbin/node-init"]'

# What goes into each flavour, from `files`.
INGREDIENTS = {
    "bare": ("packages-bare", "masked-units", "setup-bare", "node-init"),
    "ready": ("packages-ready", "setup-ready", "kubelet.service", "10-kubeadm.conf", "containerd.toml"),
}


def words(name: str) -> list[str]:
    """The words of a list in `files`, without its comments."""
    return [word for line in (FILES / name).read_text().splitlines() if not line.startswith("#") for word in line.split()]


@dataclass(frozen=True, slots=True)
class NodeImage:
    """Which node: `system` is a key of SUITES, `flavour` one of FLAVOURS."""

    system: str = "debian13"
    flavour: str = "ready"

    def __post_init__(self) -> None:
        if self.system not in SUITES or self.flavour not in FLAVOURS:
            raise LabError(
                f"no node image {self.system}-{self.flavour}; systems: {', '.join(SUITES)}; flavours: {', '.join(FLAVOURS)}"
            )

    @property
    def python(self) -> str:
        """The Python that the system has."""
        return {"debian12": "3.11", "debian13": "3.13"}[self.system]

    @property
    def suite(self) -> str:
        return SUITES[self.system]

    @property
    def tag(self) -> str:
        """The image's full name, with the hash of everything that goes into it."""
        names = [name for flavour in FLAVOURS[: FLAVOURS.index(self.flavour) + 1] for name in INGREDIENTS[flavour]]
        recipe = hashlib.sha256(b"".join((FILES / name).read_bytes() for name in names))
        return f"{REPOSITORY}:{self.system}-{self.flavour}-{recipe.hexdigest()[:12]}"

    def exists(self) -> bool:
        return bool(docker("image", "ls", "--quiet", self.tag))

    def ensure(self) -> str:
        """Build the image unless it is there; returns its tag. Needs an engine (`engine.ensure`)."""
        if not self.exists():
            with locked(f"image-{self.system}"):
                if not self.exists():
                    _build_bare(self) if self.flavour == "bare" else _build_ready(self)
        return self.tag


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """$PYKUBEADM_DEBIAN_MIRROR, else the one this machine's apt uses if it is Debian's, else deb.debian.org."""
    if named := os.environ.get("PYKUBEADM_DEBIAN_MIRROR"):
        return named.rstrip("/")
    # One line a source, or a paragraph of fields (sources.list(5)); of Debian's own the suite is a code name with `main`.
    line = re.compile(r"^deb\s+(?:\[[^]]*\]\s*)?(https?://\S+?/debian)/?\s+[a-z]+\s+main\b", re.MULTILINE)
    for source in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        if source.is_file() and (found := line.search(source.read_text(errors="replace"))):
            return found[1]
    for source in sorted((apt / "sources.list.d").glob("*.sources")):
        for paragraph in source.read_text(errors="replace").split("\n\n"):
            fields = dict(re.findall(r"^(URIs|Suites|Components):\s*(.*?)\s*$", paragraph, re.MULTILINE))
            is_debian = "main" in fields.get("Components", "").split() and re.match(r"[a-z]+(\s|$)", fields.get("Suites", ""))
            if is_debian and (found := re.match(r"(https?://\S+?/debian)/?(?:\s|$)", fields.get("URIs", ""))):
                return found[1]
    return DEFAULT_MIRROR


def _reachable_mirror(suite: str) -> str:
    """The first of this machine's mirror and deb.debian.org that has the suite."""
    problems = []
    for url in dict.fromkeys((mirror(), DEFAULT_MIRROR)):
        try:
            urllib.request.urlopen(f"{url}/dists/{suite}/Release", timeout=15).close()
        except OSError as unreachable:
            problems.append(f"{url} ({unreachable})")
        else:
            return url
    raise LabError(f"Debian's {suite} cannot be reached at {' or '.join(problems)}; name a mirror in PYKUBEADM_DEBIAN_MIRROR")


def _apt_sources(suite: str, url: str) -> str:
    security = f"{url}-security" if url.endswith("/debian") else "http://deb.debian.org/debian-security"
    return f"deb {url} {suite} main\ndeb {url} {suite}-updates main\ndeb {security} {suite}-security main"


def proxies() -> list[str]:
    """NAME=value of the proxy variables, for commands that sudo or Docker would start without them."""
    return [f"{name}={value}" for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")]


def _build_bare(image: NodeImage) -> None:
    require_commands("debootstrap")
    url = _reachable_mirror(image.suite)
    debs = CACHE / "lab" / "debs" / image.suite
    debs.mkdir(parents=True, exist_ok=True)
    run(["mkdir", "-p", STATE / "build"], root=True)
    tree = Path(run(["mktemp", "-d", "-p", STATE / "build"], root=True).stdout.strip())
    options = ["--variant=minbase", f"--include={','.join(words('packages-bare'))}", f"--cache-dir={debs}"]
    # `sid` is the script of every current suite; naming it lets an older debootstrap build a newer Debian.
    script = "/usr/share/debootstrap/scripts/sid"
    try:
        run(["env", *proxies(), "debootstrap", *options, image.suite, tree, url, script], root=True, timeout=900)
        run(["install", "-m", "0755", FILES / "node-init", tree / "usr/local/sbin/node-init"], root=True)
        run(["install", "-m", "0755", FILES / "setup-bare", tree / "tmp/setup"], root=True)
        run(["chroot", tree, "/tmp/setup", _apt_sources(image.suite, url), *words("masked-units")], root=True)
        run(["rm", tree / "tmp/setup"], root=True)
        changes = (ENTRYPOINT, "ENV container=docker", f"LABEL {LABEL}={image.system}")
        imported = " ".join(f"--change {shlex.quote(change)}" for change in changes)
        run(["sh", "-c", f"tar -C {tree} --numeric-owner -c . | docker import {imported} - {image.tag}"], root=True, timeout=300)
    finally:
        run(["rm", "-rf", tree], root=True, check=False, timeout=120)


def _build_ready(image: NodeImage) -> None:
    bare = NodeImage(image.system, "bare")
    if not bare.exists():
        _build_bare(bare)
    name = f"pykubeadm-build-{os.getpid()}"
    # The host's network: its own may have no way out, and there is nothing to keep apart.
    options = [f"--name={name}", f"--label={LABEL}=build", "--network=host", "--privileged", f"--volume={FILES}:/lab:ro"]
    try:
        # `env` and not --env, which the image would keep.
        docker(
            "run",
            *options,
            "--entrypoint=/usr/bin/env",
            bare.tag,
            *proxies(),
            "/lab/setup-ready",
            *words("packages-ready"),
            timeout=600,
        )
        docker(
            "commit",
            "--change",
            ENTRYPOINT,
            "--change",
            "CMD []",
            "--change",
            f"LABEL {LABEL}={image.system}",
            name,
            image.tag,
            timeout=300,
        )
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def remove_stale() -> None:
    """Remove node images of older recipes."""
    current = {NodeImage(system, flavour).tag for system in SUITES for flavour in FLAVOURS}
    for tag in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).splitlines():
        if tag not in current:
            docker("image", "rm", tag, check=False)


def main() -> int:
    """`python -m lab.nodeimage [SYSTEM] [FLAVOUR]`: build a node image and print its name."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.nodeimage", description="Build a node image unless it is there; print its name."
    )
    parser.add_argument("system", nargs="?", default="debian13", choices=SUITES)
    parser.add_argument("flavour", nargs="?", default="ready", choices=FLAVOURS)
    args = parser.parse_args()
    try:
        engine.ensure()
        print(NodeImage(args.system, args.flavour).ensure())
    except LabError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
