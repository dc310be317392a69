"""Where a node's programs, archives and images may lie on this machine already."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pykubeadm.config.versions import Version, parse_version
from pykubeadm.util.dataclass import dataclass

ENVIRONMENT = "PYKUBEADM_ASSETS"
CACHE = "~/.cache/pykubeadm/assets"
# On nodes, where an administrator may have put them (the roles' defaults).
NODE_FOLDER = "/opt/kubernetes"

_CNI_ARCHIVE = re.compile(r"cni-plugins-linux-[a-z0-9]+-v(\d+\.\d+\.\d+)\.tgz")


@dataclass(frozen=True, slots=True)
class Assets:
    """Folders that exist, else "": programs (`bin`), release archives and image archives."""

    programs: str = ""
    archives: str = ""
    images: str = ""
    cni_version: str = ""  # of the newest CNI plugins' archive in `archives`


def find_assets(version: str, environment: Mapping[str, str]) -> Assets:
    """The first of $PYKUBEADM_ASSETS (a folder with `bin`, or that `bin` itself), ~/.cache/pykubeadm/assets/VERSION ("v1.36.2"),
    /opt/kubernetes/VERSION and /opt/kubernetes that has a kubelet; from the others come the archives and images that it does not
    have."""
    named = environment.get(ENVIRONMENT, "")
    folders = [named] if named else []
    folders += [os.path.join(base, version) for base in (os.path.expanduser(CACHE), NODE_FOLDER)] + [NODE_FOLDER]
    programs = [folder for base in folders for folder in (os.path.join(base, "bin"), base) if _is_file(folder, "kubelet")]
    archives = _first_folder(folders, "archives")
    versions = [found[1] for name in _names(archives) if (found := _CNI_ARCHIVE.fullmatch(name))]
    newest = max(versions, key=lambda text: tuple(int(part) for part in text.split(".")), default="")
    return Assets(programs[0] if programs else "", archives, _first_folder(folders, "images"), newest)


def held_versions(environment: Mapping[str, str]) -> tuple[Version, ...]:
    """The releases that folders of $PYKUBEADM_ASSETS and ~/.cache/pykubeadm/assets are named after, where they have a kubelet."""
    named = environment.get(ENVIRONMENT, "").rstrip("/").removesuffix("/bin")
    cache = os.path.expanduser(CACHE)
    folders = [os.path.join(cache, name) for name in _names(cache)] + ([named] if named else [])
    found = [folder for folder in folders if _is_file(os.path.join(folder, "bin"), "kubelet") or _is_file(folder, "kubelet")]
    return tuple(sorted({version for folder in found if (version := _version(os.path.basename(folder))) is not None}))


def _version(name: str) -> Version | None:
    try:
        return parse_version(name)
    except ValueError:
        return None


def _is_file(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))


def _first_folder(bases: list[str], name: str) -> str:
    return next((path for base in bases if os.path.isdir(path := os.path.join(base, name))), "")


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []
