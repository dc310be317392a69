"""A cluster on the lab's nodes: its configuration as containers on this machine need it, its pod network, and questions to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lab.assets import Assets
from lab.host import CommandError, LabError, cgroup_version
from lab.machine import Machine

POD_SUBNET = "10.244.0.0/16"
ADMIN_KUBECONFIG = "/etc/kubernetes/admin.conf"
CONFIG = "/root/kubeadm.yaml"
CNI_CONFIG = "/etc/cni/net.d/10-bridge.conflist"


def ignored_checks() -> list[str]:
    """Preflight checks that a container fails whatever is installed in it."""
    kernel_is_described = Path("/proc/config.gz").exists() or any(Path("/boot").glob("config-*"))
    return [] if cgroup_version() == 2 and kernel_is_described else ["SystemVerification"]


def documents(version: str, address: str, *, etcd_tag: str | None = None) -> list[dict[str, Any]]:
    """Kubeadm's documents for a first control plane at `address`: Init-, Cluster-, Kubelet- and KubeProxyConfiguration.

    Apart from version and addresses they say only what a container makes necessary: kernel settings that exist once per
    machine are left alone, the host's disk is not the node's, and cgroup v1 is taken where the host has nothing else.
    """
    api = "kubeadm.k8s.io/v1beta4"
    init: dict[str, Any] = {"apiVersion": api, "kind": "InitConfiguration", "localAPIEndpoint": {"advertiseAddress": address}}
    if checks := ignored_checks():
        init["nodeRegistration"] = {"ignorePreflightErrors": checks}
    cluster: dict[str, Any] = {
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": version,
        "networking": {"podSubnet": POD_SUBNET},
    }
    if etcd_tag:
        cluster["etcd"] = {"local": {"imageTag": etcd_tag}}
    kubelet: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
    }
    if cgroup_version() == 1:
        kubelet["failCgroupV1"] = False
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
    return [init, cluster, kubelet, proxy]


def config(assets: Assets, node: Machine, **changes: Any) -> str:
    """The documents for `node` as a file. `changes` replace top-level fields of the ClusterConfiguration."""
    described = documents(assets.version, node.address, etcd_tag=assets.etcd_tag)
    described[1] |= changes
    return yaml.safe_dump_all(described, sort_keys=False)


def kubectl(node: Machine, *args: str, check: bool = True, stdin: str | None = None, timeout: float = 60.0) -> str:
    """`kubectl ARGS…` on a control-plane node as its administrator; standard output without the last newline."""
    done = node.run("kubectl", f"--kubeconfig={ADMIN_KUBECONFIG}", *args, check=check, stdin=stdin, timeout=timeout)
    return done.stdout.rstrip("\n")


def kubectl_json(node: Machine, *args: str) -> Any:
    """What `kubectl ARGS… --output json` says."""
    return json.loads(kubectl(node, *args, "--output=json"))


def eventually(question: Callable[[], str | None], what: str, seconds: float, pause: float = 0.3) -> None:
    """Ask until the answer is None; the answer else says what is still missing, and is in the error when time runs out."""
    end = time.monotonic() + seconds
    while True:
        try:
            missing = question()
        except CommandError as refused:
            missing = str(refused)
        if missing is None:
            return
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:.0f} s: {missing}")
        time.sleep(pause)


def pod_cidrs(control_plane: Machine, name: str) -> list[str]:
    """The pod addresses of a node, a range for each IP family; waits for the controller manager to give them out."""
    cidrs: list[str] = []

    def none() -> str | None:
        cidrs[:] = kubectl(control_plane, "get", "node", name, "--output=jsonpath={.spec.podCIDRs[*]}").split()
        return None if cidrs else "the controller manager has not given it any"

    eventually(none, f"pod addresses for node {name}", 180)
    return cidrs


def install_cni(node: Machine, *, asking: Machine | None = None) -> None:
    """A pod network of the standard plugins: a bridge with addresses from the node's podCIDRs, and host ports. `asking` is a
    control plane that knows the podCIDRs, where `node` is none."""
    cidrs = pod_cidrs(asking or node, node.name)
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": cidr}] for cidr in cidrs],
            "routes": [{"dst": "::/0" if ":" in cidr else "0.0.0.0/0"} for cidr in cidrs],
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    node.write(CNI_CONFIG, json.dumps({"cniVersion": "1.0.0", "name": "bridge", "plugins": plugins}, indent=1))


def wait_rolled_out(node: Machine, *workloads: str, namespace: str = "kube-system", seconds: float = 300.0) -> None:
    """Wait until each workload ("deployment/coredns") runs as it is described."""
    for workload in workloads:
        kubectl(
            node, "rollout", "status", f"--namespace={namespace}", f"--timeout={seconds:.0f}s", workload, timeout=seconds + 10
        )


def wait_node_ready(node: Machine, name: str | None = None, seconds: float = 300.0) -> None:
    """Wait until the Node object says Ready."""
    kubectl(node, "wait", "--for=condition=Ready", f"node/{name or node.name}", f"--timeout={seconds:.0f}s", timeout=seconds + 10)
