"""The module `sysctls`."""

from __future__ import annotations

import functools
import os

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs
from ansible_collections.pykubeadm.kube.plugins.module_utils import kernel
from ansible_collections.pykubeadm.kube.plugins.modules import sysctls

from tests.support.modules import Machine


def test_names_become_paths():
    assert sysctls.proc("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
    assert sysctls.proc("net/ipv4/conf/eth0.1/forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"
    assert sysctls.proc("net.ipv4.conf.eth0/1.forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"


def test_files_are_read_as_sysctl_does():
    assert sysctls.parse("# no\n; no\n-kernel.panic = 1\nnet/ipv4/x=a \t b\nbroken\n") == {
        "kernel.panic": "1",
        "net.ipv4.x": "a b",
    }


def test_a_later_file_that_says_otherwise_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sysctls, "DIRECTORIES", (str(tmp_path),))
    (tmp_path / "10-early.conf").write_text("kernel.panic = 0\n")
    (tmp_path / "99-late.conf").write_text("kernel.panic = 0\nvm.swappiness = 1\n")
    found = list(sysctls.overridden(str(tmp_path / "90-ours.conf"), {"kernel.panic": "10"}))
    assert found == [(str(tmp_path / "99-late.conf"), "kernel.panic", "0")]


def test_a_parameter_that_comes_with_a_module_is_set_when_that_is_loaded(tmp_path, monkeypatch):
    parameter = tmp_path / "bridge-nf-call-iptables"

    class Here(Machine):
        def run_command(self, command, **options):
            if command == ["/usr/bin/modprobe", "br_netfilter"]:
                parameter.write_text("0\n")
            return super().run_command(command, **options)

        def exit_json(self, **result):
            raise SystemExit(result)

    modules = {"path": str(tmp_path / "modules.conf"), "names": ["br_netfilter"], "optional": []}
    here = Here(modules=modules, path=str(tmp_path / "90.conf"), values={"net.bridge.x": 1}, minimum=[], optional=[])
    here.selinux_enabled = lambda: False
    monkeypatch.setattr(sysctls, "AnsibleModule", lambda *_arguments, **_options: here)
    monkeypatch.setattr(sysctls, "proc", lambda _name: str(parameter))
    monkeypatch.setattr(sysctls, "DIRECTORIES", ())
    monkeypatch.setattr(kernel, "present", lambda _name: False)
    mine = functools.partial(fs.Wanted, owner=str(os.getuid()), group=str(os.getgid()))
    monkeypatch.setattr(fs, "Wanted", mine)
    with pytest.raises(SystemExit) as ended:
        sysctls.main()
    result = ended.value.code
    assert parameter.read_text() == "1"
    assert (result["loaded"], result["drifted"]) == (["br_netfilter"], {"net.bridge.x": "0"})
    assert result["paths"] == [str(tmp_path / "modules.conf"), str(tmp_path / "90.conf")]
    assert [diff["after_header"] for diff in result["diff"]] == result["paths"]
