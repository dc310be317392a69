#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Install and hold packages with apt, dnf or zypper, repositories included, in one call
description:
  - Installs what is missing, from the repositories that the machine has, from those given, or from a folder of package files.
  - Nothing that is installed is upgraded, unless a version is asked for. The package index is only brought up to date
    where something has to be installed.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  packages:
    description: The packages.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The package's name.
        type: str
        required: true
      version:
        description:
          - The upstream version or its beginning (V(1.36.2) takes V(1.36.2-1.1)). Left out, any version will do.
        type: str
        default: ""
      hold:
        description: Keep the package from being upgraded together with others.
        type: bool
        default: false
      provides:
        description: A program. Where it exists already, by whatever way it came, the package is not installed.
        type: path
  repositories:
    description: Repositories to add first; they are only written where something has to be installed from them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The repository file, below C(/etc/apt/sources.list.d), C(/etc/yum.repos.d) or C(/etc/zypp/repos.d).
        type: path
        required: true
      content:
        description: The repository file's text.
        type: str
        required: true
      key_path:
        description: Where the signing key goes.
        type: path
      key_url:
        description:
          - Where the signing key comes from, when it is not there yet, or packages cannot be installed with the one that is.
        type: str
  folder:
    description: A folder on the node with package files (C(.deb), C(.rpm)) that are used before any repository.
    type: path
  environment:
    description: Environment variables for the package manager, such as proxies.
    type: dict
    default: {}
  lock_timeout:
    description: Seconds to wait for another package manager that is at work.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Reports what would be installed, and installs nothing.
  diff_mode:
    support: full
    description: Shows the packages' versions before and after.
"""

EXAMPLES = r"""
- name: Install the container runtime
  pykubeadm.kube.packages:
    packages:
      - {name: containerd, provides: /usr/bin/containerd}
      - {name: runc}
"""

RETURN = r"""
installed:
  description: The packages that were installed by this call.
  returned: always
  type: list
  elements: str
  sample: [containerd]
versions:
  description: Versions of the packages as they are now (in check mode, as they would be; empty where unknown).
  returned: always
  type: dict
  sample: {"containerd": "1.6.20~ds1-1+deb12u2"}
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils.package_managers import MANAGERS, PackageError, satisfies

ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
# RFC 9580, 4.2: the first byte of a public key packet, in the old form with 1, 2 or 4 bytes of length, and in the new one.
PACKETS = (b"\x98", b"\x99", b"\x9a", b"\xc6")
OPTIONS = {
    "packages": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "hold": {"type": "bool", "default": False},
            "provides": {"type": "path"},
        },
    },
    "repositories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "key_path": {"type": "path"},
            "key_url": {"type": "str", "no_log": False},
        },
    },
    "folder": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "lock_timeout": {"type": "int", "default": 300},
}


def is_key(content):
    """Whether these are OpenPGP keys, armored or not."""
    return ARMOR in content or content[:1] in PACKETS


def fetch_key(repository):
    """The signing key. Raises PackageError where it cannot be obtained, or is none: proxies answer with pages of their own."""
    from ansible.module_utils.urls import open_url  # all of http and ssl, compiled in each call: not where nothing is loaded

    url = repository["key_url"]
    try:
        content = open_url(url, timeout=30).read()
    except Exception as error:  # open_url raises what urllib, http and ssl raise
        raise PackageError("the key of the repository cannot be obtained from %s: %s" % (url, error))
    if not is_key(content):
        raise PackageError(
            "%s answers with something else than the repository's key; check the URL, and the proxy if there is one" % url
        )
    return content


def renew_keys(module):
    """Fetch the keys again, for they expire; True where one is another than before. Those that cannot be had stay."""
    renewed = False
    for repository in module.params["repositories"]:
        key = repository["key_path"]
        try:
            content = fetch_key(repository) if key else None
        except PackageError:
            continue
        if key and fs.read(key) != content:
            fs.apply(fs.Wanted(key, content=content), fs.selinux_label(module))
            renewed = True
    return renewed


def add_repositories(module):
    """Write what is missing; True where a repository is new."""
    added = False
    label = fs.selinux_label(module)
    for repository in module.params["repositories"]:
        key = repository["key_path"]
        if key and not is_key(fs.read(key) or b""):
            added = True
            if not module.check_mode:
                fs.apply(fs.Wanted(key, content=fetch_key(repository)), label)
        secret = fs.PASSWORD_IN_URL.search(repository["content"])
        want = fs.Wanted(repository["path"], content=repository["content"].encode(), mode="0600" if secret else None)
        if fs.differences(want):
            added = True
            if not module.check_mode:
                fs.apply(want, label)
    return added


def find_manager(module):
    for manager_class in MANAGERS:
        program = module.get_bin_path(manager_class.program)
        if program:
            return manager_class(module, program)
    raise PackageError("none of apt-get, dnf and zypper is on this machine, so packages cannot be installed")


def is_missing(package, versions):
    name = package["name"]
    if package["provides"] and os.path.exists(package["provides"]) and not versions.get(name):
        return False  # it came another way
    return not satisfies(versions.get(name, ""), package["version"])


def install(module, manager, missing, held):
    """Install the packages; returns those of `held` that still are."""
    folder = module.params["folder"]
    files = sorted(glob.glob(os.path.join(folder, "*" + manager.suffix))) if folder else []
    # Where the folder has all of them there may be no way to a repository.
    enough = bool(files) and len(manager.local(missing, files)) == len(missing)
    new_repository = not enough and add_repositories(module)
    locked = held.intersection(package["name"] for package in missing)  # would keep the new version away
    if locked and not module.check_mode:
        manager.release(sorted(locked))
    try:
        obtain(module, manager, missing, files, new_repository)
    except PackageError:
        if module.check_mode or enough or not renew_keys(module):
            raise
        obtain(module, manager, missing, files, new_repository=True)
    return held - locked


def obtain(module, manager, missing, files, new_repository):
    if new_repository and not module.check_mode:
        manager.refresh()
    manager.install(missing, files, may_be_unknown=module.check_mode and new_repository)


def check_installed(missing, versions):
    for package in missing:
        if not satisfies(versions.get(package["name"], ""), package["version"]):
            raise PackageError(
                "%s is installed in version %s, but %s is wanted"
                % (package["name"], versions.get(package["name"]), package["version"])
            )


def ensure(module, manager):
    """Install and hold what is wanted; returns what the module reports."""
    wanted = module.params["packages"]
    names = [package["name"] for package in wanted]
    to_hold = {package["name"] for package in wanted if package["hold"]}
    before = after = manager.versions(names)
    held = manager.held(names) if to_hold else set()
    missing = [package for package in wanted if is_missing(package, before)]
    if missing:
        held = install(module, manager, missing, held)
        after = dict(before, **manager.planned) if module.check_mode else manager.versions(names)
    if not module.check_mode:
        check_installed(missing, after)
        to_hold = {name for name in to_hold if after.get(name)}
    newly_held = [name for name in names if name in to_hold and name not in held]
    if newly_held and not module.check_mode:
        manager.hold(newly_held)
    installed = [package["name"] for package in missing]
    coming = set(installed) if module.check_mode else set()
    return {
        "changed": bool(missing or newly_held),
        "installed": installed,
        "held": newly_held,
        "versions": after,
        "diff": {
            "before_header": "packages",
            "after_header": "packages",
            "before": listing(names, before),
            "after": listing(names, after, coming) + "".join("hold %s\n" % name for name in newly_held),
        },
    }


def listing(names, versions, coming=frozenset()):
    unknown = {name: "(version not known yet)" if name in coming else "(none)" for name in names}
    return "".join("%s %s\n" % (name, versions.get(name) or unknown[name]) for name in names)


def main():
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    fs.hide_passwords(module, module.params["environment"].values())
    fs.hide_passwords(module, [repository["key_url"] for repository in module.params["repositories"]])
    fs.hide_passwords(module, [repository["content"] for repository in module.params["repositories"]])
    try:
        result = ensure(module, find_manager(module))
    except PackageError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=fs.sentence(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
