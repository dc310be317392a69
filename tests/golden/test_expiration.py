"""`certs check-expiration` against what kubeadm v1.36.2 printed of the same certificates at the same time, byte for byte.

A file of expiration/ has the time, the configuration, until when each certificate is valid, and kubeadm's output.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pykubeadm.cli.check_expiration import printed
from pykubeadm.commands.certs.expiration import check_expiration
from pykubeadm.config.source import Source
from pykubeadm.node.local import LocalNode
from pykubeadm.output.forms import form
from tests.support.control_plane_files import write_control_plane

CASES = sorted((Path(__file__).parent / "expiration").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_kubeadm(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    # The recording began in the first quarter of this second and took some tenths of one.
    now = datetime.fromisoformat(case["now"]) + timedelta(milliseconds=300)
    ends = {name: datetime.fromisoformat(end) for name, end in case["ends"].items()}
    write_control_plane(tmp_path, ends, begin=now - timedelta(days=3650), external=case["external"])
    source = Source("cfg.yaml", case["config"].encode())
    found = check_expiration({}, lambda _event: None, machine=LocalNode(str(tmp_path)), source=source, now=now)
    for name in ("text", "json", "yaml"):
        assert printed(found, form(name, allow_missing=True, read=str.encode)) == case[name], name
