"""Files below a root: paths resolved as chroot(2) would, batches of files replaced atomically and durably."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby

from pykubeadm.errors import NodeError, NotRootError
from pykubeadm.node.port import Directory, File, FileStat

# Begins with a dot: the kubelet skips such names in the manifests directory (kubernetes: pkg/kubelet/config/file.go).
_TEMPORARY = ".pykubeadm-tmp-"
_LABEL = "security.selinux"  # xattr(7)
_LOOK_EVERY = 0.02  # seconds
_MAX_LINKS = 40  # as the kernel: path_resolution(7)

_ADVICE = {
    errno.ENOSPC: "no space is left on its file system; free some, then run this again",
    errno.EDQUOT: "the disk quota is used up; free some space, then run this again",
    errno.EACCES: "permission denied; run this as root",
    errno.EPERM: "the operation is not permitted; run this as root, and look for an immutable flag (lsattr)",
    errno.EROFS: "its file system is mounted read-only; mount it writable, then run this again",
    errno.EISDIR: "it is a directory; move it away, then run this again",
    errno.ENOTDIR: "a part of the path is a file where a directory must be; move it away, then run this again",
    errno.EEXIST: "a part of the path is a file where a directory must be; move it away, then run this again",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.EIO: "the disk reports an input/output error; look at `dmesg`",
    errno.EBUSY: "it is in use (a mount point?)",
}

# One batch at a time in this process: another thread's temporary files are not left-overs.
_writing = threading.Lock()


@contextmanager
def explained(action: str, path: str) -> Iterator[None]:
    """Turn an OSError into a NodeError that says what could not be done to which path, and what to do."""
    try:
        yield
    except OSError as error:
        reason = _ADVICE.get(error.errno or 0) or (error.strerror or str(error)).lower()
        if action == "read" and error.errno == errno.EISDIR:  # perhaps the user's own, whose name stands where a file's should
            reason = "it is a directory, not a file"
        kind = NotRootError if isinstance(error, PermissionError) and os.geteuid() != 0 else NodeError
        raise kind(f"cannot {action} {path}: {reason}") from error


def normal(path: str) -> str:
    """The path without "//", "." and ".."; NodeError where it is not absolute."""
    if not path.startswith("/"):
        raise NodeError(f"the path {path!r} is not absolute")
    return "/" + posixpath.normpath(path).lstrip("/")


def resolve(root: str, path: str, *, follow: bool = True) -> str:
    """Where `path` lies for a process whose root is `root`: links, also absolute ones and "..", never lead out of it.
    The parts that do not exist are kept as they are. With follow=False the last part itself may be a link."""
    if not path.startswith("/"):
        raise NodeError(f"the path {path!r} is not absolute")
    done: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    base = root.rstrip("/")
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        try:
            target = os.readlink("/".join((base, *done, part))) if todo or follow else None
        except OSError:  # no link, or nothing there
            target = None
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        todo.extend(piece for piece in reversed(target.split("/")) if piece not in ("", "."))
    return "/".join((base, *done)) or "/"


def read(root: str, path: str) -> bytes | None:
    """The content below `root`; None where there is no such file."""
    with (
        explained("read", path),
        suppress(FileNotFoundError, NotADirectoryError),
        open(resolve(root, path), "rb", opener=_at_once) as file,
    ):
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise NodeError(f"cannot read {path}: it is a named pipe; put a file in its place")
        return file.read()
    return None


def read_part(root: str, path: str, start: int, size: int) -> bytes | None:
    """At most `size` bytes from byte `start` on; None where there is no such file."""
    with (
        explained("read", path),
        suppress(FileNotFoundError, NotADirectoryError),
        open(resolve(root, path), "rb", opener=_at_once) as file,
    ):
        file.seek(start)
        return file.read(size)
    return None


def _at_once(path: str, flags: int) -> int:
    """open(2) that does not wait for who may write to a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def status(root: str, path: str) -> FileStat | None:
    """What lstat(2) says; None where nothing exists."""
    with explained("look at", path), suppress(FileNotFoundError, NotADirectoryError):
        found = os.lstat(resolve(root, path, follow=False))
        return FileStat(_kind(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_size)
    return None


def present(root: str, paths: Sequence[str], patience: float) -> bool:
    """Whether there is something at each of `paths`, looked for again and again for at most `patience` seconds."""
    end = time.monotonic() + patience
    while not all(os.path.exists(resolve(root, path)) for path in paths):
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def entries(root: str, path: str) -> tuple[str, ...]:
    """Sorted names in a directory; () where it does not exist."""
    with explained("list", path), suppress(FileNotFoundError):
        place = resolve(root, path)
        try:
            return tuple(sorted(os.listdir(place)))
        except NotADirectoryError:
            if os.path.exists(place):
                raise
    return ()


def has_owner(uid: int, gid: int, wanted: File | Directory) -> bool:
    """Whether the owner is right. To a user other than root, who cannot give files to root, their own files are."""
    if os.geteuid() == 0:
        return (uid, gid) == (wanted.uid, wanted.gid)
    return (wanted.uid in (0, uid)) and (wanted.gid in (0, gid))


def replace(root: str, wanted: Sequence[File | Directory]) -> tuple[str, ...]:
    """Make the files be as given; returns the paths that changed.

    Power cuts: every new content is on the disk (one fsync a file) before the first rename, so no name ever shows a
    part of a file. Renames are done in the order given and journalling file systems keep that order within a
    directory; before the batch goes on to another directory the last one is synced, so a key always precedes its
    certificate. That costs one more fsync for each run of files in one directory instead of one for each file: half
    the time of writing file by file. (syncfs(2) would be one call, but waits for everybody else's dirty pages too, such
    as images being unpacked.) Until the first rename an error leaves all files as they were.
    """
    with _writing:
        staged: list[tuple[str, str, str]] = []  # temporary, target, path as given
        changed: list[str] = []
        made: dict[str, None] = {}  # parents of new directories, in order
        cleaned: set[str] = set()
        try:
            for number, entry in enumerate(wanted):
                with explained("write", entry.path):
                    target = resolve(root, entry.path)
                    if isinstance(entry, Directory):
                        if _make_directory(target, entry, made):
                            changed.append(entry.path)
                        continue
                    parent = os.path.dirname(target)
                    _make_parents(parent, made)
                    if parent not in cleaned:
                        _remove_left_overs(parent)
                        cleaned.add(parent)
                    if not _is_up_to_date(target, entry):
                        temporary = f"{parent}/{_TEMPORARY}{number}"
                        staged.append((temporary, target, entry.path))
                        _stage(temporary, entry, target)
                        changed.append(entry.path)
            _commit(staged, made)
        except BaseException:
            for temporary, _, _ in staged:
                with suppress(OSError):
                    os.unlink(temporary)
            raise
    return tuple(dict.fromkeys(changed))


def save(root: str, path: str, chunks: Iterable[bytes], mode: int) -> int:
    """Keep what `chunks` give in a file of ours; the number of bytes. It gets its name when it is whole and on the disk."""
    with explained("write", path):
        target = resolve(root, path)
        parent = os.path.dirname(target)
        made: dict[str, None] = {}
        _make_parents(parent, made)
        # Not one of _TEMPORARY's names: others may be written in this directory meanwhile. One that was left over is replaced.
        temporary = f"{parent}/.{os.path.basename(target)}.part"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                size = sum(file.write(chunk) for chunk in chunks)
            _commit([(temporary, target, path)], made)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    return size


def remove(root: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove files, links and directories with all in them; returns the paths that were there.

    A directory with something mounted below it is refused, since what is mounted is not ours to remove. A mount point
    itself is emptied and stays.
    """
    removed: list[str] = []
    parents: dict[str, None] = {}
    for path in paths:
        with explained("remove", path):
            target = resolve(root, path, follow=False)
            try:
                directory = stat.S_ISDIR(os.lstat(target).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if target == "/" or target == root.rstrip("/"):
                raise NodeError(f"refusing to remove {path}, the root of the file system")
            if directory:
                _remove_tree(target, path)
            else:
                os.unlink(target)
            removed.append(path)
            parents[os.path.dirname(target)] = None
    for parent in parents:
        with explained("sync", parent), suppress(FileNotFoundError):
            _sync_directory(parent)
    return tuple(removed)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "link"
    return "socket" if stat.S_ISSOCK(mode) else "other"


def _is_up_to_date(target: str, entry: File) -> bool:
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if not stat.S_ISREG(found.st_mode):
        raise NodeError(f"cannot write {entry.path}: it is neither a file nor missing; move it away, then run this again")
    if found.st_size != len(entry.content) or stat.S_IMODE(found.st_mode) != entry.mode:
        return False
    if not has_owner(found.st_uid, found.st_gid, entry):
        return False
    with open(target, "rb") as file:
        return file.read() == entry.content


def _stage(temporary: str, entry: File, target: str) -> None:
    """Write the new content beside its target, with the final mode, owner and label before the first byte."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, entry.mode & 0o700)
    try:
        found = os.fstat(descriptor)
        if not has_owner(found.st_uid, found.st_gid, entry):
            os.fchown(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode)
        _label_as(target, descriptor)
        view = memoryview(entry.content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _label_as(target: str, descriptor: int) -> None:
    """Keep SELinux's label of a file that is replaced: /etc/passwd has another than new files in /etc. Where there is no such
    file, no label, or none may be given, the new file has its directory's, as any."""
    with suppress(OSError):
        os.setxattr(descriptor, _LABEL, os.getxattr(target, _LABEL))


def _commit(staged: Sequence[tuple[str, str, str]], made: dict[str, None]) -> None:
    for temporary, _, path in staged:
        with explained("write", path):
            _sync(temporary, os.O_RDONLY)
    for parent in made:
        with explained("write", parent):
            _sync_directory(parent)
    for parent, files in groupby(staged, key=lambda file: os.path.dirname(file[1])):
        for temporary, target, path in files:
            with explained("write", path):
                os.rename(temporary, target)
        with explained("write", parent):
            _sync_directory(parent)


def _make_parents(directory: str, made: dict[str, None]) -> None:
    missing: list[str] = []
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for path in reversed(missing):
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)  # noqa: S103  whatever the umask, others must reach what is below
        made[os.path.dirname(path)] = None


def _make_directory(target: str, entry: Directory, made: dict[str, None]) -> bool:
    _make_parents(os.path.dirname(target), made)
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        os.mkdir(target, entry.mode & 0o700)
        made[os.path.dirname(target)] = None
        found = None
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)
    changed = found is None
    found = found or os.lstat(target)
    if not has_owner(found.st_uid, found.st_gid, entry):
        os.chown(target, entry.uid, entry.gid)
        changed = True
    if stat.S_IMODE(found.st_mode) != entry.mode:
        os.chmod(target, entry.mode)
        changed = True
    return changed


def _remove_left_overs(directory: str) -> None:
    """Temporary files of a run that was killed."""
    for name in os.listdir(directory):
        if name.startswith(_TEMPORARY):
            os.unlink(f"{directory}/{name}")


def _remove_tree(target: str, path: str) -> None:
    mounts = [point for point in _mount_points() if point.startswith(f"{target}/")]
    if mounts:
        raise NodeError(f"cannot remove {path}: {', '.join(sorted(mounts))} is mounted below it; unmount that first (umount)")
    with os.scandir(target) as found:
        for item in found:
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path)
            else:
                os.unlink(item.path)
    try:
        os.rmdir(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise


def _mount_points() -> Iterator[str]:
    """proc(5), /proc/pid/mountinfo: the fifth field, with blanks and backslashes written in octal."""
    with suppress(FileNotFoundError), open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            point = line.split(" ", 5)[4]
            for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                point = point.replace(code, character)
            yield point


def _sync_directory(path: str) -> None:
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems without fsync, such as some FUSE ones
            raise
    finally:
        os.close(descriptor)
