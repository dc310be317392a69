"""LocalNode against the kernel and the commands of the machine that the tests run on."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from pykubeadm.node import files
from pykubeadm.node.facts import _interfaces_of_proc, host_facts
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, File
from pykubeadm.phases.preflight.sockets import listeners

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")

# Resolves each path as a process does whose root is the tree.
_IN_CHROOT = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); print('\\n'.join(map(os.path.realpath, sys.argv[2:])))"


@root_only
def test_paths_are_resolved_as_by_the_kernel_in_a_chroot(tmp_path):
    for directory in ("a/b/c", "var", "run/containerd"):
        (tmp_path / directory).mkdir(parents=True)
    links = {
        "var/run": "/run",
        "a/up": "../..",
        "a/b/abs": "/a/b/c",
        "a/rel": "b/../b/c",
        "out": "../../../../../../tmp",
        "dangling": "/none/at/all",
        "chain": "a/up/var/run",
        "self": ".",
    }
    for name, target in links.items():
        os.symlink(target, tmp_path / name)
    paths = [
        "/var/run/containerd/x", "/a/up/a/b/abs/f", "/a/rel/../f", "/out/f", "/dangling", "/dangling/f", "/chain/containerd",
        "/self/self/a//b/./c", "/../../a", "/none/../a", "/",
    ]  # fmt: skip
    wanted = subprocess.run(
        [sys.executable, "-c", _IN_CHROOT, tmp_path, *paths], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    root = str(tmp_path)
    assert [files.resolve(root, path).removeprefix(root).rstrip("/") or "/" for path in paths] == wanted


@root_only
def test_commands_run_inside_another_root(tmp_path):
    busybox = shutil.which("busybox")
    if busybox is None or b"statically linked" not in subprocess.run(["file", busybox], capture_output=True, check=False).stdout:
        pytest.skip("there is no static busybox")
    (tmp_path / "bin").mkdir()
    shutil.copy(busybox, tmp_path / "bin" / "busybox")
    assert LocalNode(str(tmp_path)).run(Command(("/bin/busybox", "ls", "/"))).stdout == "bin\n"


def test_a_batch_survives_on_a_real_file_system_and_is_idle_the_second_time(tmp_path):
    node = LocalNode(str(tmp_path))
    batch = [File(f"/etc/kubernetes/pki/{name}", os.urandom(2000), 0o600, secret=True) for name in "abcdefgh"]
    assert len(node.write(batch)) == 8
    assert node.write(batch) == ()
    assert node.list_dir("/etc/kubernetes/pki") == tuple("abcdefgh")


def at_one_time(one, other):
    """What both find, some times until it is the same: containers that come and go bring addresses with them, also in between."""
    for _ in range(100):
        found = one(), other()
        if found[0] == found[1]:
            break
    return found


def test_the_kernels_tables_tell_the_same_addresses_as_ip():
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command")

    def of_ip():
        links = json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True).stdout)
        return {item["local"] for link in links for item in link.get("addr_info", ()) if "local" in item}

    def of_proc():
        return {address for addresses in _interfaces_of_proc(LocalNode()).values() for address in addresses}

    for found_otherwise in (of_proc, lambda: host_facts(LocalNode()).addresses):
        wanted, found = at_one_time(of_ip, found_otherwise)
        assert wanted == found


def test_facts_of_a_tree_are_the_machines_and_the_trees(tmp_path):
    (tmp_path / "usr/local/share/ca-certificates").mkdir(parents=True)
    (tmp_path / "run/crio").mkdir(parents=True)
    (tmp_path / "var").mkdir()
    os.symlink("/run", tmp_path / "var/run")

    def network(root):
        facts = host_facts(LocalNode(root))
        return facts.hostname, facts.default_ipv4, facts.addresses

    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path may have 107 characters only
        try:
            listening.bind("run/crio/crio.sock")
        finally:
            os.chdir(here)
        facts = host_facts(LocalNode(str(tmp_path)))
    assert facts.ca_directories == ("/usr/local/share/ca-certificates",)
    assert facts.cri_sockets == ("unix:///var/run/crio/crio.sock",)
    of_tree, of_machine = at_one_time(lambda: network(str(tmp_path)), lambda: network("/"))
    assert of_tree == of_machine


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_holder_of_a_port_is_found(family, address):
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"{address} is not there")
    with listening:
        port = listening.getsockname()[1]
        holder = listeners(LocalNode())[port]
    assert holder.pid == os.getpid()
    with open("/proc/self/comm") as file:
        assert holder.command == file.read().strip()
    assert port not in listeners(LocalNode())
