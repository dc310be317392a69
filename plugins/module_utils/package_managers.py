# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""apt, dnf and zypper behind one face: versions, held, install, hold, refresh."""

from __future__ import annotations

import os
import re
import time


class PackageError(Exception):
    """A package cannot be obtained; the text is a sentence for the user."""


def upstream(version):
    """Without epoch: "1:1.36.2-1.1" → "1.36.2-1.1"."""
    return version.partition(":")[2] if ":" in version else version


def satisfies(found, wish):
    """Whether the installed version is the wanted one, on a boundary: 1.36.2 takes 1.36.2-1.1 and not 1.36.20."""
    found, wish = upstream(found), wish.lstrip("v")
    return bool(found) and (not wish or found == wish or (found.startswith(wish) and not found[len(wish)].isdigit()))


def in_folder(package, files, pattern, architectures):
    """The newest of the package files that is the package, in a wanted version and for this machine; "" where there is none.
    `pattern` takes name, version and architecture out of a file's name."""
    found = []
    for file in files:
        match = re.match(pattern, os.path.basename(file))
        if not match or match["name"] != package["name"] or (match["architecture"] or architectures[0]) not in architectures:
            continue
        version = match["version"].replace("%3a", ":")
        if satisfies(version, package["version"]):
            found.append(([int(part) if part.isdigit() else 0 for part in re.split(r"(\d+)", upstream(version))], file))
    return max(found)[1] if found else ""


class Manager:
    """Base. `planned` maps a name to the version that check mode found to be installable."""

    program = ""
    suffix = ""
    file_name = ""

    def __init__(self, module, program):
        self.module = module
        self.path = program
        self.planned = {}
        self.environment = dict(module.params["environment"], LC_ALL="C")

    def run(self, *command, check=True):
        status, out, err = self.module.run_command(list(command), environ_update=self.environment)
        if check and status != 0:
            verb = next((word for word in command[1:] if re.match(r"[a-z][a-z-]*$", word)), "")
            raise PackageError("%s %s failed: %s" % (os.path.basename(command[0]), verb, reason(err or out)))
        return status, out, err

    def refresh(self):
        pass

    def local(self, packages, files):
        """Name → package file, for those of the packages that the files have."""
        architectures = self.architectures() if files else []
        found = {package["name"]: in_folder(package, files, self.file_name, architectures) for package in packages}
        return {name: file for name, file in found.items() if file}

    def architectures(self):
        """The machine's own first."""
        raise NotImplementedError

    def install(self, packages, files, may_be_unknown):
        raise NotImplementedError


def reason(text):
    """The lines that say what is wrong: errors where there are any, else the last ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(E:|Error|error:|No match|Problem:)", line)]
    return " / ".join((errors or lines)[-3:]) or "it gave no reason"


class Apt(Manager):
    program = "apt-get"
    suffix = ".deb"
    file_name = r"(?P<name>[^_]+)_(?P<version>[^_]+?)(_(?P<architecture>[^_]+))?\.deb$"
    index_age = 24 * 3600  # an index older than this is brought up to date before it is relied on
    options = (
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "APT::Install-Recommends=false",
    )

    def __init__(self, module, program):
        super().__init__(module, program)
        self.environment.update(DEBIAN_FRONTEND="noninteractive", NEEDRESTART_SUSPEND="1")
        self.lock = ("-o", "DPkg::Lock::Timeout=%d" % module.params["lock_timeout"])
        self.fresh = False

    def versions(self, names):
        _status, out, _err = self.run(
            "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version}\n", *names, check=False
        )
        found = {}
        for line in out.splitlines():
            name, state, version = (line.split(" ", 2) + ["", ""])[:3]
            if state == "installed":
                found[name] = version
        return found

    def held(self, names):
        return set(self.run("apt-mark", "showhold", *names)[1].split())

    def hold(self, names):
        self.run("apt-mark", "hold", *names)

    def release(self, names):
        self.run("apt-mark", "unhold", *names)

    def architectures(self):
        return [self.run("dpkg", "--print-architecture")[1].strip(), "all"]

    def patient(self, *command):
        """apt-get waits for dpkg's lock, but not for those of its lists and archives, which apt-daily holds after boots."""
        deadline = time.monotonic() + self.module.params["lock_timeout"]
        while True:
            try:
                return self.run(self.path, *self.lock, *command)
            except PackageError as error:
                if "Could not get lock" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def refresh(self):
        self.fresh = True
        self.patient("update")

    def known(self, names):
        """Name → the version to install of what is wanted (name → version): the newest that satisfies it; "" where the index has
        none."""
        found = dict.fromkeys(names, "")
        any_version = sorted(name for name, wish in names.items() if not wish)
        if any_version:
            out = self.run("apt-cache", "policy", *any_version, check=False)[1]
            for name, version in re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)", out, re.MULTILINE):
                if name in found and version != "(none)":
                    found[name] = version
        for name, wish in names.items():
            if wish:
                out = self.run("apt-cache", "madison", name, check=False)[1]
                versions = [line.split("|")[1].strip() for line in out.splitlines() if line.count("|") >= 2]
                found[name] = next((version for version in versions if satisfies(version, wish)), "")
        return found

    def index_is_old(self):
        try:
            return time.time() - max(e.stat().st_mtime for e in os.scandir("/var/lib/apt/lists") if e.is_file()) > self.index_age
        except (ValueError, FileNotFoundError):
            return True

    def install(self, packages, files, may_be_unknown):
        local = self.local(packages, files)
        names = {package["name"]: package["version"] for package in packages if package["name"] not in local}
        candidates = self.candidates(names, may_be_unknown) if names else {}
        versions = {name: re.match(self.file_name, os.path.basename(file))["version"] for name, file in local.items()}
        self.planned = dict(candidates, **{name: version.replace("%3a", ":") for name, version in versions.items()})
        if not self.module.check_mode:
            wanted = ["%s=%s" % (name, candidates[name]) if names[name] else name for name in sorted(names)]
            # Dependencies lie beside what they are for; apt takes from the index only what is missing in the folder.
            wanted += [local[name] for name in sorted(local)] + (self.dependencies(local, files) if local else [])
            self.patient(*self.options, "install", "-y", "--allow-change-held-packages", *wanted)

    def candidates(self, names, may_be_unknown):
        """Name → the version to install, from an index that is brought up to date where one is missing or it is old."""
        found = self.known(names)
        old = self.index_is_old()
        if (not all(found.values()) or old) and not self.fresh and not self.module.check_mode:
            try:
                self.refresh()
            except PackageError as error:
                if not all(found.values()):
                    raise PackageError(
                        "%s cannot be installed: the package index cannot be obtained (%s)" % (", ".join(sorted(names)), error)
                    )
            found = self.known(names)
        unknown = [name for name, version in found.items() if not version]
        if unknown and not (self.module.check_mode and (may_be_unknown or old)):
            wishes = ["%s %s" % (name, names[name]) if names[name] else name for name in sorted(unknown)]
            raise PackageError(
                "no repository of this machine has %s; add one, or give a folder with package files" % ", ".join(wishes)
            )
        return found

    def dependencies(self, local, files):
        """Files of the folder that the wanted packages depend on, followed through the folder."""
        queue, found = list(local.values()), {}
        while queue:
            out = self.run("dpkg-deb", "-f", queue.pop(), "Depends", "Pre-Depends")[1]
            names = set(re.findall(r"(?:^|[,|:]\s*)([a-z0-9][a-z0-9+.-]+)", out, re.MULTILINE)) - set(local) - set(found)
            for name, file in self.local([{"name": name, "version": ""} for name in sorted(names)], files).items():
                if not self.versions([name]):
                    found[name] = file
                    queue.append(file)
        return [found[name] for name in sorted(found)]


class Rpm(Manager):
    """What dnf and zypper share."""

    suffix = ".rpm"
    file_name = r"(?P<name>.+?)-(?P<version>\d[^-]*(-[^-]+)?)\.(?P<architecture>[^.]+)\.rpm$"

    def architectures(self):
        return [os.uname().machine, "noarch"]

    def versions(self, names):
        out = self.run("rpm", "-q", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n", *names, check=False)[1]
        return dict(line.split(" ", 1) for line in out.splitlines() if line.count(" ") == 1 and line.split(" ")[0] in names)

    def arguments(self, packages, files):
        """Package files where the folder has them, else names with versions."""
        local, found = self.local(packages, files), []
        for package in packages:
            name, wish = package["name"], package["version"].lstrip("v")
            found.append(local.get(name) or (self.with_version(name, wish) if wish else name))
        return found

    def with_version(self, name, wish):
        raise NotImplementedError


class Dnf(Rpm):
    program = "dnf"

    def held(self, names):
        out = self.run(self.path, "versionlock", "list", check=False)[1]
        return {name for name in names if re.search(r"(^|[\s:])%s([-\s]|$)" % re.escape(name), out, re.MULTILINE)}

    def hold(self, names):
        command = (self.path, "versionlock", "add", *names)
        if self.run(*command, check=False)[0] == 0:
            return
        # In dnf 4 it is a plugin, which minimal systems do not have.
        self.run(self.path, "install", "-y", "--setopt=install_weak_deps=False", "dnf-command(versionlock)", check=False)
        status, out, err = self.run(*command, check=False)
        if status != 0:
            raise PackageError("cannot hold %s: %s; install the dnf plugin versionlock" % (", ".join(names), reason(err or out)))

    def release(self, names):
        self.run(self.path, "versionlock", "delete", *names)

    def with_version(self, name, wish):
        return "%s-%s*" % (name, wish)

    def install(self, packages, files, may_be_unknown):
        command = [self.path, "install", "-y", "--setopt=install_weak_deps=False"]
        # pkgs.k8s.io's documented repository file excludes its packages from ordinary upgrades. dnf 5 has no --disableexcludes.
        if any("kubernetes" in repository["path"] for repository in self.module.params["repositories"]):
            command.append("--setopt=disable_excludes=kubernetes")
        if self.module.check_mode:
            self.planned = {package["name"]: package["version"] for package in packages}
            return
        self.run(*command, *self.arguments(packages, files))


class Zypper(Rpm):
    program = "zypper"

    def held(self, names):
        out = self.run(self.path, "--non-interactive", "locks", check=False)[1]
        return {name for name in names if re.search(r"\|\s*%s\s*\|" % re.escape(name), out)}

    def hold(self, names):
        self.run(self.path, "--non-interactive", "addlock", *names)

    def release(self, names):
        self.run(self.path, "--non-interactive", "removelock", *names)

    def with_version(self, name, wish):
        # A whole version takes any release of it; "1.36" is the beginning of one, and the repository has one minor only.
        return "%s%s%s" % (name, "=" if wish.count(".") >= 2 else ">=", wish)

    def refresh(self):
        self.run(self.path, "--non-interactive", "--gpg-auto-import-keys", "refresh")

    def install(self, packages, files, may_be_unknown):
        if self.module.check_mode:
            self.planned = {package["name"]: package["version"] for package in packages}
            return
        self.run(self.path, "--non-interactive", "install", "--no-recommends", *self.arguments(packages, files))


MANAGERS = (Zypper, Dnf, Apt)
