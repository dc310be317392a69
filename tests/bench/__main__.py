"""`make bench`: pykubeadm beside real kubeadm where it is there, in one run. Prints a table; asserts nothing."""

from __future__ import annotations

import argparse

from lab import assets, engine
from lab.host import LabError
from tests.bench import certs, cluster, etcd, join, nodes, offline, prepare, reset, ssh, upgrade
from tests.bench.timing import HEADER


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    kinds = ["certs", "cluster", "etcd", "offline", "init", "join", "prepare", "reset", "ssh", "upgrade"]
    parser.add_argument("kind", nargs="?", choices=kinds, help="only these")
    kind = parser.parse_args().kind
    try:
        found = assets.find(sources=None)
    except LabError as missing:
        found = None
        print(f"without nodes and without kubeadm beside us: {missing}")
    print(HEADER, flush=True)
    if kind in (None, "offline"):
        for row in offline.rows(found.program("kubeadm") if found else None):
            print(row, flush=True)
    if kind in (None, "cluster"):
        for row in cluster.rows():
            print(row, flush=True)
    if found and kind in (None, "cluster"):
        engine.ensure()
        for row in cluster.node_rows(found):
            print(row, flush=True)
    if found and kind in (None, "init"):
        engine.ensure()
        for row in nodes.rows(found):
            print(row, flush=True)
    if found and kind in (None, "join"):
        engine.ensure()
        for row in join.rows(found):
            print(row, flush=True)
    if found and kind in (None, "ssh"):
        engine.ensure()
        for line in ssh.rows(found):
            print(line, flush=True)
    if found and kind in (None, "reset"):
        engine.ensure()
        for row in reset.rows(found):
            print(row, flush=True)
    if found and kind in (None, "certs"):
        engine.ensure()
        for row in certs.rows(found):
            print(row, flush=True)
    if found and kind in (None, "upgrade"):
        engine.ensure()
        for row in upgrade.rows(found):
            print(row, flush=True)
    if found and kind in (None, "etcd"):
        engine.ensure()
        for row in etcd.rows(found):
            print(row, flush=True)
    if found and kind in (None, "prepare"):
        engine.ensure()
        for line in prepare.rows(found):
            print(line, flush=True)


main()
