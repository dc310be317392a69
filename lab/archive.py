"""Image archives for bare nodes: all that a cluster of one version needs in one file, as an air-gapped site would have it."""

from __future__ import annotations

from pathlib import Path

from lab import node
from lab.assets import Assets
from lab.host import CACHE, docker, locked


def ensure(kubernetes: Assets) -> Path:
    """The folder with the archive, made once out of a node that has the images."""
    folder = CACHE / "lab" / "archives" / kubernetes.version
    archive = folder / "images.tar"
    with locked("archives"):
        if not archive.exists():
            folder.mkdir(parents=True, exist_ok=True)
            ready = node.start("archive", assets=[kubernetes], with_pykubeadm=False)
            try:
                names = "$(ctr -n k8s.io images ls -q | grep -v ^sha256)"
                ready.shell(f"ctr -n k8s.io images export /var/lib/etcd/images.tar {names}", timeout=300)
                docker("cp", f"{ready.name}:/var/lib/etcd/images.tar", archive, timeout=300)
            finally:
                ready.remove()
    return folder
