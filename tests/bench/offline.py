"""What needs no node: start-up, certificates, all offline phases; beside real kubeadm where it is there."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.timing import Row, command

PYKUBEADM = (sys.executable, "-m", "pykubeadm")
OFFLINE = ("certs all", "kubeconfig all", "etcd local", "control-plane all", "kubelet-start")
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
        yield _phases(f"certs all, {algorithm}", ["certs all"], algorithm, kubeadm)
    yield _phases("all offline phases, RSA-2048, one by one", OFFLINE, "RSA-2048", kubeadm)


def _phases(what: str, phases: Sequence[str], algorithm: str, kubeadm: Path | None) -> Row:
    with tempfile.TemporaryDirectory() as root:

        def fresh() -> None:
            for entry in Path(root).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            for directory in ("etc", "var/lib", "proc", "sys", "tmp", "usr/bin"):
                (Path(root) / directory).mkdir(parents=True)
            (Path(root) / "kubeadm.yaml").write_text(_CONFIG.format(algorithm=algorithm))

        def timed(program: Sequence[str]) -> list[float]:
            runs = []
            for _ in range(RUNS):
                fresh()
                argv = [
                    [*program, "init", "phase", *phase.split(), "--rootfs", root, "--config", "/kubeadm.yaml"] for phase in phases
                ]
                runs.append(sum(command(line, runs=1)[0] for line in argv))
            return runs

        return Row(what, timed(PYKUBEADM), timed([str(kubeadm)]) if kubeadm else None, "≤ 1.0 ×")
