# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Whole lists of files, as the modules `files` and `units` take them."""

from __future__ import annotations

import glob
import os
import re
import tempfile

from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

SUFFIX = ".before-pykubeadm"
# Lines of configurations that others wrote: containerd's, keepalived's and haproxy's passwords.
SECRET_LINE = re.compile(
    r"^(\s*(?:auth_pass|password|auth|identity_?token|stats\s+auth|authorization)\b\s*=?\s*)(?![={\s])\S.*$",
    re.IGNORECASE | re.MULTILINE,
)
# The same within one line: auth = {username = "me", password = "..."}
SECRET_VALUE = re.compile(
    r"""([{,]\s*"?(?:password|auth|identity_?token|authorization)"?\s*=\s*)(?:"[^"]*"|'[^']*'|\[[^]]*\])""", re.IGNORECASE
)

OPTIONS = {
    "path": {"type": "path", "required": True},
    "state": {"choices": [*fs.KINDS, "adjusted"], "default": "file"},
    "content": {"type": "str"},
    "secret_content": {"type": "str", "no_log": True},
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "target": {"type": "path"},
    "keep": {"type": "bool", "default": False},
    "backup": {"type": "bool", "default": False},
    "validate": {"type": "list", "elements": "str"},
}


def matched(item):
    """The items that one stands for: what is to be adjusted may be a pattern."""
    if item["state"] != "adjusted":
        return [item]
    return [dict(item, path=path) for path in sorted(glob.glob(item["path"]))]


def wanted(item):
    """The item as `fs.Wanted`; None where nothing is to be done."""
    if item["state"] == "link" and not item["target"]:
        raise fs.Unusable("the link %s has no target" % item["path"])
    state = item["state"]
    if state == "adjusted":
        state = fs.kind_of(item["path"])
        if state not in ("file", "directory"):
            return None
    text = item["content"] if item["secret_content"] is None else item["secret_content"]
    content = None if text is None else text.encode()
    return fs.Wanted(item["path"], state, content, item["mode"], item["owner"], item["group"], item["target"], item["keep"])


def diff(item, want, changes):
    """Before and after, in the form that --diff shows."""
    path = want.path
    entry = {"before_header": path, "after_header": path}
    if item["secret_content"] is not None:
        return dict(entry, before="(secret)\n", after="(secret, changed)\n")
    if changes == {"attributes"}:
        found = os.lstat(path)
        before = "mode %04o owner %d:%d\n" % (found.st_mode & 0o7777, found.st_uid, found.st_gid)
        return dict(entry, before=before, after="mode %04o owner %d:%d\n" % (want.mode, want.uid, want.gid))
    if want.kind == "file":
        return dict(entry, before=_before(want), after=_text(want.content))
    return dict(entry, before=fs.kind_of(path) + "\n", after=want.kind + (" to %s" % want.target if want.target else "") + "\n")


def _before(want):
    """The present content. What was for root alone and will not be any more held secrets that the new content has not."""
    if os.path.isfile(want.path) and not os.stat(want.path).st_mode & 0o044 and want.mode & 0o044:
        return "(secret)\n"
    return SECRET_VALUE.sub(r"\1(secret)", SECRET_LINE.sub(r"\1(secret)", _text(fs.read(want.path))))


def _text(content):
    if content is None:
        return ""
    try:
        return fs.PASSWORD_IN_URL.sub(lambda found: found[0].replace(found[1] + "@", "(secret)@"), content.decode())
    except UnicodeDecodeError:
        return "(%d bytes that are not text)\n" % len(content)


def validate(module, item, want):
    """Raise Unusable where the new content does not pass."""
    # sudo's PATH leaves /usr/local/bin out on RHEL and its like.
    program = module.get_bin_path(item["validate"][0], opt_dirs=["/usr/local/bin", "/usr/local/sbin"])
    if program is None:
        return
    command = [program] + item["validate"][1:]
    descriptor, candidate = tempfile.mkstemp(prefix="pykubeadm-", dir=module.tmpdir)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(want.content or b"")
        status, out, err = module.run_command([word.replace("%s", candidate) for word in command])
    finally:
        os.unlink(candidate)
    if status != 0:
        lines = (err or out).strip().splitlines()[-3:]
        raise fs.Unusable(
            "%s refuses the new %s: %s" % (item["validate"][0], want.path, " / ".join(lines) or "status %d" % status)
        )


def write(module, items, paths, diffs):
    """Make the items so, but not in check mode; `paths` and `diffs` get those that differ. Raises fs.Unusable, OSError."""
    work = [(item, want) for given in items for item in matched(given) for want in [wanted(item)] if want]
    # Attributes and the rest of the list may hang on directories that are not there yet: validation first, then in order.
    for item, want in work:
        if item["validate"] and "content" in fs.differences(want):
            validate(module, item, want)
    for item, want in work:
        changes = fs.differences(want)
        if not changes:
            continue
        paths.append(want.path)
        diffs.append(diff(item, want, changes))
        if module.check_mode:
            continue
        before = fs.read(want.path)
        if item["backup"] and before is not None and "content" in changes and not os.path.exists(want.path + SUFFIX):
            fs.write_atomic(want.path + SUFFIX, before, 0o600)
        fs.apply(want, fs.selinux_label(module))
