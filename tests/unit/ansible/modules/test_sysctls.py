"""The module `sysctls`."""

from __future__ import annotations

from ansible_collections.pykubeadm.kube.plugins.modules import sysctls


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
