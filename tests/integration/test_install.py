"""The wheel carries what the package needs: an unpacked one, away from the checkout, finds its templates and its roles."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 192.168.10.5}
nodeRegistration: {name: cp1, criSocket: unix:///run/containerd/containerd.sock}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel as an installation has them."""
    build = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(build)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [wheel] = build.glob("pykubeadm-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(build / "site")
    return build / "site"


def run(installed: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "pykubeadm", *argv]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def test_it_renders_with_the_templates_it_brought(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "kubeadm.yaml").write_text(CONFIG)
    done = run(installed, "init", "phase", "control-plane", "all", "--rootfs", str(tmp_path), "--config", "/kubeadm.yaml")
    assert done.returncode == 0, done.stderr
    assert "--advertise-address=192.168.10.5" in (tmp_path / "etc/kubernetes/manifests/kube-apiserver.yaml").read_text()


def test_the_collection_in_it_is_whole_and_alone(installed: Path) -> None:
    collection = installed / "pykubeadm/_data/ansible_collections/pykubeadm/kube"
    roles = {path.name for path in (CHECKOUT / "roles").iterdir()}
    assert {path.name for path in (collection / "roles").iterdir()} == roles
    assert (collection / "playbooks/prepare.yml").is_file()
    assert not any((installed / name).exists() for name in ("tests", "molecule", "docs"))
