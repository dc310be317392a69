"""Kubernetes' binaries: found on this machine, else downloaded from dl.k8s.io and verified.

Looked for in this order: $PYKUBEADM_ASSETS (a folder with `bin/`, or that `bin` itself), ~/.cache/pykubeadm/assets/VERSION/bin,
the official downloads. A folder with the control plane's binaries needs no registry (`oci.py` makes the images); one without,
such as the downloaded, has its images pulled from registry.k8s.io.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.host import ARCH, CACHE, LabError, run
from pykubeadm.config.versions import NEWEST_KNOWN, Version, parse_version, release_of

REQUIRED = ("kubelet", "kubectl")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# What does not belong to one version of Kubernetes: where it is missing in a folder, another version's may lend it.
SHARED = ("etcd", "etcdctl", "etcdutl", "coredns", "crictl", "pause")
DOWNLOADS = ("kubeadm", "kubelet", "kubectl")


class AssetsMissing(LabError):  # noqa: N818 - a state of the machine more than an error
    """There are no Kubernetes binaries; the text says where they were looked for."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The official places. `timeout` is in seconds, for a probe; a transfer may stall three times as long."""

    downloads: str = "https://dl.k8s.io"
    registry: str = "https://registry.k8s.io"
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Assets:
    """The binaries of one Kubernetes version. `lenders` are other versions' folders, newest first."""

    version: str  # "v1.36.2"
    bin: Path
    lenders: tuple[Path, ...] = field(default=(), repr=False)

    def program(self, name: str) -> Path | None:
        """The binary, None where there is none."""
        folders = (self.bin, *self.lenders) if name in SHARED else (self.bin,)
        return next((folder / name for folder in folders if (folder / name).is_file()), None)

    @property
    def pulls_images(self) -> bool:
        """Whether images come from the registry since the control plane's binaries are not all here."""
        return any(self.program(name) is None for name in (*CONTROL_PLANE, "coredns"))

    @property
    def etcd_tag(self) -> str | None:
        """The image tag that names the series of our etcd ("3.5.30-0"); None where it is Debian's or of the minor version that
        Kubernetes' default tag names, under which the image then goes: kubeadm's upgrades expect that tag."""
        etcd = self.program("etcd")
        if etcd is None or self.pulls_images:
            return None
        version = _etcd_version(etcd)
        default = release_of(self.version).etcd
        return None if default.split(".")[:2] == version.split(".")[:2] else f"{version}-0"


@functools.cache
def _etcd_version(etcd: Path) -> str:
    found = re.search(r"etcd Version: (\S+)", run([etcd, "--version"], timeout=20).stdout)
    if not found:
        raise LabError(f"{etcd} --version does not say its version")
    return found[1]


def find(
    version: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    cache: Path = CACHE / "assets",
    sources: Sources | None = Sources(),
) -> Assets:
    """The binaries of `version` ("v1.36.2" or "1.36.2"), without it the newest there are. `sources=None` downloads nothing.

    Raises AssetsMissing.
    """
    looked: list[str] = []
    if named := environment.get("PYKUBEADM_ASSETS"):
        found = _in_folder(Path(named).expanduser(), cache)
        if found and version in (None, found.version, found.version.removeprefix("v")):
            return found
        looked.append(f"PYKUBEADM_ASSETS={named}" + (f" (it holds {found.version})" if found else " (no kubelet and kubectl)"))
    for known, folder in _cached(cache):
        if version in (None, str(known), str(known).removeprefix("v")):
            found = _in_folder(folder, cache)
            if found:
                return found
    looked.append(f"{cache}/{version or 'VERSION'}/bin")
    if sources is not None:
        wanted = str(parse_version(version or NEWEST_KNOWN))
        try:
            probe(sources)
            return Assets(wanted, download(wanted, cache / wanted / "bin", sources), _lenders(cache))
        except (AssetsMissing, OSError) as unreachable:
            looked.append(f"{sources.downloads} and {sources.registry} ({unreachable})")
    raise AssetsMissing(f"Kubernetes' binaries{f' {version}' if version else ''} were not found; looked in: {'; '.join(looked)}")


def _cached(cache: Path) -> Iterator[tuple[Version, Path]]:
    """Version folders with a `bin`, newest first."""
    known: list[tuple[Version, Path]] = []
    for folder in cache.glob("*"):
        try:
            known.append((parse_version(folder.name), folder))
        except ValueError:
            continue
    yield from sorted(known, key=lambda item: item[0], reverse=True)


def _lenders(cache: Path) -> tuple[Path, ...]:
    return tuple(folder / "bin" for _, folder in _cached(cache) if (folder / "bin").is_dir())


def _in_folder(folder: Path, cache: Path) -> Assets | None:
    for candidate in (folder / "bin", folder):
        if all((candidate / name).is_file() for name in REQUIRED):
            return Assets(_kubelet_version(candidate.resolve() / "kubelet"), candidate.resolve(), _lenders(cache))
    return None


@functools.cache
def _kubelet_version(kubelet: Path) -> str:
    found = re.search(r"v\d+\.\d+\.\d+\S*", run([kubelet, "--version"], timeout=20).stdout)
    if not found:
        raise LabError(f"{kubelet} --version does not say its version")
    return found[0].partition("+")[0]


def probe(sources: Sources) -> None:
    """AssetsMissing unless both official places answer in time."""
    for url in (f"{sources.downloads}/release/stable.txt", f"{sources.registry}/v2/"):
        try:
            urllib.request.urlopen(url, timeout=sources.timeout).close()
        except urllib.error.HTTPError as answer:
            # Any answer below 500 but 403 (a proxy that forbids it) is one from the place itself.
            if answer.code == 403 or answer.code >= 500:
                raise AssetsMissing(f"{url} answers {answer.code}") from answer
        except (OSError, http.client.HTTPException) as unreachable:
            raise AssetsMissing(f"{url} cannot be reached: {getattr(unreachable, 'reason', unreachable)}") from unreachable


def download(version: str, target: Path, sources: Sources) -> Path:
    """Download DOWNLOADS of `version` into `target`, verified by their published sha256: all or nothing. Returns `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as scratch:
        for name in DOWNLOADS:
            url = f"{sources.downloads}/release/{version}/bin/linux/{ARCH}/{name}"
            published = _fetch(f"{url}.sha256", sources).read(200).decode(errors="replace").split()
            expected = published[0] if published else ""
            actual = hashlib.sha256()
            with _fetch(url, sources) as body, (Path(scratch) / name).open("wb") as file:
                try:
                    while chunk := body.read(1 << 20):
                        actual.update(chunk)
                        file.write(chunk)
                except (OSError, http.client.HTTPException) as broken:
                    raise AssetsMissing(f"{url} broke off: {broken}") from broken
            if actual.hexdigest() != expected:
                raise AssetsMissing(f"{url} has the sha256 {actual.hexdigest()}, published is {expected or 'none'}")

            (Path(scratch) / name).chmod(0o755)
        target.mkdir(exist_ok=True)
        for name in DOWNLOADS:
            shutil.move(Path(scratch) / name, target / name)
    return target


def _fetch(url: str, sources: Sources) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=3 * sources.timeout)
    except urllib.error.HTTPError as answer:
        raise AssetsMissing(f"{url} answers {answer.code} {answer.reason}") from answer
    except (OSError, http.client.HTTPException) as unreachable:
        raise AssetsMissing(f"{url} cannot be reached: {getattr(unreachable, 'reason', unreachable)}") from unreachable
    return response
