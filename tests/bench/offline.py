"""What needs no node: start-up, certificates, all offline phases; beside real kubeadm where it is there."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.timing import Row, command

PYKUBEADM = (sys.executable, "-m", "pykubeadm")
# Without these, `init` consists of its offline phases: certs, kubeconfig, etcd, control-plane, kubelet-start (with no kubelet).
ONLINE = (
    "preflight", "wait-control-plane", "upload-config", "upload-certs", "mark-control-plane", "bootstrap-token",
    "kubelet-finalize", "addon", "show-join-command",
)  # fmt: skip
OURS_ONLINE = ("prepare", "serving-approver")
RUNS = 5

_CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 192.168.10.5}}
nodeRegistration: {{name: cp1, criSocket: unix:///run/containerd/containerd.sock}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
encryptionAlgorithm: {algorithm}
"""


def rows(kubeadm: Path | None) -> Iterator[Row]:
    yield Row("version", command([*PYKUBEADM, "version"], runs=9), target="≤ 0.1 s")
    for algorithm in ("RSA-2048", "ECDSA-P256"):
        words = ["phase", "certs", "all"]
        yield _init(f"certs all, {algorithm}", words, words, algorithm, kubeadm)
    ours, peers = (f"--skip-phases={','.join(names)}" for names in ((*ONLINE, *OURS_ONLINE), ONLINE))
    yield _init("all offline phases together, RSA-2048", [ours], [peers], "RSA-2048", kubeadm)


def _init(what: str, ours: Sequence[str], peers: Sequence[str], algorithm: str, kubeadm: Path | None) -> Row:
    """`init` with these words of each tool, each run in an empty root."""
    with tempfile.TemporaryDirectory() as root:

        def fresh() -> None:
            for entry in Path(root).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            for directory in ("etc", "var/lib", "proc", "sys", "tmp", "usr/bin"):
                (Path(root) / directory).mkdir(parents=True)
            (Path(root) / "kubeadm.yaml").write_text(_CONFIG.format(algorithm=algorithm))

        def timed(*program: str) -> list[float]:
            return command([*program, "--rootfs", root, "--config", "/kubeadm.yaml"], runs=RUNS, before=fresh)

        mine = timed(*PYKUBEADM, "init", *ours)
        return Row(what, mine, timed(str(kubeadm), "init", *peers) if kubeadm else None, "≤ 1.0 ×")
