"""`pykubeadm reset` of a cluster of one: the node is as it was, down to rules and mounts, and what others put there stays.

All tests share one node, which is bare between them; what others put there is on it from the start.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from lab import assets, cluster
from lab.node import Node
from tests.e2e.bare import Likeness, differences, likeness
from tests.e2e.conftest import nodes_of
from tests.e2e.runs import events, kill_as_starts, outcome, phases_of

INIT = ("init", "--config", cluster.CONFIG, "--output=json")
RESET = ("reset", "--force", "--output=json")
UNFINISHED = 4
PID = "/run/pykubeadm-reset.pid"
_OTHERS = """
set -e
iptables -N MY-RULES
iptables -A MY-RULES -p tcp --dport 2222 -j DROP
iptables -A INPUT -m comment --comment "not -j KUBE-FIREWALL" -j MY-RULES
iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
ip6tables -A INPUT -p tcp --dport 2222 -j DROP
nft add table inet mine
nft add chain inet mine input
nft add rule inet mine input tcp dport 2223 drop
ip link add mine0 type bridge
mkdir -p /etc/kubernetes/policies /etc/cni/net.d
echo mine >/etc/kubernetes/policies/audit.yaml
ctr --namespace k8s.io run --detach $(ctr --namespace k8s.io images list --quiet | grep /pause: | head -n 1) mine
"""


def guest(name: str, *, network: str = "node") -> str:
    """A pod as somebody would make it with crictl: without the labels that a kubelet gives."""
    options = {"network": 2 if network == "node" else 0}
    return json.dumps(
        {
            "metadata": {"name": name, "namespace": "default", "uid": name, "attempt": 0},
            "linux": {"cgroup_parent": "guests.slice", "security_context": {"namespace_options": options}},
        }
    )


@dataclass(frozen=True)
class Shared:
    node: Node
    bare: Likeness

    def assert_bare(self) -> None:
        """As it was. The pod network's configuration is the lab's, not of our role."""
        self.node.run("rm", "-f", cluster.CNI_CONFIG)
        assert differences(self.bare, likeness(self.node)) == []

    def init(self, tool: str = "pykubeadm") -> None:
        self.node.run(tool, "init", "--config", cluster.CONFIG, timeout=300)
        cluster.install_cni(self.node)
        cluster.wait_node_ready(self.node)
        cluster.wait_rolled_out(self.node, "daemonset/kube-proxy", "deployment/coredns")

    def reset(self, *options: str, status: int = 0) -> str:
        done = self.node.run("pykubeadm", *RESET, *options, check=False, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shared(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Shared]:
    with nodes_of(kubernetes, request) as new_node:
        node = new_node("reset")
        documents = cluster.documents(kubernetes.version, node.address)
        documents[2]["serverTLSBootstrap"] = True  # has a unit of ours
        node.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
        node.shell(_OTHERS)
        yield Shared(node, likeness(node))


def test_a_dry_run_lists_everything_and_changes_nothing(shared: Shared) -> None:
    node = shared.node
    shared.init()
    node.shell("mkdir -p /root/.kube && cp /etc/kubernetes/admin.conf /root/.kube/config")
    before = likeness(node)
    planned = node.run("pykubeadm", "reset", "--dry-run", timeout=120).stdout
    after = likeness(node)
    assert differences(before, after) == []
    gone = [name for name in before["sandboxes"] if name not in shared.bare["sandboxes"]]
    gone += [name for name in before["mounts"] if name.startswith("/var/lib/kubelet/")]
    gone += [name for name in before["interfaces"] if name == "cni0"]
    gone += [line.split()[1][1:] for line in before["rules"] if " :KUBE-" in line]
    gone += ["/root/.kube/config", "/var/lib/etcd/member", "/etc/kubernetes/pki/ca.key", "pykubeadm-serving-approver"]
    assert len(gone) > 30
    assert [name for name in gone if name not in planned] == []
    assert not [word for word in ("MY-RULES", "inet mine", "mine0", "/etc/kubernetes/policies") if word in planned]


def test_the_node_is_as_it_was(shared: Shared) -> None:
    """Declined first, then done, then done again."""
    refused = shared.node.run("pykubeadm", "reset", stdin="\n", check=False)
    assert refused.returncode == 1
    assert "Are you sure you want to proceed? [y/N]" in refused.stderr
    assert shared.node.exists("/etc/kubernetes/manifests/etcd.yaml")
    assert shared.node.run("pykubeadm", "reset", stdin="y\n", timeout=120).returncode == 0
    assert not shared.node.exists("/root/.kube/config")
    shared.node.run("rm", "-rf", "/root/.kube")
    shared.assert_bare()
    assert outcome(shared.reset()) == "unchanged"
    shared.assert_bare()


@pytest.mark.long
@pytest.mark.parametrize("phase", ["kubelet-start", "wait-control-plane"])
def test_a_half_made_init(shared: Shared, phase: str) -> None:
    kill_as_starts(shared.node, INIT, phase)
    shared.reset()
    shared.assert_bare()


@pytest.mark.long
def test_killed_and_run_again(shared: Shared) -> None:
    """At each phase boundary, then twice in a row at random moments of five resets."""
    seed = time.time_ns()
    moments = random.Random(seed)  # noqa: S311 - no secret
    for number in range(5):
        shared.init()
        if number == 0:
            for phase in phases_of(shared.node, RESET):
                kill_as_starts(shared.node, RESET, phase)
        for _ in range(2):
            delay = moments.uniform(0.3, 3)
            shared.node.shell(
                f"pykubeadm {' '.join(RESET)} >/dev/null 2>&1 & sleep {delay:.2f}; kill -KILL $! 2>/dev/null", check=False
            )
        assert outcome(shared.reset()) in ("changed", "unchanged"), f"seed {seed}"
        shared.assert_bare()


@pytest.mark.long
def test_real_kubeadm_on_our_node_and_ours_on_kubeadms(shared: Shared) -> None:
    if not shared.node.run("which", "kubeadm", check=False).stdout:
        pytest.skip("kubeadm is not among the assets")
    shared.init()
    shared.node.run("kubeadm", "reset", "--force", timeout=120)
    shared.reset()  # what kubeadm leaves
    shared.assert_bare()
    shared.init("kubeadm")
    shared.reset()
    shared.node.run("rmdir", "/etc/kubernetes/manifests")  # packages of the kubelet have it, too: empty it stays
    shared.assert_bare()


@pytest.mark.long
def test_a_runtime_that_stands_still(shared: Shared) -> None:
    shared.init()
    shared.node.run("systemctl", "stop", "containerd")
    try:
        said = shared.reset(status=UNFINISHED)
    finally:
        shared.node.run("systemctl", "start", "containerd")
    [failed] = [event for event in events(said) if event["type"] == "phase-failed"]
    assert failed["phase"] == "cleanup-node"
    assert "start the runtime" in failed["error"]
    assert not shared.node.exists("/etc/kubernetes/admin.conf")
    shared.reset()
    shared.assert_bare()


@pytest.mark.long
def test_a_network_whose_configuration_is_gone(shared: Shared) -> None:
    """A runtime does not remove a pod without it."""
    shared.init()
    shared.node.run("rm", cluster.CNI_CONFIG)
    assert "removed without it" in shared.reset()
    shared.assert_bare()


@pytest.mark.long
def test_pods_of_others_stay_and_so_does_the_network_that_they_are_on(shared: Shared) -> None:
    """Made after the kubelet has ended, which would end every pod that it does not know."""
    node = shared.node
    shared.init()
    node.run("systemctl", "stop", "kubelet")
    guests = []
    for network in ("node", "pod"):
        node.write("/run/guest.json", guest(f"guest-{network}", network=network))
        guests.append(node.run("crictl", "runp", "/run/guest.json").stdout.strip())
    address = json.loads(node.run("crictl", "inspectp", guests[1]).stdout)["status"]["network"]["ip"]
    shared.reset()
    assert sorted(node.run("crictl", "pods", "--state=ready", "--quiet").stdout.split()) == sorted(guests)
    node.run("ping", "-c", "1", "-W", "2", address)
    node.run("crictl", "rmp", "--force", *guests)
    shared.reset()
    node.run("rm", "/run/guest.json")
    shared.assert_bare()


def test_what_cannot_be_unmounted_keeps_its_data(shared: Shared) -> None:
    node, volume = shared.node, "/var/lib/kubelet/pods/x/volumes/data"
    node.shell(f"mkdir -p {volume} && mount -t tmpfs data {volume} && echo precious >{volume}/file")
    holder = node.start_process("sh", "-c", f"cd {volume} && echo $$ >{PID} && exec sleep 300")
    try:
        cluster.eventually(lambda: None if node.exists(PID) else "not yet", "a process in the volume", 10)
        said = shared.reset(status=UNFINISHED)
        assert volume in said
        assert node.read(f"{volume}/file") == "precious\n"
    finally:
        node.shell(f"kill $(cat {PID}); rm {PID}")
        holder.communicate()
    shared.reset()
    shared.assert_bare()
