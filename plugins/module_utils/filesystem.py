# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Files, directories and links made as given, one at a time; used by the modules that write anything.

Every write is atomic and durable: a reader, or a machine after a power cut, sees the old or the new content.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import shutil
import stat
import tempfile

PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
KINDS = ("file", "directory", "link", "absent")


class Unusable(Exception):
    """What was asked for cannot be obtained; the text is a sentence for the user."""


# What to do about errors that say little by themselves.
HINTS = {
    errno.EPERM: "lsattr shows whether it was made immutable, chattr -i undoes that",
    errno.EROFS: "mount its file system writable",
    errno.EBUSY: "something is mounted on it; unmount that",
    errno.ENOSPC: "df shows which file system is full",
}


def sentence(error):
    """An OSError for the user: the file, what is wrong, and what to do where that is not plain."""
    hint = HINTS.get(error.errno)
    where = "%s: " % error.filename if error.filename else ""
    return where + (error.strerror or str(error)) + ("; %s" % hint if hint else "")


def of(error, path):
    """The same error of the file that was to be written: the temporary one beside it says nothing to the user."""
    return OSError(error.errno, error.strerror, path) if error.errno else error


class Wanted:
    """One path as it shall be. `content` is bytes, or None for "whatever is there" (`keep` makes it so for files that exist)."""

    def __init__(self, path, kind="file", content=None, mode=None, owner="root", group="root", target=None, keep=False):
        if not os.path.isabs(path):
            raise Unusable("%s is not an absolute path" % path)
        self.path = path
        self.kind = kind
        self.content = content
        self.mode = parse_mode(mode, path) if mode else (0o755 if kind == "directory" else 0o644)
        self.uid = _id(owner, lambda name: pwd.getpwnam(name).pw_uid, "user", path)
        self.gid = _id(group, lambda name: grp.getgrnam(name).gr_gid, "group", path)
        self.target = target
        self.keep = keep


def parse_mode(text, path):
    """Octal text ("0644") to bits."""
    try:
        mode = int(str(text), 8)
    except ValueError:
        raise Unusable('the mode "%s" of %s is not an octal number' % (text, path))
    if not 0 <= mode <= 0o7777:
        raise Unusable('the mode "%s" of %s is out of range' % (text, path))
    return mode


def _id(name, look_up, what, path):
    if str(name).isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise Unusable('the %s "%s" that has to own %s does not exist' % (what, name, path))


def hide_passwords(module, texts):
    """Passwords in URLs among `texts` (mirrors, proxies) stay out of everything that the module says."""
    for text in texts:
        for password in PASSWORD_IN_URL.findall(str(text)):
            module.no_log_values.add(password)


def read(path):
    """The content, or None where there is no regular file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def kind_of(path):
    """ "file", "directory", "link", "other", or "absent"."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    for kind, test in (("link", stat.S_ISLNK), ("directory", stat.S_ISDIR), ("file", stat.S_ISREG)):
        if test(mode):
            return kind
    return "other"


def _attributes(path):
    found = os.lstat(path)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def differences(wanted):
    """What would have to change: a set of "kind", "content", "target", "attributes"; empty where everything is up to date."""
    kind = kind_of(wanted.path)
    if wanted.kind == "absent":
        return {"kind"} if kind != "absent" else set()
    if wanted.kind == "link":
        return {"target"} if kind != "link" or os.readlink(wanted.path) != wanted.target else set()
    # A link to a directory serves as the directory; a file is replaced where it stands, link or not.
    if wanted.kind == "directory" and kind == "link" and os.path.isdir(wanted.path):
        return set()
    if kind != wanted.kind:
        return {"kind", "content"} if wanted.kind == "file" else {"kind"}
    found = set()
    if _attributes(wanted.path) != (wanted.mode, wanted.uid, wanted.gid):
        found.add("attributes")
    if wanted.kind == "file" and wanted.content is not None and not wanted.keep and read(wanted.path) != wanted.content:
        found.add("content")
    return found


def apply(wanted, label=None):
    """Make it so. `label(path)` gives a new file its security context before it takes its name. Raises OSError, Unusable."""
    if wanted.kind == "absent":
        if kind_of(wanted.path) == "directory":
            shutil.rmtree(wanted.path)
        else:
            os.unlink(wanted.path)
        return
    kind = kind_of(wanted.path)
    if wanted.kind == "directory":
        if kind not in ("absent", "directory"):
            raise Unusable("%s must be a directory, but a %s is in its place; move it away" % (wanted.path, kind))
        if kind == "absent":
            make_parents(wanted.path)
            os.mkdir(wanted.path, wanted.mode)
            if label:
                label(wanted.path)
        os.chown(wanted.path, wanted.uid, wanted.gid)
        os.chmod(wanted.path, wanted.mode)
        return
    if kind == "directory":
        raise Unusable("%s must be a %s, but a directory is in its place; move it away" % (wanted.path, wanted.kind))
    make_parents(wanted.path)
    if wanted.kind == "link":
        temporary = wanted.path + ".pykubeadm-new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(wanted.target, temporary)
        os.rename(temporary, wanted.path)
        return
    if "content" in differences(wanted):
        write_atomic(wanted.path, wanted.content or b"", wanted.mode, wanted.uid, wanted.gid, label)
    else:
        os.chown(wanted.path, wanted.uid, wanted.gid)
        os.chmod(wanted.path, wanted.mode)


def make_parents(path):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)


def write_atomic(path, content, mode=0o644, uid=0, gid=0, label=None):
    """Replace `path`: the new file has its mode and owner before it has a byte, and is on disk before it has its name."""
    directory = os.path.dirname(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), dir=directory)
    except OSError as error:
        raise of(error, path)
    try:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if label:
            label(temporary, path)
        os.rename(temporary, path)
    except BaseException as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise of(error, path)
        raise
    sync_directory(directory)


def sync_directory(directory):
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def selinux_label(module):
    """A `label` for `apply`: the policy's context for the final path; None where SELinux is off."""
    if not module.selinux_enabled():
        return None

    def label(path, final=None):
        context = module.selinux_default_context(final or path)
        if context and context[0]:
            module.set_context_if_different(path, context, changed=False)

    return label
