# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What brings swap with every boot."""

from __future__ import annotations

import os

# Services: zram of Debian's zram-tools, Ubuntu's zram-config and openSUSE; a Raspberry Pi's file.
SERVICES = ("zramswap.service", "zram-config.service", "zram_swap.service", "dphys-swapfile.service")
GENERATORS = ("/usr/lib/systemd/system-generators/zram-generator", "/lib/systemd/system-generators/zram-generator")
FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
UNIT_FILES = ("systemctl", "list-unit-files", "--type=swap", "--plain", "--no-legend")


def is_swap(line):
    """Whether a line of fstab is for swap."""
    fields = line.split()
    return len(fields) >= 3 and not fields[0].startswith("#") and fields[2] == "swap"


def places(service):
    """Where systemd finds a service."""
    return [*("%s/%s" % (folder, service) for folder in FOLDERS), "/etc/init.d/" + service.partition(".")[0]]


def may_come(run, root="/"):
    """True where any of it is there; what it would do the module `swap` finds out."""
    try:
        with open(os.path.join(root, "etc/fstab"), encoding="utf-8", errors="surrogateescape") as table:
            if any(is_swap(line) for line in table):
                return True
    except FileNotFoundError:
        pass
    paths = [*GENERATORS, *(path for service in SERVICES for path in places(service))]
    if any(os.path.lexists(os.path.join(root, path.lstrip("/"))) for path in paths):
        return True
    return bool((run(list(UNIT_FILES)) or "").strip())
