"""`pykubeadm cluster reconfigure` and `cluster certs rotate-ca` from a desk, on a control plane and a worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node
from tests.e2e.fleets import Desk, desk_of, ready_nodes

pytestmark = pytest.mark.long
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
PKI = "/etc/kubernetes/pki"
NAME = "api.example.org"


class Pair(NamedTuple):
    desk: Desk
    control: Node
    worker: Node


@pytest.fixture(scope="module")
def pair(kubernetes: Assets) -> Iterator[Pair]:
    with desk_of(kubernetes) as desk:
        control, worker = desk.new("control", "control-plane", bare=False), desk.new("worker", "worker", bare=False)
        desk.write()
        desk.run("apply")
        yield Pair(desk, control, worker)


def change(desk: Desk) -> None:
    """A flag, a name, and something of the kubelets."""
    desk.cluster["apiServer"] = {
        "extraArgs": [{"name": "event-ttl", "value": "30m0s"}],
        "certSANs": [NAME],
    }
    desk.write()
    documents = list(yaml.safe_load_all(desk.file.read_text()))
    next(each for each in documents if each["kind"] == "KubeletConfiguration")["maxPods"] = 77
    documents[0]["hosts"][1]["kubeletExtraArgs"] = [{"name": "v", "value": "3"}]
    desk.file.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def kubelets(pair: Pair) -> dict[str, int]:
    return {node.name: yaml.safe_load(node.read("/var/lib/kubelet/config.yaml")).get("maxPods", 0) for node in pair[1:]}


def test_a_file_that_says_what_the_cluster_is_changes_nothing(pair: Pair) -> None:
    before = pair.control.run("crictl", "ps", "--quiet").stdout
    assert "Nothing to do" in pair.desk.run("reconfigure").stdout
    assert "Nothing to do" in pair.desk.run("reconfigure", "--dry-run").stdout
    assert pair.control.run("crictl", "ps", "--quiet").stdout == before


def test_it_is_reconfigured_although_it_is_killed(pair: Pair, results: list[str]) -> None:
    desk, control, worker = pair
    change(desk)
    cluster.wait_rolled_out(control, "daemonset/kube-proxy", "deployment/coredns")
    planned = desk.run("plan", status=11)
    assert planned.stdout == "Nothing to do for `pykubeadm cluster apply`; run `pykubeadm cluster reconfigure`\n"
    for differs in ("ClusterConfiguration is not the file's in apiServer", "KubeletConfiguration is not the file's in maxPods"):
        assert differs in planned.stderr
    assert "is not the file's in maxPods" in "".join(json.loads(desk.run("status", "-o", "json", status=11).stdout)["drift"])
    shown = desk.run("reconfigure", "--dry-run").stdout
    assert "+    - --event-ttl=30m0s" in shown
    assert shown.count("maxPods: 77\n") == 2, "of this node's kubelet, and of the ConfigMap"
    assert f"issued again, for {NAME} too" in shown
    assert kubelets(pair) == {control.name: 0, worker.name: 0}, "a dry run changes nothing"

    desk.kill_when(lambda: "--event-ttl=30m0s" in control.read(MANIFEST), "reconfigure", patience=100)

    began = time.monotonic()
    desk.run("reconfigure")
    results.append(f"cluster reconfigure, after it was killed: {time.monotonic() - began:.0f} s")
    assert kubelets(pair) == {control.name: 77, worker.name: 77}
    assert "--v=3" in worker.read("/var/lib/kubelet/kubeadm-flags.env")
    names = control.shell(f"openssl x509 -noout -ext subjectAltName -in {PKI}/apiserver.crt")
    assert f"DNS:{NAME}" in names
    assert ready_nodes(control) == [control.name, worker.name]
    assert "Nothing to do" in desk.run("reconfigure").stdout
    assert desk.run("plan", status=0).stdout == "Nothing to do: the cluster is as the file says\n"


def test_what_cannot_be_changed_is_refused_in_one_sentence(pair: Pair) -> None:
    desk = pair.desk
    whole = desk.file.read_text()
    documents = list(yaml.safe_load_all(whole))
    next(each for each in documents if each["kind"] == "ClusterConfiguration")["networking"]["podSubnet"] = "10.9.0.0/16"
    desk.file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    refused = desk.run("reconfigure", status=2)
    assert f"{pair.control.name}: the file: networking.podSubnet: cannot become 10.9.0.0/16" in refused.stderr
    assert "Traceback" not in refused.stderr
    desk.file.write_text(whole)
    assert "Nothing to do" in desk.run("reconfigure").stdout


def test_all_cas_are_rotated_although_it_is_killed(pair: Pair, results: list[str]) -> None:
    desk, control, worker = pair
    files = (f"{PKI}/ca.crt", f"{PKI}/etcd/ca.crt", f"{PKI}/front-proxy-ca.crt", f"{PKI}/sa.pub")
    former = {path: control.read(path) for path in files}
    control.shell("cp /etc/kubernetes/admin.conf /root/old.conf")

    # In the first stage the worker comes to trust both.
    desk.kill_when(lambda: worker.read(f"{PKI}/ca.crt") != former[f"{PKI}/ca.crt"], "certs", "rotate-ca", "all", patience=200)

    began = time.monotonic()
    stopped = desk.run("certs", "rotate-ca", "all", timeout=900)
    assert "then `pykubeadm cluster certs rotate-ca --finish` removes the former CA" in stopped.stdout
    assert control.run("kubectl", "--kubeconfig=/root/old.conf", "get", "nodes").returncode == 0
    finished = desk.run("certs", "rotate-ca", "--finish", timeout=900)
    assert "Rotated ca, front-proxy-ca, etcd-ca, sa." in finished.stdout
    results.append(f"all CAs of 1+1 by cluster certs rotate-ca, after it was killed: {time.monotonic() - began:.0f} s")

    assert all(control.read(path) != content for path, content in former.items())
    assert worker.read(f"{PKI}/ca.crt") == control.read(f"{PKI}/ca.crt")
    untrusting = control.run("kubectl", "--kubeconfig=/root/old.conf", "get", "nodes", check=False)
    assert "certificate signed by unknown authority" in untrusting.stderr
    assert ready_nodes(control) == [control.name, worker.name]
    cluster.wait_rolled_out(control, "daemonset/kube-proxy", "deployment/coredns")
    assert "No rotation is under way" in desk.run("certs", "rotate-ca").stdout
    assert "Nothing to do" in desk.run("apply").stdout
    assert "Nothing to do" in desk.run("reconfigure").stdout


def test_the_ca_of_two_control_planes_is_rotated_in_one_go(kubernetes: Assets, results: list[str]) -> None:
    with desk_of(kubernetes) as desk:
        first, second = (desk.new(f"cp{at}", "control-plane", bare=False) for at in (1, 2))
        desk.cluster["controlPlaneEndpoint"] = f"{first.address}:6443"
        desk.write()
        desk.run("apply")
        former = first.read(f"{PKI}/ca.crt")
        began = time.monotonic()
        finished = desk.run("certs", "rotate-ca", "ca", "--finish", timeout=900)
        results.append(f"the CA of two control planes: {time.monotonic() - began:.0f} s")
        assert "Rotated ca." in finished.stdout
        assert "certificate-key" not in finished.stdout
        assert first.read(f"{PKI}/ca.crt") == second.read(f"{PKI}/ca.crt") != former
        assert first.read(f"{PKI}/ca.key") == second.read(f"{PKI}/ca.key")
        assert ready_nodes(second) == [first.name, second.name]
