from __future__ import annotations

from pykubeadm.ansible import assets
from pykubeadm.ansible.assets import find_assets


def programs(folder):
    folder.mkdir(parents=True)
    (folder / "kubelet").write_bytes(b"")
    return str(folder)


def test_the_named_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    cached = programs(tmp_path / ".cache/pykubeadm/assets/v1.36.2/bin")
    assert find_assets("v1.36.2", {}).programs == cached
    assert find_assets("v1.35.0", {}).programs == ""
    named = programs(tmp_path / "named" / "bin")
    assert find_assets("v1.36.2", {"PYKUBEADM_ASSETS": str(tmp_path / "named")}).programs == named
    assert find_assets("v1.36.2", {"PYKUBEADM_ASSETS": named}).programs == named


def test_a_node_may_have_programs_of_several_versions(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(assets, "NODE_FOLDER", str(tmp_path / "opt"))
    unnamed = programs(tmp_path / "opt" / "bin")
    versioned = programs(tmp_path / "opt" / "v1.36.2" / "bin")
    assert find_assets("v1.36.2", {}).programs == versioned
    assert find_assets("v1.35.0", {}).programs == unnamed


def test_archives_tell_the_version_of_the_plugins(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    archives = tmp_path / "a" / "archives"
    archives.mkdir(parents=True)
    for version in ("1.7.1", "1.10.0"):
        (archives / f"cni-plugins-linux-amd64-v{version}.tgz").write_bytes(b"")
    found = find_assets("v1.36.2", {"PYKUBEADM_ASSETS": str(tmp_path / "a")})
    assert (found.archives, found.cni_version, found.programs) == (str(archives), "1.10.0", "")
