"""The module `sysctls`: which modules the kernel has already."""

from __future__ import annotations

from ansible_collections.pykubeadm.kube.plugins.module_utils import kernel


def test_modules_that_are_part_of_the_kernel(tmp_path):
    folder = tmp_path / "lib/modules/6.1"
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/net/netfilter/br-x.ko\nkernel/fs/overlayfs/overlay.ko.zst\n")
    assert kernel.builtin(str(tmp_path), "6.1") == {"br_x", "overlay"}
    (tmp_path / "proc/sys/net/bridge").mkdir(parents=True)
    assert kernel.present("br_netfilter", str(tmp_path))
    assert not kernel.present("ip_vs", str(tmp_path))
