"""Which Debian mirror the node images come from, and what makes an image a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import nodeimage
from lab.host import LabError
from lab.nodeimage import DEFAULT_MIRROR, NodeImage, mirror


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYKUBEADM_DEBIAN_MIRROR", raising=False)


def _apt(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "sources.list.d").mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("sources.list", "deb http://ftp.de.debian.org/debian/ trixie main contrib\n", "http://ftp.de.debian.org/debian"),
        ("sources.list", "deb [arch=amd64] https://mirror.test/debian bookworm main\n", "https://mirror.test/debian"),
        ("sources.list", "# deb http://mirror.test/debian bookworm main\n", DEFAULT_MIRROR),
        ("sources.list", "deb http://archive.ubuntu.com/ubuntu noble main\n", DEFAULT_MIRROR),
        ("sources.list.d/docker.list", "deb https://download.docker.com/linux/debian bookworm stable\n", DEFAULT_MIRROR),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://mirror.test/debian\nSuites: trixie trixie-updates\nComponents: main\n",
            "http://mirror.test/debian",
        ),
        (
            "sources.list.d/docker.sources",
            "Types: deb\nURIs: https://download.docker.com/linux/debian\nSuites: trixie\nComponents: stable\n",
            DEFAULT_MIRROR,
        ),
    ],
)
def test_the_mirror_is_the_machine_s_own(tmp_path: Path, name: str, text: str, expected: str) -> None:
    assert mirror(_apt(tmp_path, name, text)) == expected


def test_a_named_mirror_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYKUBEADM_DEBIAN_MIRROR", "http://named.test/debian/")
    assert mirror(_apt(tmp_path, "sources.list", "deb http://mirror.test/debian trixie main\n")) == "http://named.test/debian"


def test_a_changed_ingredient_makes_a_new_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in nodeimage.FILES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = {flavour: NodeImage("debian13", flavour).tag for flavour in ("bare", "ready")}
    monkeypatch.setattr(nodeimage, "FILES", tmp_path)
    assert {flavour: NodeImage("debian13", flavour).tag for flavour in before} == before
    (tmp_path / "containerd.toml").write_text("changed")
    assert NodeImage("debian13", "bare").tag == before["bare"]
    assert NodeImage("debian13", "ready").tag != before["ready"]
    (tmp_path / "node-init").write_text("changed")
    assert NodeImage("debian13", "bare").tag != before["bare"]


def test_an_unknown_system_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="debian12"):
        NodeImage("debian11", "bare")
