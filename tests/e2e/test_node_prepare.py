"""`pykubeadm node prepare` and `node facts` over SSH: a bare node looked at, prepared, found up to date; another left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import node
from lab.assets import Assets
from lab.host import CHECKOUT, cgroup_version
from lab.nodeimage import NodeImage

# Everything that a role could leave behind; sshd and systemd write elsewhere.
STATE = (
    "find /etc /opt /usr/bin /usr/sbin /usr/local /usr/lib/systemd /var/lib/pykubeadm -xdev ! -name '*.pyc' -type f"
    " -printf '%p %m %s %T@\\n' 2>/dev/null | sort | sha256sum; dpkg --get-selections | sha256sum"
)
PASSWORD = "s3cret-of-the-proxy"


@pytest.fixture(scope="module")
def nodes(kubernetes: Assets) -> Iterator[dict[str, node.Node]]:
    assert kubernetes.program("kubelet")
    found = {name: node.start(name, NodeImage("debian13", "bare"), with_pykubeadm=False) for name in ("chosen", "other")}
    yield found
    for each in found.values():
        each.remove()


@pytest.fixture(scope="module")
def folder(nodes, tmp_path_factory):
    """An inventory of both nodes, and a configuration."""
    path: Path = tmp_path_factory.mktemp("desk")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path / "key")], check=True)
    for each in nodes.values():
        each.write("/root/.ssh/authorized_keys", (path / "key.pub").read_text(), "0600")
    hosts = {
        name: {
            "ansible_host": each.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(path / "key"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        }
        for name, each in nodes.items()
    }
    (path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    settings = {"failCgroupV1": False} if cgroup_version() == 1 else {}
    kubelet = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **settings}
    cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "networking": {"podSubnet": "10.244.0.0/16"},
    }
    (path / "cluster.yaml").write_text("---\n".join(yaml.safe_dump(document) for document in (cluster, kubelet)))
    return path


@pytest.fixture
def pykubeadm(folder, kubernetes, monkeypatch):
    """Run `pykubeadm node ...` on the inventory; returns what it printed."""
    monkeypatch.setenv("PYKUBEADM_ASSETS", str(kubernetes.bin))

    def run(*words: str, status: int = 0, environment: dict[str, str] | None = None) -> str:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "pykubeadm", "node", words[0], f"--inventory={folder / 'hosts.yml'}", *words[1:]]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def prepare(pykubeadm, folder, kubernetes):
    words = ("prepare", "--limit=chosen", f"--config={folder / 'cluster.yaml'}")
    version = f"kubernetesVersion: {kubernetes.version}\n"
    text = (folder / "cluster.yaml").read_text()
    if version not in text:
        (folder / "cluster.yaml").write_text(
            text.replace("kind: ClusterConfiguration\n", f"kind: ClusterConfiguration\n{version}")
        )
    return lambda *more, **options: pykubeadm(*words, *more, **options)


def test_a_look_at_a_bare_node_tells_all_and_changes_nothing(nodes, prepare):
    before = {name: each.shell(STATE) for name, each in nodes.items()}
    reported = prepare("--check", "--diff")
    for line in (
        "+net.ipv4.ip_forward = 1",
        "+runtime-endpoint: unix:///run/containerd/containerd.sock",
        "+containerd (version not known yet)",
    ):
        assert line in reported, reported
    assert "dry run: nothing is changed" in reported
    assert "warning" not in reported
    assert {name: each.shell(STATE) for name, each in nodes.items()} == before


def test_prepared_and_then_nothing_is_left_to_do(nodes, prepare):
    other = nodes["other"].shell(STATE)
    prepare()
    assert nodes["chosen"].shell("systemctl is-active containerd.service").strip() == "active"
    assert nodes["chosen"].shell("kubelet --version").startswith("Kubernetes v")
    before = nodes["chosen"].shell(STATE)
    reported = prepare("--check", "--diff", "--output=json")
    [*events, last] = [json.loads(line) for line in reported.splitlines()]
    assert last["outcome"] == "unchanged", [event for event in events if event.get("outcome") == "changed"]
    assert json.loads(prepare("--output=json").splitlines()[-1])["outcome"] == "unchanged"
    assert nodes["chosen"].shell(STATE) == before
    assert nodes["other"].shell(STATE) == other


def test_facts_of_both(pykubeadm):
    facts = json.loads(pykubeadm("facts", "--output=json"))
    assert set(facts) == {"chosen", "other"}
    assert facts["chosen"]["versions"]["containerd"]
    assert "containerd" not in facts["other"]["versions"]
    assert facts["other"]["os"]["id"] == "debian"


def test_a_failure_says_node_role_task_reason_and_what_to_do(nodes, prepare):
    nodes["chosen"].shell("rm /etc/crictl.yaml && mkdir /etc/crictl.yaml")
    reported = " ".join(prepare(status=5).split())
    nodes["chosen"].shell("rmdir /etc/crictl.yaml")
    assert (
        "chosen: role kubelet: cannot enable the kubelet, with crictl's configuration and shell completion:"
        " /etc/crictl.yaml must be a file, but a directory is in its place; move it away" in reported
    )


def test_a_proxys_password_is_in_the_runtimes_file_and_nowhere_else(nodes, prepare):
    proxy = {"HTTPS_PROXY": f"http://robot:{PASSWORD}@proxy.example.com:3128"}
    reported = prepare("--diff", environment=proxy)
    assert PASSWORD not in reported
    path = "/etc/systemd/system/containerd.service.d/20-proxy.conf"
    assert nodes["chosen"].shell(f"stat -c %a {path}").strip() == "600"
    assert PASSWORD in nodes["chosen"].shell(f"cat {path}")
    assert "10.244.0.0/16" in nodes["chosen"].shell(f"grep NO_PROXY {path}")
    assert PASSWORD not in nodes["chosen"].shell("journalctl --boot --output=cat")
    assert PASSWORD not in nodes["chosen"].shell(
        f"grep -rl {PASSWORD} /etc /var/lib/pykubeadm /var/log /root | grep -v {path} || true"
    )
