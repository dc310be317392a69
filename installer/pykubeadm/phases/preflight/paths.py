"""Checks of files and directories: what must be there, what must not be there yet."""

from __future__ import annotations

import posixpath
from functools import partial

from pykubeadm.node.port import Node
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.pki.table import TABLE

_WRITE_BY_OTHERS, _ANY_BY_OTHERS = 0o022, 0o007  # chmod(1)
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PACKAGES = {"losetup": "util-linux", "mount": "mount (util-linux)", "cp": "coreutils"}


def file_available(path: str, owned_with: str = "") -> Check:
    """Nobody else's file may be in the place of one that is to be written. `owned_with` is a file of ours that says whose it
    is, where another program writes `path` itself."""
    return Check(f"FileAvailable-{_dashed(path)}", partial(_file_available, path, owned_with or path))


def file_existing(path: str, name: str) -> Check:
    return Check(name, partial(_file_existing, path))


def directory_available(path: str, owned_with: str) -> Check:
    """The directory is missing or empty, or our own earlier run, which wrote `owned_with`, had it filled."""
    return Check(f"DirAvailable-{_dashed(path)}", partial(_directory_available, path, owned_with))


def authority_keys(certificates_dir: str) -> Check:
    """No key of a CA was lost that this tool made: a CA without its key is taken for one that signs elsewhere."""
    return Check("CAKeys", partial(_authority_keys, certificates_dir))


def closed_to_others(certificates_dir: str) -> Check:
    """Nobody but root can put certificates into the place, or read its keys."""
    return Check("PKIPermissions", partial(_closed_to_others, certificates_dir))


def file_content(path: str, wanted: str, remedy: str) -> Check:
    """The file begins with `wanted`."""
    return Check(f"FileContent-{_dashed(path)}", partial(_file_content, path, wanted, remedy))


def in_path(command: str) -> Check:
    """The command is in PATH."""
    return Check(f"FileExisting-{command}", partial(_in_path, command))


def _dashed(path: str) -> str:
    return path.replace("/", "-")


def _file_available(path: str, owned_with: str, machine: Machine) -> Findings:
    if machine.node.stat(path) is None or machine.owner.owns(owned_with):
        return FINE
    return error(
        f"{path} is there already, and {machine.owner.why_not()}: leave this node to the cluster that it belongs to, or, where "
        "there is none any more, move the file away"
    )


def _file_existing(path: str, machine: Machine) -> Findings:
    if machine.node.stat(path) is not None:
        return FINE
    return error(f"{path} does not exist; put it there, or correct the path in the configuration")


def _directory_available(path: str, owned_with: str, machine: Machine) -> Findings:
    # A fresh ext4 volume has lost+found, which etcd does not mind.
    content = [name for name in machine.node.list_dir(path) if name != "lost+found"]
    if not content or machine.owner.owns(owned_with):
        return FINE
    return error(
        f"{path} is not empty (it has {content[0]}), and {machine.owner.why_not()}: name another directory, or move this one "
        "away; it may hold the only copy of a cluster's data"
    )


def _authority_keys(certificates_dir: str, machine: Machine) -> Findings:
    bases = [posixpath.join(certificates_dir, entry.base) for entry in TABLE if entry.is_ca]
    lost = [
        f"{base}.key"
        for base in bases
        if machine.owner.owns(f"{base}.key") and machine.node.stat(f"{base}.key") is None and machine.node.stat(f"{base}.crt")
    ]
    if not lost:
        return FINE
    return error(
        f"{', '.join(lost)}, which this tool made, {'is' if len(lost) == 1 else 'are'} gone, so nothing more can be signed: put "
        "the key there, from a backup or another control plane; to keep it elsewhere (an external CA) from now on, ignore this"
    )


def _closed_to_others(certificates_dir: str, machine: Machine) -> Findings:
    warnings: list[str] = []
    for directory in (certificates_dir, posixpath.join(certificates_dir, "etcd")):
        found = machine.node.stat(directory)
        if found is not None and found.kind == "link":
            warnings.append(f"{directory} is a link; see that the place it leads to is closed to others, too")
        elif found is not None and found.mode & _WRITE_BY_OTHERS:
            warnings.append(f"others than root can write to {directory} (mode {found.mode:04o}); run `chmod go-w {directory}`")
        for name in machine.node.list_dir(directory):
            path = posixpath.join(directory, name)
            key = machine.node.stat(path) if name.endswith(".key") else None
            if key is not None and key.kind == "file" and key.mode & _ANY_BY_OTHERS:
                warnings.append(f"others can read or write the private key {path} (mode {key.mode:04o}); run `chmod o= {path}`")
    return Findings(warnings=tuple(warnings))


def _file_content(path: str, wanted: str, remedy: str, machine: Machine) -> Findings:
    content = machine.node.read(path)
    if content is None:
        return error(f"{path} does not exist; {remedy}")
    if not content.startswith(wanted.encode()):
        return error(f"{path} is {content.decode(errors='replace').strip()!r} and must be {wanted}; {remedy}")
    return FINE


def _in_path(command: str, machine: Machine) -> Findings:
    places = places_in_path(machine.node, command)
    there = machine.node.ahead(stat=places)
    if any(found.kind in ("file", "link") for found in map(there.stat, places) if found is not None):
        return FINE
    return error(f"{command} is not in PATH; install the package {_PACKAGES.get(command, command)}")


def places_in_path(node: Node, command: str) -> tuple[str, ...]:
    """Where PATH has the command looked for, and where systems have theirs in any case."""
    directories = dict.fromkeys([*filter(None, node.route.environment.get("PATH", "").split(":")), *_SYSTEM_PATH])
    return tuple(f"{directory}/{command}" for directory in directories if directory.startswith("/"))
