"""`pykubeadm init` on bare nodes: a distribution, nothing else. Programs and images are in /opt/kubernetes, as in an air-gap."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab import archive, cluster, node
from lab.assets import Assets
from lab.nodeimage import NodeImage

PYKUBEADM = "/opt/pykubeadm/bin/pykubeadm"
MARK = "/var/lib/pykubeadm/preparing"


@pytest.fixture(scope="session")
def images(kubernetes: Assets) -> Path:
    """A folder with one archive of all images."""
    return archive.ensure(kubernetes)


@pytest.fixture
def new_bare(kubernetes: Assets, images: Path):
    started: list[node.Node] = []

    def new(system: str = "debian13") -> node.Node:
        mounts = [(kubernetes.bin, "/opt/kubernetes/bin"), (images, "/opt/kubernetes/images")]
        started.append(node.start("bare", NodeImage(system, "bare"), mounts=mounts))
        bare = started[-1]
        bare.write(cluster.CONFIG, cluster.config(kubernetes, bare))
        return bare

    yield new
    for each in started:
        each.remove()


@pytest.mark.parametrize("system", ["debian12", "debian13"])
def test_init_on_a_bare_node_ends_in_a_healthy_control_plane(new_bare, system):
    bare = new_bare(system)
    assert not bare.exists("/usr/bin/containerd")
    bare.run(PYKUBEADM, "init", f"--config={cluster.CONFIG}", timeout=800)
    assert cluster.kubectl(bare, "get", "--raw=/livez") == "ok"
    again = bare.run(PYKUBEADM, "init", "phase", "prepare", f"--config={cluster.CONFIG}", timeout=180)
    assert "a container runtime and a kubelet are there" in again.stdout


def test_a_preparation_that_was_killed_is_finished_by_the_next_run(new_bare):
    bare = new_bare()
    command = (PYKUBEADM, "init", "phase", "prepare", f"--config={cluster.CONFIG}")
    process = bare.start_process(*command)
    deadline = time.monotonic() + 400
    # The worst moment: the package's own containerd runs already, with a configuration that is not ours.
    while not bare.exists("/run/containerd/containerd.sock"):
        assert time.monotonic() < deadline, "containerd was not installed in time"
        time.sleep(0.2)
    bare.shell("pkill -KILL -f '[p]ykubeadm init phase prepare'; pkill -KILL -f '[a]nsible-playbook'")
    process.wait(timeout=30)
    assert bare.exists(MARK)
    bare.run(*command, timeout=600)
    assert not bare.exists(MARK)
    assert "SystemdCgroup = true" in bare.shell("containerd config dump")
    assert bare.shell("kubelet --version").startswith("Kubernetes v")


def test_a_node_prepared_by_other_means_is_left_as_it_is(kubernetes):
    ready = node.start("ready", assets=[kubernetes])
    try:
        files = "find /etc /usr/lib/systemd /opt/cni -type f -printf '%p %T@ %m\\n'"
        look = f"systemctl show -P MainPID containerd; {files} | sort | sha256sum"
        before = ready.shell(look)
        ready.write("/tmp/config.yaml", cluster.config(kubernetes, ready))
        ready.run(PYKUBEADM, "init", "phase", "prepare", "--config=/tmp/config.yaml", timeout=180)
        assert ready.shell(look) == before
    finally:
        ready.remove()
