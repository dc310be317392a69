"""The modules' own logic, on files below a folder. What they do to a machine is tested on nodes (molecule/)."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils import kernel, machine
from ansible_collections.pykubeadm.kube.plugins.module_utils.package_managers import reason, satisfies
from ansible_collections.pykubeadm.kube.plugins.modules import downloads, firewall_ports, images, swap, sysctls

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

    def test_all_reasons_are_told(self, tmp_path):
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


def test_nftables_rules_replace_only_their_own_table():
    text = firewall_ports.ruleset(["6443/tcp", "8472/udp"], ["10.244.0.0/16", "fd01::/48"])
    assert text.count("delete table") == text.count("delete table inet pykubeadm") == 1
    assert "flush" not in text
    for rule in (
        "tcp dport { 6443 } accept",
        "udp dport { 8472 } accept",
        "ip saddr 10.244.0.0/16 accept",
        "ip6 saddr fd01::/48 accept",
    ):
        assert rule in text
