"""What kubeadm does for users other than root, in directories of their own: certificates, requests, kubeconfigs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
# May read everything, as the interpreter can lie in a directory that is closed to others, and write nothing of root's.
_AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
CLUSTER = """
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.0.0.9}
nodeRegistration: {name: cp1, criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
encryptionAlgorithm: ECDSA-P256
"""


def pykubeadm(*words: str) -> subprocess.CompletedProcess[str]:
    command = [*(_AS_NOBODY if os.geteuid() == 0 else ()), sys.executable, "-m", "pykubeadm", *words]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture
def home() -> Iterator[Path]:
    """Below /tmp, as pytest's own directories are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="pykubeadm-user-"))
    (path / "cluster.yaml").write_text(f"{CLUSTER}certificatesDir: {path}/pki\n")
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def test_directories_of_ones_own_need_no_root(home: Path) -> None:
    config = ("--config", f"{home}/cluster.yaml")
    for words in (
        ("init", "phase", "certs", "all", *config),
        ("init", "phase", "certs", "all", *config),
        ("init", "phase", "kubeconfig", "all", *config, "--kubeconfig-dir", f"{home}/conf"),
        ("certs", "generate-csr", *config, "--cert-dir", f"{home}/csr", "--kubeconfig-dir", f"{home}/csr"),
        ("kubeconfig", "user", "--client-name", "jane", *config),
    ):
        done = pykubeadm(*words)
        assert done.returncode == 0, done.stderr
    assert {"pki/ca.key", "pki/apiserver.crt", "conf/admin.conf", "csr/apiserver.csr", "csr/kubelet.conf.csr"} <= {
        str(path.relative_to(home)) for path in home.rglob("*")
    }


def test_what_needs_root_says_so(home: Path) -> None:
    done = pykubeadm("init", "phase", "control-plane", "all", "--config", f"{home}/cluster.yaml")
    assert (done.returncode, "permission denied; run this as root" in done.stderr) == (5, True), done.stderr
