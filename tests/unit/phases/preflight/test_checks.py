"""One check after the other: fine on a good machine (`node`), and what it says otherwise."""

from __future__ import annotations

import gzip
import re

import pytest

from pykubeadm.config.host import HostFacts
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Directory, UnitState
from pykubeadm.phases.preflight import network, paths, ports, runtime, system, versions
from pykubeadm.phases.preflight.common import KUBELET_SERVICE, forwarding_checks
from pykubeadm.phases.preflight.machine import Machine
from tests.support.machines import SOCKET, Owned, crictl, listen
from tests.support.node import completed

FINE = ([], [])
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"


def error(found, pattern):
    errors, warnings = found
    return len(errors) == 1 and not warnings and re.search(pattern, errors[0]) is not None


def warning(found, pattern):
    errors, warnings = found
    return not errors and len(warnings) == 1 and re.search(pattern, warnings[0]) is not None


def test_root_is_needed(look, node):
    assert look(system.IS_PRIVILEGED_USER) == FINE
    node.commands["id -u"] = completed("1000\n")
    assert error(look(system.IS_PRIVILEGED_USER), "root is needed")


@pytest.mark.parametrize(
    ("allowed", "online", "enough"), [("0-3", "0-3", True), ("0-7", "0", False), ("2", "0-3", False), ("1,3", "0-3", True)]
)
def test_cpus_that_may_be_used_are_counted(look, node, allowed, online, enough):
    node.put("/proc/self/status", f"Cpus_allowed_list:\t{allowed}\n")
    node.put("/sys/devices/system/cpu/online", f"{online}\n")
    found = look(system.number_of_cpus(2))
    assert found == FINE if enough else error(found, "has 1 CPU and a control plane needs 2")


def test_memory(look, node):
    assert look(system.memory(1700)) == FINE
    node.put("/proc/meminfo", "MemTotal: 1740799 kB\n")
    assert error(look(system.memory(1700)), "1699 MB of memory")
    node.put("/proc/meminfo", "MemTotal: 1740800 kB\n")
    assert look(system.memory(1700)) == FINE


def test_swap(look, node):
    assert look(system.swap(fail_swap_on=True)) == FINE
    node.put("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    assert warning(look(system.swap(fail_swap_on=True)), r"swap is on \(/dev/sda2\).*swapoff -a")
    assert look(system.swap(fail_swap_on=False)) == FINE
    assert warning(look(system.swap(fail_swap_on=False), cgroup_version=1), "cgroup v2 only")


def verification(fail=None, ahead=0):
    return system.system_verification(kubernetes_version="v1.36.2", fail_cgroup_v1=fail, minors_ahead=ahead)


def test_kernel_and_cgroups(look, node):
    assert look(verification()) == FINE
    node.put("/proc/config.gz", gzip.compress(node.read("/boot/config-6.12.1-amd64")))
    node.remove(["/boot/config-6.12.1-amd64"])
    assert look(verification()) == FINE


@pytest.mark.parametrize(
    ("release", "supported"),
    [
        ("5.4.0-1", True),
        ("5.10.9", True),
        ("5.15.1", True),
        ("6.0.1", True),
        ("7.1.0", True),
        ("5.14.0-el9", False),
        ("4.19.1", False),
    ],
)
def test_kernel_releases(look, node, release, supported):
    node.put("/proc/sys/kernel/osrelease", f"{release}\n")
    node.put(f"/boot/config-{release}", node.text("/boot/config-6.12.1-amd64"))
    _, warnings = look(verification())
    assert any(f"kernel {release} is not supported" in sentence for sentence in warnings) is not supported


def test_a_kernel_without_something(look, node):
    node.put(
        "/boot/config-6.12.1-amd64",
        node.text("/boot/config-6.12.1-amd64").replace("CONFIG_MEMCG=y\n", "# CONFIG_MEMCG is not set\n"),
    )
    assert error(look(verification()), "built without CONFIG_MEMCG;")


def test_an_unknown_or_damaged_kernel_configuration_is_no_error(look, node):
    node.remove(["/boot/config-6.12.1-amd64"])
    assert warning(look(verification()), "neither in /proc/config.gz nor in /boot")
    node.put("/proc/config.gz", b"\x1f\x8bdamaged")
    assert warning(look(verification()), "cannot be read")


def v1(node, kubelet="v1.36.2"):
    node.put("/proc/mounts", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n")
    node.write([Directory("/sys/fs/cgroup/memory")])
    controllers = ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "hugetlb", "blkio")
    node.put("/proc/cgroups", "#subsys_name hierarchy num_cgroups enabled\n" + "".join(f"{name} 1 1 1\n" for name in controllers))
    node.commands["kubelet --version"] = completed(f"Kubernetes {kubelet}\n")


def test_cgroup_v1_is_an_error_from_kubelet_1_35_on_unless_allowed(look, node):
    v1(node)
    assert error(look(verification()), "cgroup v1.*failCgroupV1: false")
    assert warning(look(verification(fail=False)), "cgroup v1")
    v1(node, "v1.34.6")
    assert warning(look(verification()), "cgroup v1")
    assert error(look(verification(ahead=1)), "kubelet 1.35")


def test_without_a_kubelet_the_cluster_version_decides(look, node):
    v1(node)
    del node.commands["kubelet --version"]
    assert error(look(verification()), "cgroup v1")


def test_missing_controllers(look, node):
    node.put("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids io hugetlb\n")
    assert error(look(verification()), "has no controllers cpuset;")
    node.put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory pids io\n")
    assert warning(look(verification()), "has no controllers hugetlb;")
    node.put("/proc/mounts", "sysfs /sys sysfs rw 0 0\n")
    assert error(look(verification()), "no cgroup file system")


def test_hybrid_cgroups_are_v1(look, node):
    v1(node)
    node.put("/proc/mounts", node.text("/proc/mounts") + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n")
    assert error(look(verification()), "cgroup v1")


def test_files_of_others_are_in_the_way_and_our_own_are_not(look, node, owned):
    check = paths.file_available(MANIFEST)
    assert check.name == "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml"
    assert look(check) == FINE
    node.put(MANIFEST)
    assert error(look(check), f"{MANIFEST} is there already, and nothing says that it is ours: .* move the file away")
    owned.paths.add(MANIFEST)
    assert look(check) == FINE


def test_the_etcd_directory(look, node, owned):
    check = paths.directory_available("/var/lib/etcd", owned_with="/m/etcd.yaml")
    assert check.name == "DirAvailable--var-lib-etcd"
    node.write([Directory("/var/lib/etcd"), Directory("/var/lib/etcd/lost+found")])
    assert look(check) == FINE
    node.put("/var/lib/etcd/member/snap/db")
    assert error(look(check), r"/var/lib/etcd is not empty \(it has member\).* move this one away; it may hold the only copy")
    owned.paths.add("/m/etcd.yaml")
    assert look(check) == FINE


def test_keys_and_their_place_are_closed_to_others(look, node):
    check = paths.closed_to_others("/pki")
    node.write([Directory("/pki", 0o755), Directory("/pki/etcd", 0o700)])
    node.put("/pki/ca.key", mode=0o640)
    node.put("/pki/ca.crt", mode=0o666)
    assert look(check) == FINE
    node.write([Directory("/pki", 0o775), Directory("/pki/etcd", 0o777)])
    node.put("/pki/etcd/ca.key", mode=0o604)
    errors, warnings = look(check)
    assert errors == []
    assert warnings == [
        "others than root can write to /pki (mode 0775); run `chmod go-w /pki`",
        "others than root can write to /pki/etcd (mode 0777); run `chmod go-w /pki/etcd`",
        "others can read or write the private key /pki/etcd/ca.key (mode 0604); run `chmod o= /pki/etcd/ca.key`",
    ]


def test_a_place_of_keys_that_is_a_link_is_warned_of(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pki").symlink_to("elsewhere")
    check = paths.closed_to_others("/pki")
    found = check.look(Machine(LocalNode(str(tmp_path)), HostFacts("cp1"), Owned(), SOCKET))
    assert found.warnings == ("/pki is a link; see that the place it leads to is closed to others, too",)


def test_forwarding(look, node):
    names = [check.name for check in forwarding_checks(["10.0.0.9", "10.96.0.0/12", "fd00::/108"])]
    assert names == ["FileContent--proc-sys-net-ipv4-ip_forward", "FileContent--proc-sys-net-ipv6-conf-default-forwarding"]
    (check,) = forwarding_checks(["10.96.0.0/12"])
    assert look(check) == FINE
    node.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    assert error(look(check), r"is '0' and must be 1; run `sysctl -w net\.ipv4\.ip_forward=1`")
    node.remove(["/proc/sys/net/ipv4/ip_forward"])
    assert error(look(check), "does not exist")


def test_commands_in_path(look, node, monkeypatch):
    monkeypatch.setenv("PATH", "/opt/bin")
    check = paths.in_path("losetup")
    assert check.name == "FileExisting-losetup"
    assert look(check) == FINE  # system directories count without PATH
    node.remove(["/usr/bin/losetup"])
    assert error(look(check), "losetup is not in PATH; install the package util-linux")
    node.put("/opt/bin/losetup")
    assert look(check) == FINE


@pytest.mark.parametrize(
    ("image", "fine"),
    [
        ("registry.k8s.io/kube-apiserver:v1.36.1", True),
        ("registry.k8s.io/kube-apiserver:v1.35.6", False),
        ("registry:5000/kube-apiserver:v1.37.0@sha256:0123", False),
        ("registry:5000/kube-apiserver:ours", True),
        ("registry:5000/kube-apiserver", True),
    ],
)
def test_another_minor_version_that_is_deployed_is_a_case_for_upgrades(look, node, image, fine):
    check = versions.deployed_version(MANIFEST, "v1.36.2")
    assert look(check) == FINE
    node.put(MANIFEST, f"kind: Pod\nspec:\n  containers:\n  - image: {image}\n")
    found = look(check)
    assert found == FINE if fine else error(found, f"{MANIFEST} deploys v1.3.* has v1.36.2: `pykubeadm upgrade`")
    node.put(MANIFEST, "- damaged\n")
    assert look(check) == FINE


API_PORT = ports.static_pod_port(6443, "kube-apiserver", MANIFEST)


def test_a_free_port(look):
    assert API_PORT.name == "Port-6443"
    assert look(API_PORT) == FINE


def test_a_port_in_use_names_its_holder(look, node, owned):
    listen(node, (6443, 321, "nginx"), (22, 1, "sshd"))
    assert error(look(API_PORT), r"port 6443, which kube-apiserver needs, is in use by nginx \(process 321\)")
    owned.paths.add(MANIFEST)  # even after a run of ours: that was not nginx
    assert error(look(API_PORT), "nginx")


def test_a_port_of_our_own_static_pod_is_fine(look, node, owned):
    listen(node, (6443, 321, "kube-apiserver"))
    assert error(look(API_PORT), "of a cluster that is on this node already, and nothing says that it is ours: leave")
    owned.paths.add(MANIFEST)
    assert look(API_PORT) == FINE


def test_long_names_are_cut_by_the_kernel(look, node, owned):
    listen(node, (10257, 321, "kube-controller"))
    owned.paths.add("/m")
    assert look(ports.static_pod_port(10257, "kube-controller-manager", "/m")) == FINE


def test_the_kubelets_port(look, node, owned):
    listen(node, (10250, 7, "kubelet"))
    assert error(look(ports.kubelet_port(10250)), "of a cluster that is on this node already")
    owned.kubelet = True
    assert look(ports.kubelet_port(10250)) == FINE


def test_ipv6_listeners_count_and_hidden_holders_are_reported(look, node):
    node.put("/proc/net/tcp6", node.text("/proc/net/tcp") + f"0: {'0' * 32}:192B {'0' * 32}:0000 0A 0:0 00:0 0 0 0 77 1\n")
    node.commands["sh -c find"] = completed("")
    assert error(look(API_PORT), r"a process that cannot be seen from here; find it with `ss -ltnp sport = :6443`")


def test_connections_are_no_listeners(look, node):
    node.put("/proc/net/tcp", node.text("/proc/net/tcp") + "0: 0100007F:192B 0100007F:D431 01 0:0 00:0 0 0 0 77 1\n")
    assert look(API_PORT) == FINE


def test_host_names(look, node):
    assert look(network.hostname("cp1")) == FINE
    node.commands["getent ahosts"] = completed("", 2)
    assert warning(look(network.hostname("cp1")), "does not resolve")
    assert warning(look(network.hostname("cp_1")), "not a DNS name")


def test_firewalld(look, node):
    assert look(network.firewalld([6443, 10250])) == FINE
    node.units["firewalld"] = UnitState("loaded", "active", "running", "enabled")
    assert warning(look(network.firewalld([6443, 10250])), "--add-port=6443/tcp --add-port=10250/tcp")


def test_proxies_are_warned_of_without_their_password(look):
    proxied = {"HTTPS_PROXY": "http://me:s3cret@proxy:3128"}
    found = look(network.http_proxy("10.0.0.9"), proxy_env=proxied)
    assert warning(found, r"go through the proxy http://proxy:3128; add 10\.0\.0\.9 to NO_PROXY")
    assert warning(
        look(network.http_proxy_cidr("10.96.0.0/12"), proxy_env=proxied), r"connections to 10\.96\.0\.0/12 use the proxy"
    )
    assert look(network.http_proxy_cidr("10.96.0.0/12"), proxy_env=proxied | {"NO_PROXY": "10.96.0.0/12"}) == FINE
    assert look(network.http_proxy_cidr("10.96.0.0/12")) == FINE


def test_name_servers(look, node):
    assert look(network.resolv_conf(None)) == FINE
    node.put("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    assert warning(look(network.resolv_conf(None)), r"127\.0\.0\.53 in /etc/resolv\.conf .*Loop detected")
    assert look(network.resolv_conf("")) == FINE
    node.put("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\n")
    assert look(network.resolv_conf(None), resolved_active=True) == FINE
    assert warning(look(network.resolv_conf("/none")), "/none, from which pods get their name servers, does not exist")


@pytest.mark.parametrize(
    ("kubelet", "wrong"),
    [
        ("v1.36.2", ""),
        ("v1.36.9", ""),
        ("v1.33.0", ""),
        ("v1.37.0", "newer than the control plane v1.36.2"),
        ("v1.32.9", "more than 3 minor"),
    ],
)
def test_kubelet_versions(look, node, kubelet, wrong):
    node.commands["kubelet --version"] = completed(f"Kubernetes {kubelet}\n")
    found = look(versions.kubelet_version("v1.36.2"))
    assert error(found, wrong) if wrong else found == FINE


def test_no_kubelet(look, node):
    del node.commands["kubelet --version"]
    assert error(look(versions.kubelet_version("v1.36.2")), "install kubelet v1.36.2")


def test_a_kubernetes_version_from_the_future(look):
    assert look(versions.kubernetes_version("v1.37.4")) == FINE
    assert warning(look(versions.kubernetes_version("v1.38.0-alpha.1")), "newer than 1.37")


def test_the_kubelets_unit(look, node):
    assert look(KUBELET_SERVICE) == FINE
    node.units["kubelet"] = UnitState("masked", "inactive", "dead", "masked")
    assert error(look(KUBELET_SERVICE), "systemctl unmask kubelet")
    del node.units["kubelet"]
    assert warning(look(KUBELET_SERVICE), "no systemd unit kubelet.service")


def test_the_runtime_answers(look):
    assert look(runtime.CRI) == FINE
    assert look(runtime.CONTAINER_RUNTIME_VERSION) == FINE


def test_no_runtime(look, node):
    node.sockets.clear()
    assert error(look(runtime.CRI), "there is no container runtime at unix:///var/run/containerd/containerd.sock")
    assert look(runtime.CONTAINER_RUNTIME_VERSION) == FINE  # said once
    assert look(runtime.cgroup_driver("systemd")) == FINE
    assert look(runtime.sandbox_image("registry.k8s.io/pause:3.10.2")) == FINE


def test_a_runtime_that_is_dead_or_not_ready(look, node):
    crictl(node, "info", "", 1, 'time="now" level=fatal msg="connection refused"')
    assert error(look(runtime.CRI), "connection refused")
    conditions = [{"type": "RuntimeReady", "status": False, "reason": "Starting", "message": "soon"}]
    crictl(node, "info", {"status": {"conditions": conditions}})
    assert error(look(runtime.CRI), "not ready: Starting: soon")


def test_a_runtime_without_its_kubernetes_interface(look, node):
    """As containerd.io from Docker's repository is configured."""
    crictl(
        node,
        "info",
        "",
        1,
        'time="now" level=fatal msg="validate service connection: validate CRI v1 runtime API for endpoint '
        '\\"unix:///var/run/containerd/containerd.sock\\": rpc error: code = Unimplemented desc = unknown service '
        'runtime.v1.RuntimeService"',
    )
    errors, _warnings = look(runtime.CRI)
    assert errors[0].endswith("take cri out of disabled_plugins in /etc/containerd/config.toml and restart containerd")


def test_without_crictl_the_runtime_cannot_be_asked(look, node):
    node.commands = {line: answer for line, answer in node.commands.items() if not line.startswith("crictl")}
    assert warning(look(runtime.CRI), "cannot be asked.*there is no crictl")
    pulled = []
    assert warning(look(runtime.image_pull(runtime.Images(("a:1",), "IfNotPresent", serial=True), pulled)), "the kubelet will")
    assert pulled == []


def containerd(node, *, systemd):
    options = {"SystemdCgroup": systemd}
    crictl(node, "info", {"config": {"containerd": {"defaultRuntimeName": "runc", "runtimes": {"runc": {"options": options}}}}})
    crictl(node, "runtime-config", "", 1, "unknown method RuntimeConfig")


def test_a_runtime_that_does_not_name_its_driver_must_have_the_kubelets(look, node):
    containerd(node, systemd=True)
    assert warning(look(runtime.CONTAINER_RUNTIME_VERSION), "containerd 2.0")
    assert look(runtime.cgroup_driver("systemd")) == FINE
    assert error(look(runtime.cgroup_driver("cgroupfs")), "SystemdCgroup = false")
    containerd(node, systemd=False)
    assert error(look(runtime.cgroup_driver("systemd")), "SystemdCgroup = true.*cgroupDriver: cgroupfs")


def test_a_runtime_that_names_its_driver_has_the_last_word(look):
    assert look(runtime.cgroup_driver("systemd")) == FINE
    assert warning(look(runtime.cgroup_driver("cgroupfs")), "the kubelet will use systemd")


def test_the_sandbox_image(look):
    assert look(runtime.sandbox_image("registry.k8s.io/pause:3.10.2")) == FINE
    assert warning(
        look(runtime.sandbox_image("mirror/pause:3.10.2")), r"is registry\.k8s\.io/pause:3\.10\.2; mirror/pause:3\.10\.2"
    )


def pulls(node, present=()):
    images = [{"repoTags": [name]} for name in present]
    crictl(node, "images -o json", {"images": images})
    crictl(node, "inspecti", "", 1)
    crictl(node, "pull", "")


def pull_lines(node):
    return sorted(command.argv[-1] for command in node.ran if command.changes)


@pytest.mark.parametrize(("policy", "wanted"), [("IfNotPresent", ["b:1"]), ("Always", ["a:1", "b:1"]), ("Never", [])])
@pytest.mark.parametrize("serial", [True, False])
def test_images_are_pulled_by_policy(look, node, policy, wanted, serial):
    pulls(node, present=["a:1"])
    pulled = []
    assert look(runtime.image_pull(runtime.Images(("a:1", "b:1"), policy, serial=serial), pulled)) == FINE
    assert pull_lines(node) == sorted(pulled) == wanted


def test_every_image_that_cannot_be_pulled_is_named(look, node):
    pulls(node)
    crictl(node, "pull", "", 1, 'time="x" level=fatal msg="no such host"')
    errors, _ = look(runtime.image_pull(runtime.Images(("a:1", "b:1"), "IfNotPresent", serial=True), []))
    assert [re.search(r"could not pull (\S+): no such host;", sentence)[1] for sentence in errors] == ["a:1", "b:1"]
