"""Kills a process at every system call of one batch of writes and looks at what it leaves. Run by test_files.py in a process of
its own, since it forks: `killed_writes.py DIRECTORY`. Prints how many points were tried; fails with what was wrong."""

import os
import shutil
import stat
import sys

from pykubeadm.node import files
from pykubeadm.node.port import Directory, File

CALLS = ("open", "write", "close", "fchmod", "chmod", "fchown", "fsync", "rename", "mkdir", "unlink")
OLD = {"/pki/b.key": (b"old key " * 9, 0o600), "/pki/b.crt": (b"old certificate " * 9, 0o644)}
BATCH = (
    Directory("/manifests", 0o700),
    File("/pki/a.key", b"new a key " * 9, 0o600, secret=True),
    File("/pki/a.crt", b"new a certificate " * 9, 0o644),
    File("/pki/etcd/e.key", b"new etcd key " * 9, 0o600, secret=True),
    File("/pki/b.key", b"new b key " * 9, 0o600, secret=True),
    File("/pki/b.crt", b"new b certificate " * 9, 0o640),
    File("/manifests/pod.yaml", b"pod " * 9, 0o600),
)


def main(directory: str) -> None:
    os.fsync = lambda _descriptor: None  # a killed process leaves what it wrote, on the disk or not
    points = 0
    while True:
        root = os.path.join(directory, str(points))
        os.mkdir(root)
        files.replace(root, [File(path, content, mode) for path, (content, mode) in OLD.items()])
        ended = _write_in_child(root, points)
        _look(root)
        files.replace(root, BATCH)
        _is_complete(root)
        shutil.rmtree(root)
        if ended:
            break
        points += 1
    sys.stdout.write(f"{points}\n")


def _write_in_child(root: str, allowed: int) -> bool:
    """True where the child ended by itself, that is, needed no more than `allowed` calls."""
    child = os.fork()
    if child == 0:
        left = [allowed]
        for name in CALLS:
            setattr(os, name, _counted(getattr(os, name), left, short=name == "write"))
        files.replace(root, BATCH)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _counted(call, left, *, short):
    def counted(*arguments, **options):
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        left[0] -= 1
        if short:  # the kernel may take less than it is given, too
            arguments = (arguments[0], bytes(arguments[1])[:20])
        return call(*arguments, **options)

    return counted


def _look(root: str) -> None:
    new_before = True
    for file in BATCH:
        if isinstance(file, Directory):
            continue
        found = _found(root, file.path)
        assert found in (OLD.get(file.path), (file.content, file.mode)), f"{file.path} is {found}"
        new = found == (file.content, file.mode)
        assert new_before or not new, f"{file.path} is new before a file that precedes it"
        new_before = new
    for directory, _, names in os.walk(root):
        for name in names:
            if name.startswith("."):
                mode = stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode)
                assert mode in (0o600, 0o640, 0o644), oct(mode)
                with open(os.path.join(directory, name), "rb") as file:
                    assert mode == 0o600 or b"key" not in file.read(), f"{name} shows a key with mode {mode:o}"


def _is_complete(root: str) -> None:
    for file in BATCH:
        if isinstance(file, File):
            assert _found(root, file.path) == (file.content, file.mode), file.path
    left = [name for _, _, names in os.walk(root) for name in names if name.startswith(".")]
    assert not left, left


def _found(root: str, path: str):
    try:
        with open(root + path, "rb") as file:
            return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        return None


main(sys.argv[1])
