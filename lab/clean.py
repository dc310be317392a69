"""`make clean`: remove the nodes, their network, virtual machines and their disks, and images and stores of older recipes."""

from __future__ import annotations

import sys

from lab import engine, imagestore, node, nodeimage, vm, vmdisk
from lab.host import LabError


def main() -> int:
    """Where no engine answers, none of the lab's containers run."""
    vm.remove_all()
    vmdisk.remove_all()
    if not engine.answers():
        return 0
    try:
        node.remove_all()
        imagestore.remove_all()
        nodeimage.remove_stale()
    except LabError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
