"""Nodes whose certificates are old: issued by pykubeadm itself, with its clock put back. (No clock of a container can be.)"""

from __future__ import annotations

import base64
from typing import Any

import yaml

from lab import cluster, payload
from lab.node import Node

# `_PROGRAM days words...` is `pykubeadm words...` on a machine whose clock is off by so many days.
_PROGRAM = """
import datetime, sys
from pykubeadm.cli.main import main
from pykubeadm.node import local
from pykubeadm.phases import run

off = datetime.timedelta(days=int(sys.argv.pop(1)))

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + off

local.datetime = run.datetime = Clock
sys.exit(main())
"""
# The kubelet makes its serving certificate itself, valid for a year, and none where there is one.
_KUBELET_SERVING = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pykubeadm.pki.issue import Subject, encode_certificate, issue_ca
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names

pair, end = Path("/var/lib/kubelet/pki/kubelet"), datetime.now(UTC) - timedelta(days=1)
assert pair.with_suffix(".crt").exists()
key = generate_key("RSA-2048")
subject = Subject("node-ca", end - timedelta(days=365), end, names=Names(dns=("node",)))
pair.with_suffix(".crt").write_bytes(encode_certificate(issue_ca(subject, key)))
pair.with_suffix(".key").write_bytes(encode_private_key(key))
"""
YEAR = 366  # days


def run_at(node: Node, days: int, *words: str) -> str:
    """`pykubeadm words...` on a node whose clock is off by so many days; what it printed."""
    return node.run(f"{payload.MOUNT}/bin/python", "-c", _PROGRAM, str(days), *words, timeout=300).stdout


def make_authorities(node: Node) -> None:
    """The cluster's CAs, made a year ago, for an `init` with the configuration that is on the node."""
    for ca in ("ca", "etcd-ca", "front-proxy-ca"):
        run_at(node, -YEAR, "init", "phase", "certs", ca, "--config", cluster.CONFIG)


def let_a_year_pass(node: Node) -> None:
    """Power the node off as it would be a year after its certificates were issued: all have expired but the CAs', the kubelet's
    too."""
    run_at(node, -YEAR, "certs", "renew", "all", "--no-restart")
    run_at(node, -YEAR, "certs", "renew", "kubelet.conf")
    node.run("systemctl", "stop", "kubelet")
    node.run(f"{payload.MOUNT}/bin/python", "-c", _KUBELET_SERVING)
    node.power_off()


def give_expired_certificate(worker: Node, control_plane: Node) -> None:
    """The kubelet of a worker has one that is over in a second."""
    who = ("--client-name", f"system:node:{worker.name}", "--org", "system:nodes", "--validity-period", "1s")
    user = yaml.safe_load(control_plane.run("pykubeadm", "kubeconfig", "user", *who).stdout)["users"][0]["user"]
    pair = [base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key")]
    path = worker.shell("readlink --canonicalize /var/lib/kubelet/pki/kubelet-client-current.pem")
    worker.write(path, "".join(pair), "0600")


def valid_for(node: Node, period: str) -> str:
    """A copy of the node's configuration with that certificateValidityPeriod; its path."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(node.read(cluster.CONFIG)))
    for document in documents:
        if document["kind"] == "ClusterConfiguration":
            document["certificateValidityPeriod"] = period
    path = f"/root/valid-{period}.yaml"
    node.write(path, yaml.safe_dump_all(documents))
    return path


def expired(node: Node) -> set[str]:
    """The names of what has expired, by `certs check-expiration`."""
    done = node.run("pykubeadm", "certs", "check-expiration", "--warn-days=0", check=False)
    return {line.split()[1] for line in done.stderr.splitlines() if " expired " in line}
