#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: images
short_description: Have container images on the node, imported from archives or pulled, in parallel
description:
  - Compares with what the runtime has and imports or pulls only what is missing.
  - Archives may be OCI layouts or C(docker save) files, compressed with gzip or not. An OCI archive whose image has the
    same name but another digest is imported again.
  - Of an OCI layout that is not compressed containerd gets only those images that are missing, each by itself.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  names:
    description: Images that must be there. Those that no archive brings are pulled.
    type: list
    elements: str
    default: []
  archives:
    description: >-
      Archives on the node; folders stand for all their C(.tar), C(.tar.gz) and C(.tgz) files. Folders that do not exist
      are empty.
    type: list
    elements: path
    default: []
  left_out:
    description: >-
      Images that are not imported though an archive has them, by name without tag. Archives that are compressed or of
      another format come as a whole where they have other images, too.
    type: list
    elements: str
    default: []
  pull:
    description: Whether missing images are pulled. With V(false) a missing image is an error.
    type: bool
    default: true
  pinned:
    description: >-
      Images that the kubelet's garbage collection must not remove (containerd only; CRI-O has them in its
      configuration).
    type: list
    elements: str
    default: []
  socket:
    description: The runtime's socket.
    type: path
    default: /run/containerd/containerd.sock
  jobs:
    description: How many imports or pulls at a time.
    type: int
    default: 4
attributes:
  check_mode:
    support: full
    description: Reports what would be imported or pulled.
  diff_mode:
    support: full
    description: Lists the images that come.
"""

EXAMPLES = r"""
- name: Have the control plane's images
  pykubeadm.kube.images:
    names: ["registry.k8s.io/pause:3.10.2"]
    archives: [/opt/kubernetes/images]
    pinned: ["registry.k8s.io/pause:3.10.2"]
"""

RETURN = r"""
imported:
  description: Archives that were imported.
  returned: always
  type: list
  elements: str
pulled:
  description: Images that were pulled.
  returned: always
  type: list
  elements: str
"""

import io
import json
import os
import subprocess
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

SUFFIXES = (".tar", ".tar.gz", ".tgz")
LARGE = 8 << 20  # bytes of a layer that is not worth to be imported twice
PINNED = "io.cri-containerd.pinned=pinned"


class ImageError(Exception):
    """The text is a sentence for the user."""


def full_name(name):
    """As the runtime keeps it: "nginx" → "docker.io/library/nginx:latest"."""
    first, slash, _rest = name.partition("/")
    if not slash:
        name = "docker.io/library/" + name
    elif not ("." in first or ":" in first or first == "localhost"):
        name = "docker.io/" + name
    return name if "@" in name or ":" in name.rpartition("/")[2] else name + ":latest"


def expand(paths):
    found = []
    for path in paths:
        if os.path.isdir(path):
            found += [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(SUFFIXES)]
        elif os.path.exists(path) or path.endswith(SUFFIXES):
            found.append(path)
    return found


def repository(name):
    """The name without tag and digest."""
    name = full_name(name).partition("@")[0]
    first, slash, last = name.rpartition("/")
    return first + slash + last.partition(":")[0]


class Archive:
    """An archive of images. `images` maps their names to digests, which are "" where the format does not have them."""

    def __init__(self, path):
        self.path = path
        self.index, manifest = None, []
        try:
            with tarfile.open(path) as archive:
                is_compressed = not isinstance(archive.fileobj, io.BufferedReader)
                for member in archive:
                    if plain(member) == "index.json":
                        self.index = json.loads(archive.extractfile(member).read())
                    elif plain(member) == "manifest.json":
                        manifest = json.loads(archive.extractfile(member).read())
                entries = [entry for entry in (self.index or {}).get("manifests", []) if annotated(entry)]
                self.images = {annotated(entry): entry["digest"] for entry in entries}
                members = {plain(member): member for member in archive}
                self.is_divisible = bool(entries) and "oci-layout" in members and not is_compressed
                if self.is_divisible:
                    self.blobs = {entry["digest"]: blobs_of(archive, members, entry["digest"]) for entry in entries}
        except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
            raise ImageError("%s is not an image archive: %s" % (path, " ".join(str(error).split())))
        if not self.images:
            self.images = {full_name(name): "" for entry in manifest for name in entry.get("RepoTags") or []}
        if not self.images:
            raise ImageError("%s names no image (neither an OCI layout with image names nor a docker archive)" % path)

    def parts(self, names):
        """The names in lists, each of which is imported by itself: those of one image, and of images that have a large layer in
        common; all in one where the archive can only be imported as a whole."""
        if not self.is_divisible:
            return [names]
        parts = []
        for name in names:
            digest = self.images[name]
            part = [name], {digest} | {blob for blob, size in self.blobs[digest].items() if size >= LARGE}
            for other in [other for other in parts if other[1] & part[1]]:
                parts.remove(other)
                part = other[0] + part[0], other[1] | part[1]
            parts.append(part)
        return [names for names, _marks in parts]

    def write(self, names, target):
        """A layout with some of the images, as an uncompressed tar, into a file that has a descriptor."""
        entries = [entry for entry in self.index["manifests"] if annotated(entry) in names]
        index = json.dumps(dict(self.index, manifests=entries)).encode()
        with open(self.path, "rb") as source, tarfile.open(fileobj=source, mode="r:") as archive:
            members = {plain(member): member for member in archive}
            blobs = {blob for entry in entries for blob in self.blobs[entry["digest"]]}
            for name in ("oci-layout", *sorted(blobs)):
                begin(target, name, members[name].size)
                send(target, source, members[name])
                end(target, members[name].size)
            begin(target, "index.json", len(index))
            target.write(index)
            end(target, len(index))
            target.write(bytes(2 * tarfile.BLOCKSIZE))
            target.flush()


def begin(target, name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    target.write(member.tobuf())


def send(target, source, member):
    """The content of an archive's member, by the kernel: archives are large."""
    target.flush()
    start, left = member.offset_data, member.size
    while left:
        sent = os.sendfile(target.fileno(), source.fileno(), start, left)
        if not sent:
            raise EOFError("%s ends within %s" % (source.name, member.name))
        start, left = start + sent, left - sent


def end(target, size):
    target.write(bytes(-size % tarfile.BLOCKSIZE))


def plain(member):
    return member.name.removeprefix("./")


def annotated(entry):
    """The name of an entry in an index, "" where it has none."""
    name = (entry.get("annotations") or {}).get("io.containerd.image.name")
    return full_name(name) if name else ""


def blobs_of(archive, members, digest):
    """Name → size of the blobs that a manifest, or an index of manifests for several platforms, is or refers to, as far as the
    archive has them."""
    name = "blobs/" + digest.replace(":", "/")
    if name not in members:
        return {}
    found = {name: members[name].size}
    document = json.loads(archive.extractfile(members[name]).read())
    for entry in document.get("manifests") or []:
        found.update(blobs_of(archive, members, entry["digest"]))
    for entry in [document.get("config") or {}, *(document.get("layers") or [])]:
        blob = "blobs/" + entry.get("digest", "").replace(":", "/")
        if blob in members:
            found[blob] = members[blob].size
    return found


def run(*command, write=None):
    """What the command printed; `write` is called with its standard input, where it has one."""
    feed = subprocess.PIPE if write else None
    with subprocess.Popen(command, stdin=feed, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        broken = None
        if write:
            try:
                write(process.stdin)
            except (OSError, tarfile.TarError, EOFError) as error:  # where the command ended early it says why
                broken = error
        out, err = (text.decode(errors="replace") for text in process.communicate())
    if process.returncode != 0:
        lines = [line for line in (err or out).splitlines() if line.strip()]
        raise ImageError(lines[-1].strip() if lines else "%s ended with status %d" % (command[0], process.returncode))
    if broken:
        raise ImageError(" ".join(str(broken).split()))
    return out


class Containerd:
    """Images through ctr, in the namespace of the CRI."""

    def __init__(self, module, socket):
        self.ctr = module.get_bin_path("ctr", required=not module.check_mode, opt_dirs=["/usr/local/bin"])
        self.base = [self.ctr, "--address", socket, "--namespace", "k8s.io"]
        self.crictl = module.get_bin_path("crictl", opt_dirs=["/usr/local/bin"])
        self.socket = socket

    def present(self):
        """name → (digest, pinned)"""
        found = {}
        for line in run(*self.base, "images", "list").splitlines()[1:]:
            words = line.split()
            digests = [word for word in words if word.startswith("sha256:")]
            if digests:
                found[words[0]] = (digests[0], PINNED in line)
        return found

    def load(self, archive, names):
        if archive.is_divisible and set(names) != set(archive.images):
            run(*self.base, "images", "import", "-", write=lambda target: archive.write(names, target))
        else:
            run(*self.base, "images", "import", archive.path)

    def parts(self, archive, names):
        return archive.parts(names)

    def pull(self, name):
        # The CRI's own pull takes the registry mirrors and credentials of the configuration; ctr has to be given them.
        if self.crictl:
            run(
                self.crictl,
                "--image-endpoint",
                "unix://" + self.socket,
                "--runtime-endpoint",
                "unix://" + self.socket,
                "pull",
                name,
            )
        else:
            run(*self.base, "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", name)

    def pin(self, name):
        run(*self.base, "images", "label", name, PINNED)


class Crio:
    """Images through crictl; archives through podman or skopeo, into the storage that CRI-O shares with them."""

    def __init__(self, module, socket):
        self.crictl = module.get_bin_path("crictl", required=not module.check_mode, opt_dirs=["/usr/local/bin"])
        self.base = [self.crictl, "--image-endpoint", "unix://" + socket, "--runtime-endpoint", "unix://" + socket]
        self.podman = module.get_bin_path("podman")

    def present(self):
        listed = json.loads(run(*self.base, "images", "-o", "json"))["images"]
        return {name: ("", True) for image in listed for name in image.get("repoTags") or []}

    def load(self, archive, _names):
        if not self.podman:
            raise ImageError("importing %s into CRI-O needs podman on the node" % archive.path)
        run(self.podman, "load", "--input", archive.path)

    def parts(self, _archive, names):
        return [names]

    def pull(self, name):
        run(*self.base, "pull", name)

    def pin(self, name):
        pass


def main():
    module = AnsibleModule(
        {
            "names": {"type": "list", "elements": "str", "default": []},
            "archives": {"type": "list", "elements": "path", "default": []},
            "left_out": {"type": "list", "elements": "str", "default": []},
            "pull": {"type": "bool", "default": True},
            "pinned": {"type": "list", "elements": "str", "default": []},
            "socket": {"type": "path", "default": "/run/containerd/containerd.sock"},
            "jobs": {"type": "int", "default": 4},
        },
        supports_check_mode=True,
    )
    socket = module.params["socket"]
    names = [full_name(name) for name in module.params["names"]]
    left_out = {repository(name) for name in module.params["left_out"]}
    # A fresh node in check mode has no runtime yet.
    running = os.path.exists(socket)
    if not running and not module.check_mode:
        module.fail_json(msg="the container runtime does not listen on %s; it is not running" % socket)
    failures, parts, pulls, pins = {}, [], [], []
    try:
        runtime = (Crio if "crio" in socket else Containerd)(module, socket)
        present = runtime.present() if running else {}
        coming = set()
        for archive in map(Archive, expand(module.params["archives"])):
            wanted = {name: digest for name, digest in archive.images.items() if repository(name) not in left_out}
            missing = [
                name
                for name, digest in wanted.items()
                if name not in present or (digest and present[name][0] not in ("", digest))
            ]
            parts += [(archive, part) for part in runtime.parts(archive, missing)] if missing else []
            coming.update(wanted)
        pulls = [name for name in names if name not in present and name not in coming]
        if pulls and not module.params["pull"]:
            raise ImageError("%s are missing on the node, no archive brings them, and pulling is switched off" % ", ".join(pulls))
        pins = [full_name(name) for name in module.params["pinned"]]
        pins = [name for name in pins if name in coming or name in pulls or name in present]
        pins = [name for name in pins if not present.get(name, ("", False))[1]]
    except ImageError as error:
        module.fail_json(msg=str(error))
    imports = list(dict.fromkeys(archive.path for archive, _part in parts))
    if not module.check_mode:
        with ThreadPoolExecutor(max(1, module.params["jobs"])) as pool:
            work = [(archive.path, pool.submit(runtime.load, archive, part)) for archive, part in parts]
            work += [(name, pool.submit(runtime.pull, name)) for name in pulls]
            for what, future in work:
                try:
                    future.result()
                except ImageError as error:
                    failures.setdefault(what, error)  # what keeps one image of an archive away does so with all
        for name in [] if failures else pins:
            try:
                runtime.pin(name)
            except ImageError as error:
                failures["cannot pin %s" % name] = error
    if failures:
        message = "; ".join("%s: %s" % failure for failure in failures.items())
        module.fail_json(msg=message, imported=imports, pulled=pulls)
    lines = ["import %s" % path for path in imports] + ["pull %s" % name for name in pulls] + ["pin %s" % name for name in pins]
    diff = {"before_header": "images", "after_header": "images", "before": "", "after": "".join(line + "\n" for line in lines)}
    module.exit_json(changed=bool(lines), imported=imports, pulled=pulls, pinned=pins, diff=diff)


if __name__ == "__main__":
    main()
