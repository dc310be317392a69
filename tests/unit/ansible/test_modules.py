"""The modules' own logic, on files below a folder. What they do to a machine is tested on nodes (molecule/)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tarfile

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils import kernel, machine, package_managers
from ansible_collections.pykubeadm.kube.plugins.module_utils.package_managers import reason, satisfies
from ansible_collections.pykubeadm.kube.plugins.modules import (
    downloads,
    files,
    firewall_ports,
    images,
    packages,
    swap,
    sysctls,
    units,
)

from tests.roles.systems import SYSTEMS


def mine(path, **fields):
    return fs.Wanted(str(path), owner=str(os.getuid()), group=str(os.getgid()), **fields)


class TestFiles:
    def test_a_file_is_made_with_its_parents_and_then_as_wanted(self, tmp_path):
        wanted = mine(tmp_path / "a" / "b", content=b"x", mode="0600")
        assert "content" in fs.differences(wanted)
        fs.apply(wanted)
        assert fs.differences(wanted) == set()
        assert (tmp_path / "a" / "b").read_bytes() == b"x"
        assert os.stat(tmp_path / "a" / "b").st_mode & 0o777 == 0o600

    def test_half_written_files_are_replaced(self, tmp_path):
        (tmp_path / "f").write_bytes(b"hal")
        wanted = mine(tmp_path / "f", content=b"half")
        fs.apply(wanted)
        assert (tmp_path / "f").read_bytes() == b"half"
        assert os.listdir(tmp_path) == ["f"]

    def test_a_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch):
        (tmp_path / "f").write_bytes(b"old")
        monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            fs.apply(mine(tmp_path / "f", content=b"new"))
        assert (tmp_path / "f").read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["f"]

    def test_the_mode_alone(self, tmp_path):
        (tmp_path / "f").write_bytes(b"x")
        (tmp_path / "f").chmod(0o644)
        inode = os.stat(tmp_path / "f").st_ino
        wanted = mine(tmp_path / "f", mode="0600")
        assert fs.differences(wanted) == {"attributes"}
        fs.apply(wanted)
        assert os.stat(tmp_path / "f").st_ino == inode
        assert fs.differences(wanted) == set()

    def test_links_and_absence(self, tmp_path):
        link = mine(tmp_path / "l", kind="link", target="/somewhere")
        fs.apply(link)
        assert os.readlink(tmp_path / "l") == "/somewhere"
        assert fs.differences(link) == set()
        gone = mine(tmp_path / "l", kind="absent")
        fs.apply(gone)
        assert fs.differences(gone) == set()

    def test_a_directory_in_the_way_is_not_removed(self, tmp_path):
        (tmp_path / "d").mkdir()
        with pytest.raises(fs.Unusable, match="a directory is in its place"):
            fs.apply(mine(tmp_path / "d", content=b""))

    @pytest.mark.parametrize(
        ("fields", "message"), [({"mode": "rw"}, "not an octal number"), ({"mode": "77777"}, "out of range")]
    )
    def test_bad_wishes(self, tmp_path, fields, message):
        with pytest.raises(fs.Unusable, match=message):
            mine(tmp_path / "f", **fields)

    def test_errors_name_the_file_and_what_to_do(self, tmp_path, monkeypatch):
        def fail(*_arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left") as failure:
            fs.apply(mine(tmp_path / "f", content=b"new"))
        assert fs.sentence(failure.value) == f"{tmp_path / 'f'}: No space left on device; df tells which file system is full"
        monkeypatch.setattr(
            os, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "Operation not permitted", "/temporary"))
        )
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
        with pytest.raises(PermissionError) as failure:
            fs.apply(mine(tmp_path / "f", content=b"new"))
        assert fs.sentence(failure.value).startswith(f"{tmp_path / 'f'}: Operation not permitted; lsattr tells")
        assert os.listdir(tmp_path) == []

    def test_unknown_owners(self):
        with pytest.raises(fs.Unusable, match='the user "nobody-here"'):
            fs.Wanted("/f", owner="nobody-here")


class TestSysctls:
    def test_names_become_paths(self):
        assert sysctls.proc("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
        assert sysctls.proc("net/ipv4/conf/eth0.1/forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"
        assert sysctls.proc("net.ipv4.conf.eth0/1.forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"

    def test_files_are_read_as_sysctl_does(self):
        assert sysctls.parse("# no\n; no\n-kernel.panic = 1\nnet/ipv4/x=a \t b\nbroken\n") == {
            "kernel.panic": "1",
            "net.ipv4.x": "a b",
        }

    def test_a_later_file_that_says_otherwise_is_found(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sysctls, "DIRECTORIES", (str(tmp_path),))
        (tmp_path / "10-early.conf").write_text("kernel.panic = 0\n")
        (tmp_path / "99-late.conf").write_text("kernel.panic = 0\nvm.swappiness = 1\n")
        found = list(sysctls.overridden(str(tmp_path / "90-ours.conf"), {"kernel.panic": "10"}))
        assert found == [(str(tmp_path / "99-late.conf"), "kernel.panic", "0")]


class TestSwap:
    def test_swap_lines_become_comments_and_the_rest_stays(self):
        table = "UUID=1 / ext4 defaults 0 1\n# UUID=2 none swap sw 0 0\nUUID=3 none\tswap sw 0 0\n/swap.img none swap sw 0 0"
        assert swap.without_swap(table) == (
            "UUID=1 / ext4 defaults 0 1\n# UUID=2 none swap sw 0 0\n"
            f"{swap.MARK}UUID=3 none\tswap sw 0 0\n{swap.MARK}/swap.img none swap sw 0 0"
        )

    def test_a_second_time_nothing_changes(self):
        once = swap.without_swap("/swap none swap sw 0 0\n")
        assert swap.without_swap(once) == once


class TestPackages:
    @pytest.mark.parametrize(
        ("found", "wish", "good"),
        [
            ("1.36.2-1.1", "1.36.2", True), ("1:1.36.2-1.1", "v1.36.2", True), ("1.36.20-1.1", "1.36.2", False),
            ("1.36.0-1.1", "1.36", True),
            ("1.3-1", "1.36", False), ("", "", False), ("5.1", "", True),
        ],
    )  # fmt: skip
    def test_versions(self, found, wish, good):
        assert satisfies(found, wish) is good

    def test_the_reason_is_the_error_line(self):
        text = "Reading package lists...\nE: Unable to locate package kubelet\nmore\n"
        assert reason(text) == "E: Unable to locate package kubelet"
        assert reason("only\nlast\n") == "only / last"


def item(**fields):
    return {
        "name": "tool 1", "sources": [], "controller_sources": [], "sha256": "", "checksum_suffix": ".sha256",
        "checksum_file": "", "mode": "0755",
        "archive": False, "strip": 0, "include": [],
    } | fields  # fmt: skip


class Params:
    params = {"timeout": 1}  # noqa: RUF012 - as AnsibleModule has it


class TestDownloads:
    def install(self, tmp_path, wish):
        record = downloads.Record(str(tmp_path / "record.json"))
        downloads.install(wish, downloads.Fetcher(Params()), record, None)
        return downloads.Record(str(tmp_path / "record.json"))

    def test_the_first_source_that_has_it(self, tmp_path):
        (tmp_path / "here").write_bytes(b"program")
        wish = item(dest=str(tmp_path / "bin" / "tool"), sources=[str(tmp_path / "not-here"), str(tmp_path / "here")])
        record = self.install(tmp_path, wish)
        assert (tmp_path / "bin" / "tool").read_bytes() == b"program"
        assert os.access(tmp_path / "bin" / "tool", os.X_OK)
        assert record.current(wish)
        (tmp_path / "bin" / "tool").write_bytes(b"prog")
        assert not record.current(wish)

    def test_a_wrong_digest_is_refused_and_nothing_is_installed(self, tmp_path):
        (tmp_path / "here").write_bytes(b"tampered")
        wish = item(dest=str(tmp_path / "tool"), sources=[str(tmp_path / "here")], sha256="0" * 64)
        with pytest.raises(downloads.NoSource, match="instead of 0000"):
            self.install(tmp_path, wish)
        assert not (tmp_path / "tool").exists()

    def test_a_digest_published_beside_the_file_counts(self, tmp_path):
        (tmp_path / "here").write_bytes(b"x")
        (tmp_path / "here.sha256").write_text("1" * 64)
        with pytest.raises(downloads.NoSource, match="instead of 1111"):
            self.install(tmp_path, item(dest=str(tmp_path / "tool"), sources=[str(tmp_path / "here")]))

    def test_all_reasons_are_reported(self, tmp_path):
        wish = item(dest=str(tmp_path / "tool"), sources=["/nowhere/tool", "http://127.0.0.1:9/tool"])
        with pytest.raises(
            downloads.NoSource, match=r"/nowhere/tool does not exist; http://127\.0\.0\.1:9/tool\.sha256: .*refused"
        ):
            self.install(tmp_path, wish)

    def test_one_sentence_for_all_that_cannot_be_had(self):
        items = [("kubelet 1", "/a/kubelet does not exist"), ("kubectl 1", "/a/kubectl does not exist"), ("crictl 1", "no")]
        assert downloads.unavailable_sentence(items, "put them into /a") == (
            "kubelet 1, kubectl 1 and crictl 1 cannot be had: /a/kubelet does not exist; put them into /a"
        )

    def archive(self, path, files):
        with tarfile.open(path, "w:gz") as archive:
            for name, text in files.items():
                source = path.parent / "source"
                source.write_text(text)
                archive.add(source, name)
        return str(path)

    def test_an_archive_is_unpacked_below_its_destination_only(self, tmp_path):
        path = self.archive(tmp_path / "a.tar.gz", {"top/bin/one": "1", "top/doc": "d", "../evil": "e", "top/../../evil": "e"})
        wish = item(dest=str(tmp_path / "out"), sources=[path], archive=True, strip=1, include=["bin/*"])
        self.install(tmp_path, wish)
        assert (tmp_path / "out" / "bin" / "one").read_text() == "1"
        assert not (tmp_path / "evil").exists()
        assert os.listdir(tmp_path / "out") == ["bin"]

    def test_one_program_out_of_an_archive(self, tmp_path):
        path = self.archive(tmp_path / "crictl.tar.gz", {"./crictl": "program", "LICENSE": ""})
        self.install(tmp_path, item(dest=str(tmp_path / "crictl"), sources=[path]))
        assert (tmp_path / "crictl").read_text() == "program"

    def test_an_archive_that_was_cut_off_is_passed_over(self, tmp_path):
        whole = self.archive(tmp_path / "a.tgz", {"one": "1", "two": os.urandom(30000).hex()})
        (tmp_path / "half.tgz").write_bytes((tmp_path / "a.tgz").read_bytes()[:20000])
        half = item(dest=str(tmp_path / "out"), sources=[str(tmp_path / "half.tgz")], archive=True)
        with pytest.raises(downloads.NoSource, match=r"half\.tgz is not a whole tar archive"):
            self.install(tmp_path, half)
        self.install(tmp_path, half | {"sources": [*half["sources"], whole]})
        assert (tmp_path / "out" / "one").read_text() == "1"

    def test_modes_and_owners_that_somebody_changed_are_found(self, tmp_path):
        path = self.archive(tmp_path / "a.tgz", {"one": "1", "two": "2"})
        wish = item(dest=str(tmp_path / "out"), sources=[path], archive=True)
        record = self.install(tmp_path, wish)
        assert downloads.altered(record.modes(wish)) == {}
        one = tmp_path / "out" / "one"
        mode = one.stat().st_mode & 0o7777
        one.chmod(0o666)
        assert downloads.altered(record.modes(wish)) == {str(one): mode}

    def test_a_directory_is_followed_when_a_package_is_upgraded(self, tmp_path):
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "bridge").write_text("1")
        wish = item(dest=str(tmp_path / "out"), sources=[str(tmp_path / "lib")], archive=True)
        assert self.install(tmp_path, wish).current(wish)
        (tmp_path / "lib" / "bridge").write_text("2")
        assert not downloads.Record(str(tmp_path / "record.json")).current(wish)

    def test_checksum_files(self):
        digest = hashlib.sha256(b"").hexdigest()
        assert downloads.checksum(digest.upper() + "\n", "x") == digest
        assert downloads.checksum(f"{'0' * 64}  other\n{digest} *runc.amd64\n", "runc.amd64") == digest
        assert downloads.checksum("<html>not found</html>", "x") == ""

    def test_a_damaged_record_is_no_obstacle(self, tmp_path):
        (tmp_path / "record.json").write_text("{")
        assert downloads.Record(str(tmp_path / "record.json")).items == {}


class TestImages:
    @pytest.mark.parametrize(
        ("name", "full"),
        [
            ("nginx", "docker.io/library/nginx:latest"), ("a/b:1", "docker.io/a/b:1"), ("localhost/x", "localhost/x:latest"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"), ("host:5000/x@sha256:1", "host:5000/x@sha256:1"),
        ],
    )  # fmt: skip
    def test_names(self, name, full):
        assert images.full_name(name) == full

    def write(self, path, documents):
        with tarfile.open(path, "w") as archive:
            for name, document in documents.items():
                source = path.parent / "document"
                source.write_text(json.dumps(document))
                archive.add(source, name)
        return str(path)

    def test_what_archives_hold(self, tmp_path):
        index = {"manifests": [{"digest": "sha256:1", "annotations": {"io.containerd.image.name": "a/b:1"}}]}
        assert images.content(self.write(tmp_path / "oci.tar", {"index.json": index})) == {"docker.io/a/b:1": "sha256:1"}
        assert images.content(self.write(tmp_path / "d.tar", {"manifest.json": [{"RepoTags": ["c:2"]}]})) == {
            "docker.io/library/c:2": ""
        }

    def test_an_archive_without_names_is_refused(self, tmp_path):
        with pytest.raises(images.ImageError, match="names no image"):
            images.content(self.write(tmp_path / "x.tar", {"index.json": {"manifests": []}}))
        with tarfile.open(tmp_path / "whole.tgz", "w:gz") as archive:
            (tmp_path / "layer").write_text(os.urandom(30000).hex())
            archive.add(tmp_path / "layer", "layer")
        (tmp_path / "half.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:20000])
        with pytest.raises(images.ImageError, match="is not an image archive"):
            images.content(str(tmp_path / "half.tgz"))
        (tmp_path / "broken.tar").write_text("no archive")
        with pytest.raises(images.ImageError, match="is not an image archive"):
            images.content(str(tmp_path / "broken.tar"))

    def test_folders(self, tmp_path):
        (tmp_path / "b.tar").touch()
        (tmp_path / "a.tgz").touch()
        (tmp_path / "notes").touch()
        assert images.expand([str(tmp_path), "/nowhere"]) == [str(tmp_path / "a.tgz"), str(tmp_path / "b.tar")]
        assert images.expand(["/nowhere/x.tar"]) == ["/nowhere/x.tar"]


class TestMachine:
    @pytest.mark.parametrize(("name", "system"), SYSTEMS.items())
    def test_families(self, tmp_path, name, system):
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "os-release").write_text(system.os_release)
        assert machine.family(machine.os_release(str(tmp_path))) == system.family, name

    def test_an_unknown_system_has_no_family(self):
        assert machine.family({"ID": "nixos"}) == ""

    def test_cgroup_versions(self, tmp_path):
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cgroups").write_text("#subsys_name hierarchy num_cgroups enabled\ncpu 3 1 1\nmemory 0 1 0\n")
        assert machine.cgroup(str(tmp_path)) == {"version": 1, "controllers": ["cpu"]}
        (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
        (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("memory cpu\n")
        assert machine.cgroup(str(tmp_path)) == {"version": 2, "controllers": ["cpu", "memory"]}

    def test_program_versions(self):
        answers = {
            "containerd": "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1\n",
            "kubelet": "Kubernetes v1.36.2\n",
            "crictl": "crictl version v1.36.0\n",
        }
        assert machine.versions(lambda command: answers.get(command[0])) == {
            "containerd": "1.6.20~ds1", "kubelet": "1.36.2", "crictl": "1.36.0",
        }  # fmt: skip

    def test_modules_that_are_part_of_the_kernel(self, tmp_path):
        folder = tmp_path / "lib/modules/6.1"
        folder.mkdir(parents=True)
        (folder / "modules.builtin").write_text("kernel/net/netfilter/br-x.ko\nkernel/fs/overlayfs/overlay.ko.zst\n")
        assert kernel.builtin(str(tmp_path), "6.1") == {"br_x", "overlay"}
        (tmp_path / "proc/sys/net/bridge").mkdir(parents=True)
        assert kernel.present("br_netfilter", str(tmp_path))
        assert not kernel.present("ip_vs", str(tmp_path))


class Machine:
    """Stands in for AnsibleModule: answers commands by their beginning, and remembers them."""

    check_mode = False
    tmpdir = None

    def __init__(self, answers=(), **params):
        self.answers = dict(answers)
        self.params = {"environment": {}, "repositories": [], "lock_timeout": 1} | params
        self.commands = []
        self.no_log_values = set()

    def run_command(self, command, **_options):
        line = " ".join(command)
        self.commands.append(line)
        found = next((answer for start, answer in self.answers.items() if line.startswith(start)), "")
        status, text = found if isinstance(found, tuple) else (0, found)
        return status, text, text if status else ""

    def get_bin_path(self, name, **_options):
        return "/usr/bin/" + name

    def fail_json(self, **result):
        raise AssertionError(result)

    def warn(self, message):
        raise AssertionError(message)


def chain(listing="", **fields):
    found = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"} | fields
    return firewall_ports.Chain(found, listing)


class TestFirewalls:
    def test_nftables_rules_replace_only_their_own_chain(self):
        script = firewall_ports.own_chains([chain()], ["6443/tcp", "8472/udp"], ["10.244.0.0/16", "fd01::/48"])
        assert [line for line in script.splitlines() if "flush" in line] == ["flush chain inet filter pykubeadm_input"]
        assert "delete" not in script
        for rule in (
            "tcp dport { 6443 } accept",
            "udp dport { 8472 } accept",
            "ip saddr 10.244.0.0/16 accept",
            "ip6 saddr fd01::/48 accept",
        ):
            assert rule in script
        assert firewall_ports.calls([chain()]) == "insert rule inet filter input jump pykubeadm_input\n"

    def test_forwarded_packets_have_no_ports_but_two_sides(self):
        rules = chain(hook="forward", name="forward").rules(["6443/tcp"], ["10.244.0.0/16"])
        assert rules == ["ip saddr 10.244.0.0/16 accept", "ip daddr 10.244.0.0/16 accept"]
        assert chain(family="ip").rules([], ["fd01::/48"]) == []

    @pytest.mark.parametrize(
        ("policy", "listing", "closed"),
        [
            ("drop", "", True), ("accept", "", False), ("accept", "\t\ttcp dport 23 drop\n", False),
            ("accept", "\t\tdrop\n\t}", True),
            ("accept", "\t\tcounter packets 1 bytes 60 reject with icmpx admin-prohibited\n", True),
        ],
    )  # fmt: skip
    def test_only_chains_that_drop_are_touched(self, policy, listing, closed):
        assert chain(listing, policy=policy).closed is closed

    def test_tables_that_programs_keep_are_left_alone(self):
        ours, *others = [
            {"family": family, "table": table, "name": name, "type": "filter", "hook": "input", "policy": "drop"}
            for family, table, name in (
                ("inet", "mine", "input"), ("ip", "filter", "INPUT"), ("ip", "kube-proxy", "filter-input"),
                ("inet", "firewalld", "x"),
            )
        ]  # fmt: skip
        listed = json.dumps({"nftables": [{"metainfo": {}}, *({"chain": entry} for entry in (ours, *others))]})
        machine_here = Machine({"nft --json": listed})
        found = list(firewall_ports.closed_chains(firewall_ports.runner(machine_here)))
        assert [one.table for one in found] == ["mine"]

    def test_ufw_gets_only_what_it_lacks(self):
        here = Machine({"ufw show added": "ufw allow 10250/tcp\nufw allow from 10.244.0.0/16\n"})
        opened = firewall_ports.ufw(here, firewall_ports.runner(here), ["10250/tcp", "30000-32767/tcp"], ["10.244.0.0/16"])
        assert opened == ["30000-32767/tcp", "10.244.0.0/16"]
        assert here.commands[1:] == [
            "ufw allow 30000:32767/tcp", "ufw route allow from 10.244.0.0/16", "ufw route allow to 10.244.0.0/16",
        ]  # fmt: skip


KUBELET = {"name": "kubelet", "version": "1.36.2"}


class TestPackageManagers:
    def test_zypper_takes_the_version_that_is_asked_for(self):
        here = Machine()
        package_managers.Zypper(here, "zypper").install(
            [KUBELET, {"name": "cri-tools", "version": "1.36"}], [], may_be_unknown=False
        )
        assert here.commands == ["zypper --non-interactive install --no-recommends kubelet=1.36.2 cri-tools>=1.36"]

    def test_dnf_looks_past_the_exclusion_of_the_repository(self):
        here = Machine(repositories=[{"path": "/etc/yum.repos.d/kubernetes.repo"}])
        package_managers.Dnf(here, "dnf").install([KUBELET], [], may_be_unknown=False)
        assert here.commands == [
            "dnf install -y --setopt=install_weak_deps=False --setopt=disable_excludes=kubernetes kubelet-1.36.2*"
        ]

    def test_apt_waits_for_the_lock_of_its_lists(self, monkeypatch):
        answers = [(100, "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7"), (0, "")]
        here = Machine()
        here.run_command = lambda _command, **_options: (*(answer := answers.pop(0)), answer[1])
        monkeypatch.setattr(package_managers.time, "sleep", lambda _seconds: None)
        package_managers.Apt(here, "apt-get").refresh()
        assert answers == []
        answers.append((100, "E: The repository has no Release file."))
        with pytest.raises(package_managers.PackageError, match=r"^apt-get update failed: E: The repository"):
            package_managers.Apt(here, "apt-get").refresh()

    FILES = (
        "/p/kubelet_1.36.1-1.1_amd64.deb", "/p/kubelet_1.36.2-1.1_amd64.deb", "/p/kubelet_1.36.2-2.1_amd64.deb",
        "/p/kubelet_1.36.2-1.1_arm64.deb", "/p/kubelet_1.36.10-1.1_amd64.deb", "/p/conntrack_1%3a1.4_amd64.deb", "/p/x_1_all.deb",
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "version", "file"),
        [
            ("kubelet", "1.36.2", "kubelet_1.36.2-2.1_amd64.deb"), ("kubelet", "", "kubelet_1.36.10-1.1_amd64.deb"),
            ("kubelet", "1.35.0", ""), ("conntrack", "", "conntrack_1%3a1.4_amd64.deb"), ("x", "1", "x_1_all.deb"),
        ],
    )  # fmt: skip
    def test_the_folders_file_of_the_wanted_version_and_the_machines_kind(self, name, version, file):
        apt = package_managers.Apt(Machine({"dpkg --print-architecture": "amd64\n"}), "apt-get")
        assert apt.local([{"name": name, "version": version}], self.FILES) == ({name: "/p/" + file} if file else {})

    def test_rpm_files_likewise(self, monkeypatch):
        monkeypatch.setattr(package_managers.Rpm, "architectures", lambda _self: ["x86_64", "noarch"])
        files = [f"/p/kubelet-{version}.{kind}.rpm" for version in ("1.36.2-1.1", "1.36.9-1.1") for kind in ("aarch64", "x86_64")]
        here = Machine()
        package_managers.Dnf(here, "dnf").install(
            [KUBELET], [*files, "/p/kubelet-extra-1.36.2-1.x86_64.rpm"], may_be_unknown=False
        )
        assert here.commands[0].endswith(" /p/kubelet-1.36.2-1.1.x86_64.rpm")

    def test_packages_that_a_folder_has_need_no_repository(self, tmp_path):
        (tmp_path / "kubelet_1.36.2-1.1_amd64.deb").touch()
        repository = {
            "path": str(tmp_path / "x.sources"),
            "content": "",
            "key_path": "/nowhere/key",
            "key_url": "http://127.0.0.1:9/",
        }
        here = Machine({"dpkg --print-architecture": "amd64\n"}, folder=str(tmp_path), repositories=[repository])
        packages.install(here, package_managers.Apt(here, "apt-get"), [KUBELET], set())
        assert any(line.endswith(f"{tmp_path}/kubelet_1.36.2-1.1_amd64.deb") for line in here.commands)
        assert not (tmp_path / "x.sources").exists()

    def test_dnf_gets_its_plugin_where_holding_needs_it(self):
        here = Machine({"dnf versionlock": (1, "No such command: versionlock.")})
        with pytest.raises(package_managers.PackageError, match="No such command: versionlock"):
            package_managers.Dnf(here, "dnf").hold(["kubelet"])
        assert "dnf-command(versionlock)" in here.commands[1]


def test_a_service_that_took_its_swap_with_it_is_no_error(monkeypatch):
    """swapoff of a device that is off already fails."""
    on = ["/dev/zram0", "/dev/sda2"]
    here = Machine({"swapoff /dev/zram0": (255, "Invalid argument")})
    monkeypatch.setattr(swap, "devices", lambda: on[1:])
    plan = swap.Plan(here)
    swap.end_devices(plan, on)
    assert plan.actions == here.commands == ["swapoff /dev/sda2"]


class TestUnits:
    UNIT = {"name": "x.service", "state": "started", "enabled": True, "masked": None, "missing_ok": False} | {
        "configuration": [], "on_change": "restart", "validate": ["x", "check"],
    }  # fmt: skip
    SHOWN = "ActiveState=active\nUnitFileState=enabled\nFragmentPath=\nDropInPaths=\nNeedDaemonReload=no\n"

    def ensure(self, here, **fields):
        units.ensure(here, units.Systemd(here), self.UNIT | fields)

    def test_a_masked_unit_is_refused_with_what_to_do(self):
        here = Machine({"systemctl show": "LoadState=masked\nUnitFileState=masked\nActiveState=inactive\n"})
        with pytest.raises(AssertionError, match=r"x\.service is masked; run `systemctl unmask x.service`"):
            self.ensure(here, state="any")

    def test_a_wrong_configuration_does_not_end_the_process_that_runs(self, tmp_path):
        (tmp_path / "x.conf").touch()
        shown = f"LoadState=loaded\n{self.SHOWN}StateChangeTimestampMonotonic=1\n"
        here = Machine({"systemctl show": shown, "/usr/bin/x check": (1, "x.conf: line 1 is wrong")})
        with pytest.raises(AssertionError, match=r"left as it is, for its configuration is wrong: x\.conf: line 1 is wrong"):
            self.ensure(here, configuration=[str(tmp_path)])
        assert not [line for line in here.commands if "restart" in line]
        here.answers["/usr/bin/x check"] = ""
        self.ensure(here, configuration=[str(tmp_path)])
        assert here.commands[-1] == "systemctl restart x.service"


class TestSecrets:
    def test_passwords_in_urls(self):
        here = Machine()
        fs.hide_passwords(here, ["http://user:s3cret@proxy:3128", "https://mirror/x", "https://robot:t0ken@mirror/a:b@c"])
        assert here.no_log_values == {"s3cret", "t0ken"}

    def diff(self, tmp_path, before, mode, after_mode="0644"):
        path = tmp_path / "config.toml"
        path.write_text(before)
        path.chmod(mode)
        want = mine(path, content=b"version = 3\n", mode=after_mode)
        return files.diff({"secret_content": None}, want, fs.differences(want))["before"]

    def test_what_was_for_root_alone_is_not_shown_when_it_becomes_readable(self, tmp_path):
        assert self.diff(tmp_path, 'password = "s3cret"\n', 0o600) == "(secret)\n"

    def test_passwords_that_others_left_in_a_configuration_are_not_shown(self, tmp_path):
        before = (
            '[plugins."x".auth]\n  username = "me"\n  password = "s3cret"\n  auth="s3cret"\n\tauth_pass s3cret\nversion = 2\n'
        )
        before += '"host" = { auth = { username = "me", password = "s3cret" }, x = 1 }\n[host."https://robot:s3cret@mirror"]\n'
        before += 'header = {authorization = ["Basic s3cret"]}\nversion = 2\n'
        shown = self.diff(tmp_path, before, 0o644)
        assert "s3cret" not in shown
        assert "https://robot:(secret)@mirror" in shown
        assert 'username = "me"' in shown
        assert '[plugins."x".auth]' in shown
        assert shown.endswith("version = 2\n")
