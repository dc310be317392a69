"""What `certs rotate-ca` refuses before it looks at the node."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pykubeadm.cli.main import cli
from pykubeadm.errors import PhaseError, UsageError


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("--abort", "all"), UsageError, "--abort goes back"),
        (("--abort", "--finish"), UsageError, "--abort goes back"),
        (("--certificate-key", "1234"), UsageError, "a certificate key is 64 hexadecimal digits"),
        (("all",), PhaseError, "/etc/kubernetes/kubelet.conf does not exist"),
    ],
)
def test_refusals(tmp_path: Path, words: tuple[str, ...], kind: type[Exception], said: str) -> None:
    done = CliRunner().invoke(cli, ["certs", "rotate-ca", "--rootfs", str(tmp_path), *words])
    assert isinstance(done.exception, kind)
    assert said in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_names_are_those_of_kubeadms_phases() -> None:
    done = CliRunner().invoke(cli, ["certs", "rotate-ca", "kubelet"])
    assert done.exit_code == 2
    assert "'all', 'ca', 'etcd-ca', 'front-proxy-ca', 'sa'" in done.stderr
