"""`pykubeadm init` on a machine as users have it: own kernel, cgroup v2 alone, systemd-resolved; nothing ignored or switched off.

It takes minutes where there is no KVM, so it runs by itself: `make e2e E2E=vm`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab import assets, cluster, vm
from lab.cluster import eventually, kubectl, kubectl_json
from lab.host import LabError
from lab.imagestore import TEST_IMAGE
from lab.vm import VirtualMachine
from tests.e2e.verifying import doctor, one_by_one, said, shown

STATIC_PODS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
SECONDS = 900  # a rollout, emulated on a machine that has more to do
LIMITED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "limited"},
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "limited", "image": TEST_IMAGE, "command": ["sleep", "3600"], "resources": {"limits": {"cpu": "200m"}}}
        ],
    },
}


def configuration(kubernetes: assets.Assets, *, emulated: bool) -> str:
    """Only what cannot be the default: the version and the etcd that there are, a pod network, patience with emulation."""
    api = "kubeadm.k8s.io/v1beta4"
    cluster_wide: dict[str, Any] = {
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": kubernetes.version,
        "networking": {"podSubnet": cluster.POD_SUBNET},
    }
    if kubernetes.etcd_tag:
        cluster_wide["etcd"] = {"local": {"imageTag": kubernetes.etcd_tag}}
    patience = {"kubeletHealthCheck": f"{SECONDS}s", "controlPlaneComponentHealthCheck": f"{SECONDS}s"}
    here = {"apiVersion": api, "kind": "InitConfiguration", "timeouts": patience}
    return yaml.safe_dump_all([cluster_wide, here] if emulated else [cluster_wide])


@pytest.fixture(scope="module")
def machine(kubernetes: assets.Assets) -> Iterator[VirtualMachine]:
    """A machine that `pykubeadm init` made a cluster of, with a pod network."""
    try:
        started = vm.start("init", assets=[kubernetes])
    except LabError as problem:
        if "not installed" in str(problem):
            pytest.skip(f"{problem} (for virtual machines: `make setup-vm`)")
        raise
    try:
        started.write(cluster.CONFIG, configuration(kubernetes, emulated=started.accelerator != "kvm"))
        started.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=2 * SECONDS)
        cluster.install_cni(started)
        cluster.wait_node_ready(started, seconds=SECONDS)
        yield started
    finally:
        started.remove()


def test_the_machine_has_cgroup_v2_alone(machine: VirtualMachine) -> None:
    assert machine.shell("stat --file-system --format=%T /sys/fs/cgroup") == "cgroup2fs"
    assert machine.shell("findmnt --types cgroup --noheadings || true") == ""
    assert {"cpu", "cpuset", "memory", "pids"} <= set(machine.read("/sys/fs/cgroup/cgroup.controllers").split())


def test_static_pods_run(machine: VirtualMachine) -> None:
    def not_ready() -> str | None:
        ready = set()
        for pod in kubectl_json(machine, "get", "pods", "--namespace=kube-system", "--selector=tier=control-plane")["items"]:
            conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])}
            if conditions.get("Ready") == "True":
                ready.add(pod["metadata"]["labels"]["component"])
        return None if ready == STATIC_PODS else f"ready are {sorted(ready)}"

    eventually(not_ready, "four ready static pods", SECONDS, pause=3)
    assert kubectl(machine, "get", "--raw", "/livez") == "ok"
    assert kubectl(machine, "get", "--raw", "/readyz") == "ok"


def test_addons_roll_out(machine: VirtualMachine) -> None:
    cluster.wait_rolled_out(machine, "daemonset/kube-proxy", "deployment/coredns", seconds=SECONDS)


def test_the_kubelet_has_its_default_settings(machine: VirtualMachine) -> None:
    running = json.loads(kubectl(machine, "get", "--raw", f"/api/v1/nodes/{machine.name}/proxy/configz"))["kubeletconfig"]
    assert running["failCgroupV1"] is True
    assert running["failSwapOn"] is True
    assert running["cgroupDriver"] == "systemd"
    assert running["evictionHard"]["nodefs.available"] == "10%"
    assert running["resolvConf"] == "/run/systemd/resolve/resolv.conf"  # the stub's would have CoreDNS ask itself


def test_kube_proxy_set_the_conntrack_limit(machine: VirtualMachine) -> None:
    assert int(machine.read("/proc/sys/net/netfilter/nf_conntrack_max")) == 131072  # its default minimum


def test_a_cpu_limit_of_a_fifth_is_cpu_max(machine: VirtualMachine) -> None:
    kubectl(machine, "apply", "--filename=-", stdin=yaml.safe_dump(LIMITED))
    kubectl(machine, "wait", "--for=condition=Ready", "pod/limited", f"--timeout={SECONDS}s", timeout=SECONDS)
    assert kubectl(machine, "exec", "limited", "--", "cat", "/sys/fs/cgroup/cpu.max") == "20000 100000"
    uid = kubectl(machine, "get", "pod", "limited", "--output=jsonpath={.metadata.uid}").replace("-", "_")
    assert machine.shell(f"cat /sys/fs/cgroup/kubepods.slice/*/kubepods-*{uid}.slice/cpu.max") == "20000 100000"


def test_every_row_is_shown_and_doctor_finds_nothing(machine: VirtualMachine, results: list[str]) -> None:
    kubectl(machine, "taint", "node", machine.name, "node-role.kubernetes.io/control-plane-")
    results += shown(one_by_one(machine))
    assert said(doctor(machine, timeout=SECONDS), "problem", "unknown") == []


def test_a_second_run_changes_nothing(machine: VirtualMachine) -> None:
    before = machine.shell("find /etc/kubernetes /var/lib/kubelet/config.yaml -type f -printf '%p %T@ %i\\n' | sort")
    machine.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=SECONDS)
    assert machine.shell("find /etc/kubernetes /var/lib/kubelet/config.yaml -type f -printf '%p %T@ %i\\n' | sort") == before


def test_a_year_later_one_command_brings_the_cluster_back(machine: VirtualMachine) -> None:
    """The last test: the machine's clock stays ahead."""
    machine.shell("systemctl stop systemd-timesyncd 2>/dev/null; date --set='+366 days'")

    def alive() -> str | None:
        done = machine.run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", check=False, timeout=120)
        return None if "certificate has expired" in done.stderr else done.stderr or "it answers"

    eventually(alive, "certificates that have expired", 120, pause=3)
    soon = machine.run("pykubeadm", "certs", "check-expiration", "--warn-days=0", check=False, timeout=120)
    assert "warning: kubelet.conf expired " in soon.stderr
    machine.run("pykubeadm", "certs", "renew", "all", timeout=2 * SECONDS)
    cluster.wait_node_ready(machine, seconds=SECONDS)
    assert kubectl(machine, "get", "--raw", "/livez") == "ok"
    kubectl(machine, "--namespace=kube-system", "rollout", "restart", "deployment/coredns")  # scheduler and controller manager
    cluster.wait_rolled_out(machine, "deployment/coredns", seconds=SECONDS)
    assert machine.run("pykubeadm", "certs", "check-expiration", "--warn-days=300", timeout=120).returncode == 0
