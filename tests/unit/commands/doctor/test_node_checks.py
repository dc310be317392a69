"""What `doctor` says of a node: nothing of a good one, and of each thing that is wrong what it is and what to run."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pykubeadm.commands.doctor.check import Check, examine, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.node_checks import CHECKS, certificates, disk, kernel, kubelet, network, proxies, runtime
from pykubeadm.errors import NodeError
from pykubeadm.kubeconfig.document import cluster_only_kubeconfig
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Completed, UnitState
from tests.support.control_plane_files import write_control_plane
from tests.support.machines import crictl, listen, ready_machine
from tests.support.node import FakeNode, completed
from tests.support.servers import ca_pem, serving

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ACTIVE = UnitState("loaded", "active", "running", "enabled")
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: kube-scheduler}
spec:
  containers:
  - name: kube-scheduler
    image: registry.k8s.io/kube-scheduler:v1.36.2
    command: [kube-scheduler, --secure-port=11259]
"""


@pytest.fixture
def node() -> FakeNode:
    found = ready_machine()
    found.units |= {"kubelet": ACTIVE, "containerd": ACTIVE}
    found.put("/var/lib/kubelet/config.yaml", "cgroupDriver: systemd\n")
    found.put("/etc/cni/net.d/10-x.conflist", json.dumps({"plugins": [{"type": "bridge"}]}))
    found.put("/opt/cni/bin/bridge")
    conditions = [{"type": "RuntimeReady", "status": True}, {"type": "NetworkReady", "status": True}]
    crictl(found, "info", {"status": {"conditions": conditions}})
    return found


def said(checks: tuple[Check[Here], ...], node: FakeNode | LocalNode, name: str = "") -> list[str]:
    """ "level: what was found -> what to run" of every remark."""
    chosen = [check for check in checks if name in check.name]
    return [
        f"{remark.level}: {remark.found} -> {remark.run}"
        for each in examine(chosen, Here(node, NOW, tuple))
        for remark in each.remarks
    ]


def test_names_are_unique() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("node/") for name in names)


def test_a_check_that_cannot_be_made_does_not_keep_others_from_it() -> None:
    def refuses(_here: Here) -> tuple[()]:
        raise NodeError("permission denied")

    def odd(_here: Here) -> tuple[()]:
        raise KeyError("spec")

    checks = [Check("a", "", refuses), Check("b", "", odd), Check("c", "", lambda _here: (warning("w"), problem("p", "run")))]
    found = examine(checks, Here(FakeNode(), NOW, tuple))
    assert [each.level for each in found] == ["unknown", "unknown", "problem"]
    assert found[0].remarks[0].found == "this could not be checked: permission denied"


def test_forwarding_that_is_off(node: FakeNode) -> None:
    node.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    node.put("/proc/sys/fs/inotify/max_user_instances", "64\n")
    [forwarding, watches] = said(kernel.CHECKS, node, "settings")
    assert forwarding.startswith("problem: net.ipv4.ip_forward is 0")
    assert "sysctl -w net.ipv4.ip_forward=1" in forwarding
    assert watches.startswith("warning: fs.inotify.max_user_instances is 64")


def test_swap_counts_unless_the_kubelet_allows_it(node: FakeNode) -> None:
    node.put("/proc/swaps", "Filename Type\n/dev/sdb1 partition\n")
    assert said(kernel.CHECKS, node, "swap")[0].startswith(
        "warning: swap is on (/dev/sdb1) and the kubelet will not start with it"
    )
    node.put("/var/lib/kubelet/config.yaml", "failSwapOn: false\n")
    assert "kubelet will not start" not in "".join(said(kernel.CHECKS, node, "swap"))


def test_a_clock_that_nobody_sets(node: FakeNode) -> None:
    node.commands["timedatectl show"] = completed("NTPSynchronized=no\nNTP=no\n")
    assert said(kernel.CHECKS, node, "clock")[0].startswith(
        "warning: the clock is not synchronized: systemd's NTP is not switched on"
    )
    node.commands["timedatectl show"] = completed("NTPSynchronized=yes\n")
    assert said(kernel.CHECKS, node, "clock") == []


def _kubelet_conf(endpoint: str) -> str:
    return cluster_only_kubeconfig(f"https://{endpoint}", ca_pem())


@pytest.mark.parametrize("file", ["kubelet.conf", "bootstrap-kubelet.conf"])
@pytest.mark.parametrize(
    ("ahead", "expected"), [(20, "(19|20) seconds behind"), (-600, "10 minutes ahead of"), (5 * 86400, "5 days behind")]
)
def test_a_clock_that_differs_from_the_api_servers(node: FakeNode, file: str, ahead: int, expected: str) -> None:
    """The kubelet's kubeconfig names which, so that a worker's clock is compared, too."""
    with serving(date=datetime.now(UTC) + timedelta(seconds=ahead)) as server:
        node.put(f"/etc/kubernetes/{file}", _kubelet_conf(server.endpoint))
        [remark] = said(kernel.CHECKS, node, "clock")
    place = server.endpoint
    assert re.match(rf"problem: this node's clock is {expected} that of the API server at {place} -> timedatectl set-ntp", remark)


def test_a_clock_that_agrees_with_the_api_servers(node: FakeNode) -> None:
    with serving(date=datetime.now(UTC)) as server:
        node.put("/etc/kubernetes/kubelet.conf", _kubelet_conf(server.endpoint))
        assert said(kernel.CHECKS, node, "clock") == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("days", [3, -3])
def test_a_clock_by_which_no_certificate_is_valid(node: FakeNode, days: int) -> None:
    then = datetime.now(UTC) + timedelta(days=days)
    side = "behind" if days > 0 else "ahead of"
    with serving(begin=then - timedelta(hours=1), end=then + timedelta(hours=1), date=then) as server:
        node.put("/etc/kubernetes/kubelet.conf", _kubelet_conf(server.endpoint))
        [remark] = said(kernel.CHECKS, node, "clock")
    assert remark.startswith(
        f"problem: this node's clock is 3 days {side} that of the API server at {server.endpoint} -> timedatectl set-ntp true"
    )


def test_a_clock_that_cannot_be_compared(node: FakeNode) -> None:
    """As where the certificate has really expired; what it is then is another check's."""
    now = datetime.now(UTC)
    with serving(begin=now - timedelta(hours=20), end=now - timedelta(hours=1), date=now) as server:
        node.put("/etc/kubernetes/kubelet.conf", _kubelet_conf(server.endpoint))
        [remark] = said(kernel.CHECKS, node, "clock")
    assert remark.startswith("note: the clock could not be compared with an API server's: the certificate of the API server at ")
    node.put("/etc/kubernetes/kubelet.conf", "{half: [a")
    assert said(kernel.CHECKS, node, "clock")[0].startswith("note: the clock could not be compared with an API server's: ")


def test_full_disks_and_inodes(node: FakeNode) -> None:
    node.put("/var/log/x")
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    node.commands["df -Pk"] = completed(
        f"{head}/dev/a 9999999 9 5000000 50% /\n/dev/b 1024 1024 0 100% /var/log\n/dev/b 1 1 0 100% /var/log\n"
    )
    node.commands["df -Pi"] = completed(f"{head}/dev/a 100 92 8 92% /\nudev - - - - /dev\n")
    assert [line.partition(" ->")[0] for line in said(disk.CHECKS, node)] == [
        "problem: /var/log is full: 100 % are used",
        "warning: / is nearly out of inodes: 92 % are used",
    ]


def test_units_that_do_not_run_or_will_not_start(node: FakeNode) -> None:
    node.units["kubelet"] = UnitState("loaded", "failed", "failed", "enabled", result="exit-code")
    node.units["containerd"] = UnitState("loaded", "active", "running", "disabled")
    assert [line.partition(" ->")[0] for line in said(kubelet.CHECKS, node, "units")] == [
        "problem: the unit kubelet is failed (exit-code)",
        "warning: the unit containerd runs, but is disabled: it will not start at boot",
    ]


def test_the_unit_of_cri_o_is_looked_at_as_that_of_containerd(node: FakeNode) -> None:
    running, ended = UnitState("loaded", "active", "running", "enabled"), UnitState("loaded", "inactive", "dead", "disabled")
    node.units |= {"kubelet": running, "crio": UnitState("loaded", "failed", "failed", "enabled")}
    assert [line.partition(" ->")[0] for line in said(kubelet.CHECKS, node, "units")] == ["problem: the unit crio is failed"]
    node.units |= {"crio": running, "containerd": ended}  # which is not used
    assert said(kubelet.CHECKS, node, "units") == []


def test_a_manifest_that_cannot_be_read(node: FakeNode) -> None:
    node.put("/etc/kubernetes/manifests/etcd.yaml", "{half: [a\n")
    [remark] = said(kubelet.CHECKS, node, "manifests")
    assert remark.startswith("problem: /etc/kubernetes/manifests/etcd.yaml cannot be read (line ")


def test_ports_by_the_flags_of_static_pods(node: FakeNode) -> None:
    node.put("/etc/kubernetes/manifests/kube-scheduler.yaml", MANIFEST)
    listen(node, (10250, 7, "python3"))
    taken, silent = said(kubelet.CHECKS, node, "ports")
    assert taken.startswith("problem: on port 10250, which kubelet needs, listens python3 (process 7)")
    assert silent.startswith("problem: nothing listens on port 11259, where kube-scheduler should")
    listen(node, (10250, 7, "kubelet-1.36"), (11259, 8, "kube-scheduler"))
    assert said(kubelet.CHECKS, node, "ports") == []


def test_images_that_are_not_there(node: FakeNode) -> None:
    node.put("/etc/kubernetes/manifests/kube-scheduler.yaml", MANIFEST)
    crictl(node, "images -o json", {"images": []})
    crictl(node, "inspecti", "", 1)
    [remark] = said(runtime.CHECKS, node, "images")
    assert remark.startswith("problem: the image registry.k8s.io/kube-scheduler:v1.36.2 of kube-scheduler is not on the node")
    assert "crictl pull registry.k8s.io/kube-scheduler:v1.36.2" in remark


def test_a_network_plugin_that_is_not_there_or_cannot_be_used(node: FakeNode) -> None:
    assert said(runtime.CHECKS, node, "network-plugin") == []
    node.put("/etc/cni/net.d/10-x.conflist", json.dumps({"plugins": [{"type": "bridge"}, {"type": "flannel"}]}))
    assert (
        "the CNI plugins flannel, which 10-x.conflist names, are not in /opt/cni/bin"
        in said(runtime.CHECKS, node, "network-plugin")[0]
    )
    node.put("/etc/cni/net.d/10-x.conflist", "{")
    assert "/etc/cni/net.d/10-x.conflist is not a CNI configuration" in said(runtime.CHECKS, node, "network-plugin")[0]
    node.remove(["/etc/cni/net.d/10-x.conflist"])
    assert said(runtime.CHECKS, node, "network-plugin")[0].startswith(
        "problem: there is no network configuration in /etc/cni/net.d"
    )


def test_an_mtu_that_is_too_large(node: FakeNode) -> None:
    links = [{"ifname": "eth0", "mtu": 1450}, {"ifname": "cni0", "mtu": 1500}]
    node.commands["ip -j link"] = completed(json.dumps(links))
    node.commands["ip -j route"] = completed(json.dumps([{"dev": "eth0"}]))
    assert said(network.CHECKS, node, "mtu")[0].startswith("warning: the MTU of cni0 is 1500, that of the way out only 1450")
    links[1]["mtu"] = 1450
    node.commands["ip -j link"] = completed(json.dumps(links))
    assert said(network.CHECKS, node, "mtu") == []


def test_rules_in_both_of_iptables_back_ends(node: FakeNode) -> None:
    node.commands["iptables-nft-save"] = completed("*nat\n:KUBE-SERVICES - [0:0]\n")
    assert said(network.CHECKS, node, "netfilter") == []
    node.commands["iptables-legacy-save"] = completed("*nat\n:KUBE-SERVICES - [0:0]\n")
    assert said(network.CHECKS, node, "netfilter")[0].startswith("warning: Kubernetes' rules are in iptables' old tables")


def filters(*lines: str) -> Completed:
    return completed("\n".join(("*raw", "-A INPUT -j DROP", "COMMIT", "*filter", *lines, "COMMIT", "")))


def test_rules_of_a_firewall_that_refuse_packets(node: FakeNode) -> None:
    node.commands["iptables-legacy-save"] = filters(
        ":FORWARD ACCEPT [0:0]", "-A FORWARD -s 10.244.0.0/16 -j ACCEPT", "-A FORWARD -i eth0 -d 10.244.0.0/16 -j DROP"
    )
    node.commands["ip6tables-nft-save"] = filters("-A INPUT -j REJECT --reject-with icmp6-adm-prohibited")
    forwarded, received = said(network.CHECKS, node, "firewall")
    assert forwarded.startswith("warning: a rule of this node's packet filter (iptables-legacy) refuses packets: -A FORWARD -i")
    assert forwarded.endswith("iptables-legacy -D FORWARD -i eth0 -d 10.244.0.0/16 -j DROP")
    assert received.endswith("ip6tables-nft -D INPUT -j REJECT --reject-with icmp6-adm-prohibited")


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("INPUT -m conntrack --ctstate INVALID -j DROP", False),
        ("INPUT ! -i lo -d 127.0.0.0/8 -j DROP", False),
        ("INPUT -s 192.0.2.7/32 -j DROP", False),
        ("INPUT -p icmp -m icmp --icmp-type 8 -j DROP", False),
        ("INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset", False),
        ("INPUT -p tcp -m tcp --dport 10250 -j DROP", True),
        ("INPUT -p tcp -m multiport --dports 22,10000:20000 -j DROP", True),
        ("FORWARD -p tcp -m tcp --dport 25 -j DROP", False),
        ("FORWARD -j REJECT --reject-with icmp-host-prohibited", True),
        ("KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -j DROP", False),
    ],
)
def test_rules_that_refuse_nothing_that_is_needed(node: FakeNode, rule: str, *, named: bool) -> None:
    node.commands["iptables-nft-save"] = filters(f"-A {rule}")
    assert bool(said(network.CHECKS, node, "firewall")) is named


def test_packets_of_pods_that_nobody_accepts(node: FakeNode) -> None:
    dockers = (
        ":FORWARD DROP [0:0]",
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
        '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    )
    node.commands["iptables-nft-save"] = filters(*dockers)
    [remark] = said(network.CHECKS, node, "firewall")
    assert remark.startswith("warning: this node's packet filter (iptables-nft) hands on only what a rule accepts (policy DROP")
    assert "iptables-nft -P FORWARD ACCEPT" in remark
    node.commands["iptables-nft-save"] = filters(*dockers, "-A FORWARD -j FLANNEL-FWD")
    assert said(network.CHECKS, node, "firewall") == []


def manifest(name: str, *flags: str, **environment: str) -> str:
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    container = {"name": name, "image": "x:v1", "command": [name, *flags], "env": variables}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}})


def proxied(node: FakeNode, unit: str, no_proxy: str) -> list[str]:
    """What is said where a unit uses a proxy with these exceptions."""
    node.commands[f"systemctl show {unit}"] = completed(f'HTTPS_PROXY=http://user:hunter2@p:3128 "NO_PROXY={no_proxy}"\n')
    return said(proxies.CHECKS, node)


@pytest.mark.parametrize("unit", ["containerd", "crio", "kubelet"])
@pytest.mark.parametrize("excepted", ["10.96.0.0/12", ".svc", "localhost,svc,.cluster.local", "*", "10.0.0.0/8"])
def test_a_proxy_that_services_do_not_go_through(node: FakeNode, unit: str, excepted: str) -> None:
    assert proxied(node, unit, excepted) == []


@pytest.mark.parametrize("unit", ["containerd", "crio", "kubelet"])
@pytest.mark.parametrize("excepted", ["", "localhost", "localhost,127.0.0.1,.example.org", "10.97.0.0/16"])
def test_a_proxy_that_services_go_through(node: FakeNode, unit: str, excepted: str) -> None:
    [remark] = proxied(node, unit, excepted)
    assert remark.startswith(f"warning: {unit} uses a proxy, and NO_PROXY does not name Services (10.96.0.0/12): requests there")
    assert f"systemctl edit {unit}: NO_PROXY=" in remark
    assert "hunter2" not in remark


def test_services_are_where_the_cluster_has_them(node: FakeNode) -> None:
    node.put("/var/lib/kubelet/config.yaml", "clusterDNS: [172.20.0.10]\n")
    assert "Services (172.20.0.10)" in proxied(node, "containerd", "10.96.0.0/12")[0]
    flag = "--service-cluster-ip-range=10.97.0.0/16"
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest("kube-apiserver", flag))
    assert "Services (10.97.0.0/16)" in proxied(node, "containerd", "172.20.0.0/16")[0]
    assert proxied(node, "containerd", "10.97.0.0/16") == []


def test_a_kubelet_whose_api_server_is_behind_the_proxy(node: FakeNode) -> None:
    node.put("/etc/kubernetes/kubelet.conf", "clusters: [{name: c, cluster: {server: 'https://api.example.org:6443'}}]\n")
    assert proxied(node, "containerd", ".svc") == []
    [remark] = proxied(node, "kubelet", ".svc")
    assert "NO_PROXY does not name the API server (api.example.org:6443): requests" in remark
    assert proxied(node, "kubelet", ".svc,.example.org") == []


def test_static_pods_that_reach_services_or_pods_through_a_proxy(node: FakeNode) -> None:
    proxy = {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": ".svc"}
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest("kube-apiserver", **proxy))
    assert said(proxies.CHECKS, node) == []
    flag = "--cluster-cidr=10.244.0.0/16"
    node.put("/etc/kubernetes/manifests/kube-controller-manager.yaml", manifest("kube-controller-manager", flag))
    [remark] = said(proxies.CHECKS, node)
    assert remark.startswith("warning: kube-apiserver uses a proxy, and NO_PROXY does not name pods (10.244.0.0/16)")


def test_certificates_that_expired_or_will_soon(tmp_path: Path) -> None:
    begin = NOW - timedelta(days=100)
    names = ("ca", "etcd-ca", "front-proxy-ca", "apiserver", "apiserver-kubelet-client", "front-proxy-client", "admin.conf")
    ends = {name: NOW + timedelta(days=200) for name in names}
    write_control_plane(
        tmp_path, ends | {"apiserver": NOW - timedelta(days=3), "front-proxy-client": NOW + timedelta(days=10)}, begin=begin
    )
    manifest = MANIFEST.replace(
        "kube-scheduler, --secure-port=11259", "kube-apiserver, --tls-cert-file=/etc/kubernetes/pki/apiserver.crt"
    )
    (tmp_path / "etc/kubernetes/manifests").mkdir()
    (tmp_path / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text(manifest)
    assert said(certificates.CHECKS, LocalNode(str(tmp_path))) == [
        "problem: the certificate apiserver expired 3d ago -> pykubeadm certs renew all",
        "warning: the certificate front-proxy-client expires in 10d -> pykubeadm certs renew all",
    ]


def test_certificates_of_a_clock_that_is_slow(tmp_path: Path) -> None:
    end = NOW + timedelta(days=400)
    write_control_plane(tmp_path, {"ca": end, "kubelet.conf": end}, begin=NOW + timedelta(days=1))
    [remark] = said(certificates.CHECKS, LocalNode(str(tmp_path)))
    assert remark.startswith("problem: the certificate kubelet.conf is not valid before 2026-05-02")
