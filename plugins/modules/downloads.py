#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: downloads
short_description: Install many verified files and archives, each from the first source that has it
description:
  - Takes programs and archives from folders on the node, from the machine that runs Ansible, or from URLs, in the order
    given. What comes from a URL must match its SHA-256, which is given or published beside it.
  - Files are put in place by renaming, and running programs are not disturbed. Archives are unpacked file by file in the
    same way.
  - A source of a single file may be a tar archive (by its name); the file in it that has the name of O(items[].dest) is taken.
  - What was installed is kept in O(record) with its digests and modes, so that a second run needs no source and sees any file
    that was altered.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  items:
    description: What to install.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name and version for messages, as in C(kubelet 1.36.2). A new name means a new wish.
        type: str
        required: true
      sources:
        description: Absolute paths on the node and URLs.
        type: list
        elements: str
        default: []
      controller_sources:
        description: Paths on the machine that runs Ansible; used before O(items[].sources), sent only where needed.
        type: list
        elements: str
        default: []
      sha256:
        description: The digest, in hexadecimal. Left out, a URL's is taken from O(items[].checksum_suffix).
        type: str
        default: ""
      checksum_suffix:
        description: Added to a URL to get its checksum file; lines of C(sha256sum) and a bare digest are understood.
        type: str
        default: .sha256
      checksum_file:
        description: >-
          The checksum file's name beside the URL, where one file has the sums of all; instead of O(items[].checksum_suffix).
        type: str
        default: ""
      dest:
        description: Where the file goes; for an archive, the directory to unpack into.
        type: path
        required: true
      mode:
        description: Permissions of the file as octal text. An archive's files keep theirs.
        type: str
        default: "0755"
      archive:
        description: Whether it is a tar archive to be unpacked. A source may then also be a directory, whose files are copied.
        type: bool
        default: false
      strip:
        description: How many leading folders of the archive's paths are dropped.
        type: int
        default: 0
      include:
        description: Patterns of paths in the archive (after O(items[].strip)); left out, all files.
        type: list
        elements: str
        default: []
  record:
    description: Where the digests of what was installed are kept.
    type: path
    default: /var/lib/pykubeadm/downloads.json
  environment:
    description: Environment variables for downloads, such as proxies.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait for a server to answer.
    type: int
    default: 15
  advice:
    description: What to do when no source has an item; it ends the error message.
    type: str
    default: ""
  defer:
    description: Used by the action plugin that goes with this module.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Reports what would be installed, and installs nothing; URLs are not asked.
  diff_mode:
    support: full
    description: Shows what is there before and after.
"""

EXAMPLES = r"""
- name: Install the kubelet
  pykubeadm.kube.downloads:
    items:
      - name: kubelet 1.36.2
        dest: /usr/bin/kubelet
        sources:
          - /opt/kubernetes/bin/kubelet
          - https://dl.k8s.io/v1.36.2/bin/linux/amd64/kubelet
"""

RETURN = r"""
installed:
  description: Names of the items that were installed, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [kubelet 1.36.2]
bytes:
  description: How much came over the network.
  returned: always
  type: int
  sample: 84095138
"""

import contextlib
import fnmatch
import hashlib
import json
import os
import stat
import tarfile
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

CHUNK = 1 << 20
ARCHIVES = (".tar.gz", ".tgz", ".tar")
JOBS = 4  # items at a time
OPTIONS = {
    "name": {"type": "str", "required": True},
    "sources": {"type": "list", "elements": "str", "default": []},
    "controller_sources": {"type": "list", "elements": "str", "default": []},
    "sha256": {"type": "str", "default": ""},
    "checksum_suffix": {"type": "str", "default": ".sha256"},
    "checksum_file": {"type": "str", "default": ""},
    "dest": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0755"},
    "archive": {"type": "bool", "default": False},
    "strip": {"type": "int", "default": 0},
    "include": {"type": "list", "elements": "str", "default": []},
}


class NoSource(Exception):
    """A source does not have what is wanted; the text says why."""


def digest(path):
    """SHA-256 of a file in hexadecimal, None where there is none."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                found.update(chunk)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    return found.hexdigest()


class Record:
    """What was installed: item's destination and name → digests of the files and of the source they came from."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        try:
            self.items = json.loads(fs.read(path) or b"{}")
        except ValueError:
            self.items = {}  # damaged: everything is looked at again

    def key(self, item):
        return "%s@%s" % (item["dest"], ",".join(item["include"]) if item["archive"] else "")

    def current(self, item):
        """True where everything that was installed for this wish is there unaltered."""
        entry = self.items.get(self.key(item))
        if not entry or entry["name"] != item["name"] or (item["sha256"] and entry["source"] not in ("", item["sha256"])):
            return False
        if not entry["source"] and not self.follows(item, entry):
            return False
        return all(digest(path) == wanted for path, wanted in entry["files"].items())

    def follows(self, item, entry):
        """True where the directory that the files were copied from still has the same ones (a package may have been upgraded)."""
        source = next((path for path in item["sources"] if os.path.isdir(path)), None)
        if source is None:
            return True
        found = {os.path.join(item["dest"], name): digest(os.path.join(source, name)) for name in directory_files(source, item)}
        return found == entry["files"]

    def modes(self, item):
        """Path → mode of the item's files as they were installed."""
        entry = self.items[self.key(item)]
        if not item["archive"]:
            return dict.fromkeys(entry["files"], fs.parse_mode(item["mode"], item["dest"]))
        return {path: int(mode, 8) for path, mode in entry.get("modes", {}).items()}

    def keep(self, item, source, files):
        modes = {path: "%04o" % stat.S_IMODE(os.stat(path).st_mode) for path in files}
        with self.lock:
            self.items[self.key(item)] = {"name": item["name"], "source": source, "files": files, "modes": modes}
            fs.make_parents(self.path)
            fs.write_atomic(self.path, json.dumps(self.items, indent=1, sort_keys=True).encode(), 0o600)


class Fetcher:
    """Gets one item's bytes from a source. Several threads may use it."""

    def __init__(self, module):
        self.module = module
        self.timeout = module.params["timeout"]
        self.bytes = 0
        self.lock = threading.Lock()

    def wanted(self, source, item):
        """The digest that the source must have, "" for any."""
        if item["sha256"]:
            return item["sha256"]
        if "://" in source:
            return self.published(source, item)
        beside = fs.read(source + item["checksum_suffix"]) if item["checksum_suffix"] else None
        return checksum(beside.decode(errors="replace"), os.path.basename(source)) if beside else ""

    def published(self, source, item):
        """The digest that the server publishes for `source`."""
        base, _slash, name = source.rpartition("/")
        url = "%s/%s" % (base, item["checksum_file"]) if item["checksum_file"] else source + item["checksum_suffix"]
        try:
            text = self.open(url).read(CHUNK).decode(errors="replace")
        except Exception as error:  # open_url raises what urllib, http and ssl raise
            raise NoSource("%s: %s" % (url, sentence(error)))
        found = checksum(text, name)
        if not found:
            raise NoSource("%s has no SHA-256 of %s" % (url, name))
        return found

    def open(self, url):
        """One at a time: open_url changes what all of urllib uses."""
        from ansible.module_utils.urls import open_url  # all of http and ssl, compiled in each call: not where nothing is loaded

        with self.lock:
            return open_url(url, timeout=self.timeout)

    def copy(self, source, target):
        """Write what the source has; returns its digest."""
        if "://" not in source:
            with open(source, "rb") as file:
                return copy(file, target)
        try:
            found = copy(self.open(source), target)
        except Exception as error:  # as above, and a full disk
            raise NoSource("%s: %s" % (source, sentence(error)))
        with self.lock:
            self.bytes += target.tell()
        return found


def copy(source, target):
    """All of it; returns the SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    for chunk in iter(lambda: source.read(CHUNK), b""):
        found.update(chunk)
        target.write(chunk)
    return found.hexdigest()


def check(source, found, wanted):
    if wanted and found != wanted:
        came = "came with" if "://" in source else "has"
        raise NoSource("%s %s the SHA-256 %s instead of %s" % (source, came, found, wanted))


def sentence(error):
    reason = getattr(error, "reason", None)
    return " ".join(str(reason or error).split()) or type(error).__name__


def checksum(text, name):
    """The digest in a checksum file: a bare one, or the line of `name`."""
    for line in text.splitlines():
        words = line.split()
        if words and len(words[0]) == 64 and (len(words) == 1 or os.path.basename(words[-1].lstrip("*")) == name):
            return words[0].lower()
    return ""


@contextlib.contextmanager
def replacing(dest, mode, label):
    """A file that takes the place of `dest` when all was written to it."""
    fs.make_parents(dest)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(dest), dir=os.path.dirname(dest))
    except OSError as error:
        raise fs.of(error, dest)
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
            os.fchmod(target.fileno(), fs.parse_mode(mode, dest))
            target.flush()
            os.fsync(target.fileno())
        if label:
            label(temporary, dest)
        os.rename(temporary, dest)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise fs.of(error, dest)
        raise
    fs.sync_directory(os.path.dirname(dest))


def install_archive(path, _source, item, label):
    """Regular files and links of the archive, each put in place by renaming; returns path → digest."""
    files, links = {}, []
    with tarfile.open(path) as archive:
        for member in archive:
            parts = [part for part in member.name.split("/") if part not in ("", ".")][item["strip"] :]
            relative = "/".join(parts)
            if not parts or ".." in parts or (item["include"] and not any(fnmatch.fnmatch(relative, p) for p in item["include"])):
                continue
            dest = os.path.join(item["dest"], relative)
            if member.issym():
                links.append(fs.Wanted(dest, "link", target=member.linkname))
            elif member.isfile():
                fs.make_parents(dest)
                fs.write_atomic(dest, archive.extractfile(member).read(), member.mode & 0o755, label=label)
                files[dest] = digest(dest)
    for link in links:
        fs.apply(link)
    if not files:
        raise NoSource("the archive %s has no file that matches %s" % (path, ", ".join(item["include"]) or "anything"))
    return files


def install_directory(path, item, label):
    """The files of a directory, copied where they differ; returns path → digest."""
    files = {}
    for name in directory_files(path, item):
        dest = os.path.join(item["dest"], name)
        source = os.path.join(path, name)
        mode = os.stat(source).st_mode & 0o755
        present = digest(dest)
        files[dest] = digest(source) if present else None
        if not present or present != files[dest] or altered({dest: mode}):
            with replacing(dest, "%04o" % mode, label) as target, open(source, "rb") as content:
                files[dest] = copy(content, target)
    if not files:
        raise NoSource("the directory %s has no file that matches %s" % (path, ", ".join(item["include"]) or "anything"))
    return files


def directory_files(path, item):
    names = [name for name in sorted(os.listdir(path)) if os.path.isfile(os.path.join(path, name))]
    return [name for name in names if not item["include"] or any(fnmatch.fnmatch(name, pattern) for pattern in item["include"])]


def install_program(path, source, item, label):
    """The file with the name of `dest` out of a tar archive; returns path → digest."""
    name = os.path.basename(item["dest"])
    with tarfile.open(path) as archive:
        member = next((member for member in archive if member.isfile() and os.path.basename(member.name) == name), None)
        if member is None:
            raise NoSource("the archive %s has no file %s" % (source, name))
        with replacing(item["dest"], item["mode"], label) as target:
            return {item["dest"]: copy(archive.extractfile(member), target)}


def take(source, item, fetcher, record, label):
    """Install from a source; returns its digest, "" for a directory, and path → digest of the files."""
    if item["archive"] and os.path.isdir(source):
        return "", install_directory(source, item, label)
    if "://" not in source and not os.path.isfile(source):
        raise NoSource("%s does not exist" % source)
    wanted = fetcher.wanted(source, item)
    if not item["archive"] and not source.endswith(ARCHIVES):
        with replacing(item["dest"], item["mode"], label) as target:
            found = fetcher.copy(source, target)
            check(source, found, wanted)
        return found, {item["dest"]: found}
    unpack = install_archive if item["archive"] else install_program
    if "://" not in source:
        found = digest(source)
        check(source, found, wanted)
        return found, unpack(source, source, item, label)
    fs.make_parents(record.path)
    with tempfile.NamedTemporaryFile(prefix=".pykubeadm-", dir=os.path.dirname(record.path)) as file:
        found = fetcher.copy(source, file)
        check(source, found, wanted)
        file.flush()
        return found, unpack(file.name, source, item, label)


def install(item, fetcher, record, label):
    """Install from the first source that has it; raises NoSource with all the reasons."""
    reasons = []
    for source in item["sources"]:
        try:
            found, files = take(source, item, fetcher, record, label)
        except NoSource as error:
            reasons.append(str(error))
        except (tarfile.TarError, EOFError, zlib.error) as error:  # the latter where it was cut off or damaged
            reasons.append("%s is not a whole tar archive: %s" % (source, " ".join(str(error).split())))
        else:
            record.keep(item, found, files)
            return
    raise NoSource("; ".join(reasons) or "no source is given")


def unavailable_sentence(items, advice):
    """One sentence for all items that are missing; the reasons of the first stand for the others, whose places are the same."""
    names = [name for name, _reasons in items]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    found = "%s cannot be obtained: %s" % (listed, items[0][1])
    return "%s; %s" % (found, advice) if advice else found


def already_there(item):
    """A plain file that is up to date, by whatever way it came: by its digest, or equal to a source on this node."""
    if item["archive"] or not os.path.exists(item["dest"]):
        return None
    found = digest(item["dest"])
    if item["sha256"]:
        return found if found == item["sha256"] else None
    for source in item["sources"]:
        if "://" not in source and os.path.exists(source):
            return found if digest(source) == found else None
    return None


def altered(modes):
    """Those of path → mode whose file has another mode, or another owner. A link is somebody's own arrangement."""
    found = {}
    for path, mode in modes.items():
        present = os.lstat(path)
        if not stat.S_ISLNK(present.st_mode) and (stat.S_IMODE(present.st_mode), present.st_uid) != (mode, os.geteuid()):
            found[path] = mode
    return found


def ensure(module, item, fetcher, record, label):
    """What became of an item: "current", "deferred" or "installed". Raises NoSource, OSError, fs.Unusable."""
    current = record.current(item)
    found = None if current else already_there(item)
    if current or found:
        modes = record.modes(item) if current else {item["dest"]: fs.parse_mode(item["mode"], item["dest"])}
        wrong = altered(modes)
        if not module.check_mode:
            for path, mode in wrong.items():
                os.chown(path, os.geteuid(), -1)
                os.chmod(path, mode)
            if found:
                record.keep(item, found, {item["dest"]: found})
        return "installed" if wrong else "current"
    if module.params["defer"] and item["controller_sources"]:
        return "deferred"
    if not module.check_mode:
        install(item, fetcher, record, label)
    elif not any("://" in source or os.path.exists(source) for source in item["sources"]):
        raise NoSource("; ".join("%s does not exist" % source for source in item["sources"]) or "no source is given")
    return "installed"


def main():
    module = AnsibleModule(
        {
            "items": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS},
            "record": {"type": "path", "default": "/var/lib/pykubeadm/downloads.json"},
            "environment": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 15},
            "advice": {"type": "str", "default": ""},
            "defer": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    items = [dict(item, sha256=item["sha256"].lower()) for item in module.params["items"]]
    fs.hide_passwords(module, [source for item in items for source in item["sources"]])
    fs.hide_passwords(module, module.params["environment"].values())
    os.environ.update({name: str(value) for name, value in module.params["environment"].items()})
    record, fetcher, label = Record(module.params["record"]), Fetcher(module), fs.selinux_label(module)
    names, failures, unavailable = {"installed": [], "deferred": [], "current": []}, [], []
    with ThreadPoolExecutor(JOBS) as pool:
        work = [(item["name"], pool.submit(ensure, module, item, fetcher, record, label)) for item in items]
        for name, future in work:
            try:
                names[future.result()].append(name)
            except NoSource as error:
                unavailable.append((name, str(error)))
            except fs.Unusable as error:
                failures.append(str(error))
            except OSError as error:
                failures.append("%s cannot be installed: %s" % (name, fs.sentence(error)))
    installed, deferred = names["installed"], names["deferred"]
    if unavailable:
        failures.append(unavailable_sentence(unavailable, module.params["advice"]))
    if failures:
        module.fail_json(msg="; ".join(failures), installed=installed, bytes=fetcher.bytes)
    lines = "".join("%s\n" % name for name in installed + deferred)
    diff = {"before_header": "installed", "after_header": "installed", "before": "", "after": lines}
    module.exit_json(changed=bool(installed), installed=installed, deferred=deferred, bytes=fetcher.bytes, diff=diff)


if __name__ == "__main__":
    main()
