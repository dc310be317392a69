"""Kubernetes' images, already unpacked in a containerd store, so that a node starts with them in about a second.

The store is made once per node image and set of binaries, inside a container of the node image: `oci.py` turns the binaries into
images there (with that system's libraries) and a containerd imports them. A node gets a copy of hard links: layers and blobs are
never written in place, and the databases are copied.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lab.assets import CONTROL_PLANE, Assets
from lab.host import LABEL, STATE, LabError, docker, locked, run
from lab.nodeimage import NodeImage
from lab.oci import Image, dump
from pykubeadm.config.versions import DEFAULT_REPOSITORY, etcd_is_3_5, parse_version, release_of

STORES = STATE / "stores"
KEPT_STORES = 4
TEST_IMAGE = "pykubeadm.test/busybox:1"
# What the node images' containerd is configured with (files/containerd-*.toml).
SANDBOX_TAG = "3.10.2"
BUSYBOX_APPLETS = "sh cat echo hostname httpd ip ls mkdir nc nslookup ping sleep test touch true wget"
XTABLES_COMMANDS = tuple(f"{kind}{action}" for kind in ("iptables", "ip6tables") for action in ("", "-save", "-restore"))

# Debian's catatonit pauses as Kubernetes' program does; `pause -v`, kubeadm's health check before upgrades, must end.
PAUSE = """#!/bin/sh
[ "${1:-}" = -v ] && exec echo pause
exec /catatonit -P
"""

# kubeadm writes etcd 3.6's flags whatever its tag says. Under the default tag an etcd 3.5 gets those it knows.
ETCD_3_5_LAUNCHER = """#!/bin/sh
count=$#
while [ $count -gt 0 ]; do
    argument=$1
    shift
    count=$((count - 1))
    case $argument in
    --feature-gates=*) ;;
    --watch-progress-notify-interval=*) set -- "$@" "--experimental-${argument#--}" ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec /usr/local/lib/etcd-3.5 "$@"
"""

IMPORT = r"""
set -eu -o pipefail
containerd --log-level error >/tmp/containerd.log 2>&1 &
pid=$!
mkdir -p /tmp/archives
tries=0
until ctr version >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || { cat /tmp/containerd.log >&2; exit 1; }
    sleep 0.1
done
python3 /lab/oci.py /tmp/archives | while read -r archive; do
    ctr -n k8s.io images import "$archive" >/dev/null
    rm "$archive"
done
for name in ${PULL:-}; do ctr -n k8s.io images pull "$name" >/dev/null; done
for name in $(ctr -n k8s.io images ls -q); do
    ctr -n k8s.io images label "$name" io.cri-containerd.image=managed >/dev/null
    echo "$name"
done
kill "$pid"
wait "$pid" || true
cd /var/lib/containerd
rm -rf io.containerd.grpc.v1.introspection tmpmounts io.containerd.runtime*
"""


def images(assets: Assets) -> list[Image]:
    """The images made of `assets`' binaries, under the names kubeadm and pykubeadm give them. The tags of what does not belong
    to Kubernetes differ: kubeadm's are those of its own release, ours those of the newest release of kubeadm that knows it."""
    release, found, own = release_of(assets.version), [], kubeadm_images(assets)
    shell = {"/bin/busybox": "/usr/bin/busybox"}
    pause = f"{DEFAULT_REPOSITORY}/pause:{release.pause}"
    aliases = _aliases(pause, (*own, f"{DEFAULT_REPOSITORY}/pause:{SANDBOX_TAG}"))
    if program := _inside(assets, "pause"):
        found.append(Image(pause, files={"/pause": program}, entrypoint=("/pause",), aliases=aliases))
    else:
        files, scripts = {"/catatonit": "/usr/bin/catatonit", **shell}, {"/pause": PAUSE}
        found.append(Image(pause, files, links={"/bin/sh": "busybox"}, scripts=scripts, entrypoint=("/pause",), aliases=aliases))
    applets = {f"/bin/{name}": "busybox" for name in BUSYBOX_APPLETS.split()}
    found.append(Image(TEST_IMAGE, files=shell, links=applets))
    if assets.pulls_images:
        return found
    for name in CONTROL_PLANE:
        files = {f"/usr/local/bin/{name}": _inside(assets, name) or ""}
        if name == "kube-proxy":
            tools = {
                path: path for path in ("/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/sbin/ipset")
            }
            links = {f"/usr/sbin/{command}": "xtables-nft-multi" for command in XTABLES_COMMANDS}
            libraries = f"/usr/lib/{os.uname().machine}-linux-gnu/xtables"
            found.append(
                Image(f"{DEFAULT_REPOSITORY}/{name}:{assets.version}", files=files | tools, links=links, trees=(libraries,))
            )
        else:
            found.append(Image(f"{DEFAULT_REPOSITORY}/{name}:{assets.version}", files=files))
    coredns, program = f"{DEFAULT_REPOSITORY}/coredns/coredns:{release.coredns}", _inside(assets, "coredns") or ""
    found.append(Image(coredns, files={"/coredns": program}, entrypoint=("/coredns",), aliases=_aliases(coredns, own)))
    return [*found, *_etcd_images(assets, own)]


def _etcd_images(assets: Assets, own: Sequence[str]) -> list[Image]:
    release = release_of(assets.version)
    etcd = _inside(assets, "etcd") or "/usr/bin/etcd"
    client = {f"/usr/local/bin/{name}": path for name in ("etcdctl", "etcdutl") if (path := _inside(assets, name))}
    default = f"{DEFAULT_REPOSITORY}/etcd:{release.etcd}"
    plain = Image(default, files={"/usr/local/bin/etcd": etcd, **client}, aliases=_aliases(default, own))
    if not assets.etcd_tag:
        return [plain]
    tagged = replace(plain, name=f"{DEFAULT_REPOSITORY}/etcd:{assets.etcd_tag}", aliases=())
    if not etcd_is_3_5(assets.etcd_tag) or etcd_is_3_5(release.etcd):
        return [tagged]
    launched = replace(
        plain,
        files={"/usr/local/lib/etcd-3.5": etcd, "/bin/busybox": "/usr/bin/busybox", **client},
        links={"/bin/sh": "busybox"},
        scripts={"/usr/local/bin/etcd": ETCD_3_5_LAUNCHER},
    )
    return [tagged, launched]


def _aliases(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those among `others` that name the same image with another tag."""
    return tuple(sorted({other for other in others if other.rpartition(":")[0] == name.rpartition(":")[0]} - {name}))


@functools.cache
def kubeadm_images(assets: Assets) -> tuple[str, ...]:
    """The images that the kubeadm of these binaries deploys; () where there is none."""
    kubeadm = assets.program("kubeadm")
    if kubeadm is None:
        return ()
    listed = run([kubeadm, "config", "images", "list", "--kubernetes-version", assets.version], timeout=20).stdout
    return tuple(line for line in listed.split() if "/" in line)


def _pulled(assets: Assets) -> list[str]:
    """The names that come from the registry."""
    if not assets.pulls_images:
        return []
    release = release_of(assets.version)
    names = [
        *(f"{DEFAULT_REPOSITORY}/{name}:{assets.version}" for name in CONTROL_PLANE),
        f"{DEFAULT_REPOSITORY}/coredns/coredns:{release.coredns}",
        f"{DEFAULT_REPOSITORY}/etcd:{release.etcd}",
    ]
    return list(dict.fromkeys([*names, *(name for name in kubeadm_images(assets) if "/pause:" not in name)]))


def _inside(assets: Assets, name: str) -> str | None:
    """A binary's path in the container that makes the store: each folder of binaries is mounted below /assets."""
    program = assets.program(name)
    return f"/assets{program}" if program else None


def _key(image: NodeImage, assets: Sequence[Assets]) -> str:
    """A hash of all that goes into the store; a binary counts by size and time."""
    parts = [image.tag, IMPORT, (Path(__file__).parent / "oci.py").read_text()]
    for each in assets:
        parts += [dump(images(each)), *_pulled(each)]
        for name in (*CONTROL_PLANE, "etcd", "etcdctl", "etcdutl", "coredns", "pause"):
            if program := each.program(name):
                status = program.stat()
                parts.append(f"{program} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def ensure(image: NodeImage, assets: Sequence[Assets]) -> Path:
    """Make the store unless it is there; returns its folder (root's). Needs an engine and the node image."""
    store = STORES / _key(image, assets)
    with locked("stores"):
        if run(["test", "-d", store], root=True, check=False).returncode != 0:
            _make(store, image, assets)
    return store


def all_images(assets: Sequence[Assets]) -> list[Image]:
    """The images of several versions. What they share by name is made once, the newest's, with the other names of all."""
    unique: dict[str, Image] = {}
    for of_one in sorted(assets, key=lambda each: parse_version(each.version)):
        for each in images(of_one):
            before = unique[each.name].aliases if each.name in unique else ()
            unique[each.name] = replace(each, aliases=tuple(sorted({*before, *each.aliases})))
    return [replace(each, aliases=tuple(name for name in each.aliases if name not in unique)) for each in unique.values()]


def _make(store: Path, image: NodeImage, assets: Sequence[Assets]) -> None:
    unique = all_images(assets)
    folders = sorted({str(folder) for each in assets for folder in (each.bin, *each.lenders)})
    mounts = [f"--volume={folder}:/assets{folder}:ro" for folder in folders]
    scratch = store.with_suffix(".part")
    run(["rm", "-rf", scratch], root=True)
    run(["mkdir", "-p", scratch], root=True)
    pulled = " ".join(name for each in assets for name in _pulled(each))
    try:
        listed = docker(
            "run",
            "--rm",
            "--interactive",
            "--privileged",
            "--network",
            "host",
            "--label",
            f"{LABEL}=build",
            "--env",
            f"PULL={pulled}",
            "--tmpfs",
            "/run:exec",
            "--volume",
            f"{Path(__file__).parent}:/lab:ro",
            "--volume",
            f"{scratch}:/var/lib/containerd",
            *mounts,
            "--volume",
            "/tmp",
            "--entrypoint",
            "/bin/bash",
            image.ensure(),
            "-c",
            IMPORT,
            stdin=dump(unique),
            timeout=600,
        )
        wanted = {name for each in unique for name in (each.name, *each.aliases)} | set(pulled.split())
        if lost := wanted - set(listed.split()):
            raise LabError(f"images did not arrive in the store: {', '.join(sorted(lost))}")
        run(["mv", scratch, store], root=True)
        # A store is about 1 GB. Nodes keep what they use by their own links, so old ones can go at any time.
        run(
            ["sh", "-c", f'ls -dt "$1"/* | tail -n +{KEPT_STORES + 1} | xargs -r rm -rf', "prune", STORES], root=True, timeout=120
        )
    finally:
        run(["rm", "-rf", scratch], root=True, timeout=120)


def copy(store: Path, target: Path) -> None:
    """Give a node its own copy of the store: hard links, but for the databases."""
    script = (
        'set -e; mkdir -p "$2"; cp -al "$1/." "$2"; cd "$1"; find . -name "*.db" -exec cp --remove-destination {} "$2/{}" \\;'
    )
    run(["sh", "-c", script, "copy", store, target], root=True)


def remove_all() -> None:
    """Remove every store; the next node that needs one makes it again, in seconds."""
    run(["rm", "-rf", STORES], root=True, timeout=120)
