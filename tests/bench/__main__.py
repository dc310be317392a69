"""`make bench`: pykubeadm beside real kubeadm where it is there, in one run. Prints a table; asserts nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping

from lab import assets, engine
from lab.assets import Assets
from lab.host import LabError
from tests.bench import certs, cluster, etcd, fleet, join, nodes, offline, prepare, reset, ssh, upgrade
from tests.bench.timing import HEADER

# What needs nodes, in the order in which it is measured.
_ON_NODES: Mapping[str, Callable[[Assets], Iterable[object]]] = {
    "cluster": cluster.node_rows,
    "init": nodes.rows,
    "join": join.rows,
    "ssh": ssh.rows,
    "reset": reset.rows,
    "certs": certs.rows,
    "upgrade": upgrade.rows,
    "etcd": etcd.rows,
    "fleet": fleet.rows,
    "prepare": prepare.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=["offline", *_ON_NODES], help="only these")
    kind = parser.parse_args().kind
    try:
        found = assets.find(sources=None)
    except LabError as missing:
        found = None
        print(f"without nodes and without kubeadm beside us: {missing}")
    print(HEADER, flush=True)
    if kind in (None, "offline"):
        _print(offline.rows(found.program("kubeadm") if found else None))
    if kind in (None, "cluster"):
        _print(cluster.rows())
    if not found:
        return
    for name, rows in _ON_NODES.items():
        if kind in (None, name):
            engine.ensure()
            _print(rows(found))


def _print(rows: Iterable[object]) -> None:
    """Each as soon as it is known."""
    for row in rows:
        print(row, flush=True)


main()
