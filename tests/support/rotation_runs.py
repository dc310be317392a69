"""`certs rotate-ca` on the nodes of a cluster in memory, and what is to be right when it is through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pykubeadm.commands.certs.rotation.phases import STEPS
from pykubeadm.commands.certs.rotation.record import ANNOTATION, NAME
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Configuration
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.etcd.client import Member
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import File
from pykubeadm.phases.certs.leaves import LEAVES
from pykubeadm.pki.check import is_signed_by, load_certificates
from pykubeadm.workflow.events import Event, PhaseFinished, Result
from pykubeadm.workflow.runner import run_steps
from tests.support.init_runs import configuration
from tests.support.rotations import (
    ALL,
    LATER,
    PKI,
    SERVING,
    SINGLE,
    TOKEN,
    PowerCutError,
    RotatingCluster,
    RotatingNode,
    trusted,
)
from tests.support.upgrade_runs import FakeEtcd


def rotate(node: RotatingNode, *names: str, **fields: Any) -> list[Event]:
    """`certs rotate-ca NAMES…` on a node; the events."""
    events: list[Event] = []
    journal = Journal(node)
    run = RotationRun(
        configuration=_impatient(configuration(node=node.name, address=node.address)),
        node=JournaledNode(node, journal),
        host=HostFacts(node.name),
        journal=journal,
        emit=events.append,
        now=lambda: LATER,
        kubeconfig_path="/etc/kubernetes/admin.conf" if node.is_control_plane else "/etc/kubernetes/kubelet.conf",
        has_control_plane=node.is_control_plane,
        names=names,
        **fields,
    )
    run_steps("certs rotate-ca", node.name, STEPS, run, dry_run=False, recorder=journal, emit=events.append)
    return events


def _impatient(config: Configuration) -> Configuration:
    short = timedelta(seconds=1)
    timeouts = replace(
        config.this_node.timeouts, kubernetes_api_call=short, etcd_api_call=short, control_plane_component_health_check=short
    )
    return replace(config, this_node=replace(config.this_node, timeouts=timeouts))


def said(events: Sequence[Event]) -> str:
    """The results, in words."""
    return "\n".join(event.text for event in events if isinstance(event, Result))


def changes(events: Sequence[Event]) -> str:
    """What phases changed, in words."""
    return "\n".join(change for event in events if isinstance(event, PhaseFinished) for change in event.changes)


def members(cluster: RotatingCluster) -> FakeEtcd:
    """etcd, as every member knows it."""
    nodes = cluster.control_planes()
    return FakeEtcd(
        tuple(
            Member(number, node.name, (f"https://{node.address}:2380",), (f"https://{node.address}:2379",))
            for number, node in enumerate(nodes, 1)
        )
    )


def digest(cluster: RotatingCluster) -> dict[str, str]:
    """Of every file below /etc and /var/lib/kubelet, tokens left out."""
    return {
        f"{node.name}:{path}": hashlib.sha256(file.content).hexdigest()
        for node in cluster.nodes.values()
        for path, file in node.files.items()
        if isinstance(file, File) and path.startswith(("/etc", "/var/lib/kubelet")) and path != TOKEN
    }


def round_of(cluster: RotatingCluster, **fields: object) -> None:
    """The command on every node, in the order that it asks for, and on the first again."""
    for node in (*cluster.control_planes()[1:], *(each for each in cluster.nodes.values() if not each.is_control_plane)):
        rotate(node, **fields)
    for node in cluster.control_planes()[:1]:
        rotate(node, **fields)


def assert_rotated(cluster: RotatingCluster, former: dict[str, bytes]) -> None:
    """Every certificate is the new CA's, and nobody knows the former one."""
    for node in cluster.control_planes():
        for name in SINGLE:
            (ca,) = load_certificates(node.read(f"{PKI}/{name}") or b"")
            assert former[name] not in (node.read(f"{PKI}/{name}") or b"")
            for leaf in LEAVES:
                if {"ca": "ca.crt", "front-proxy-ca": "front-proxy-ca.crt", "etcd-ca": "etcd/ca.crt"}[leaf.ca] != name:
                    continue
                content = node.read(leaf.path(PKI, "/etc/kubernetes")) or b""
                pem = read_kubeconfig(content).certificate if leaf.name.endswith(".conf") else content
                assert len(load_certificates(pem)) == 1
                assert is_signed_by(load_certificates(pem)[0], (), ca), leaf.name
        assert not node.list_dir(CA_ROTATION_DIR)
        assert node.stat(f"{PKI}/ca-signing.crt") is None
    first = cluster.control_planes()[0]
    for node in cluster.nodes.values():
        assert node.ca() == first.ca()
        held = read_kubeconfig(node.read("/etc/kubernetes/kubelet.conf") or b"")
        assert held.ca == first.ca()
        client = held.certificate or node.read(held.certificate_path) or b""
        assert trusted(client, first.ca())
        if (serving := node.read(SERVING)) is not None:
            assert trusted(serving, first.ca())
    info = cluster.get("v1", "ConfigMap", "cluster-info", "kube-public") or {}
    assert read_kubeconfig(info["data"]["kubeconfig"].encode()).ca == first.ca()
    found = cluster.get("v1", "ConfigMap", "extension-apiserver-authentication", "kube-system") or {}
    assert len(load_certificates(found["data"]["client-ca-file"].encode())) == 1
    assert len(load_certificates(found["data"]["requestheader-client-ca-file"].encode())) == 1
    assert cluster.get("v1", "ConfigMap", NAME, "kube-system") is None
    assert not [node for node in cluster.list("v1", "Node") if ANNOTATION in (node["metadata"].get("annotations") or {})]


def former_of(cluster: RotatingCluster) -> dict[str, bytes]:
    first = cluster.control_planes()[0]
    return {name: first.read(f"{PKI}/{name}") or b"" for name in (*SINGLE, "sa.pub")}


def rotated_although_power_is_lost(
    make: Callable[[], RotatingCluster], name: str, *, cut: int, step: int, certificate_key: str = ""
) -> int:
    """Rotate all in clusters that `make` gives, with the power of the node `name` lost after `cut` files, in the next one after
    `step` more, until it is not lost any more. Each time the command is run again, and all is right at the end. After how many
    files it was not lost."""
    ended = False
    while not ended:
        cluster, ended = make(), True
        former = former_of(cluster)
        first, dying = cluster.control_planes()[0], cluster.nodes[name]
        dying.writes_left = cut
        for number in range(14):
            for node in cluster.nodes.values():
                begun = _is_under_way(cluster)
                names = ALL if node is first and number == 0 and not begun else ()
                try:
                    rotate(node, *names, finish=begun and node is first, certificate_key=certificate_key)
                except PowerCutError:
                    ended, dying.writes_left = False, -1
                    rotate(node, *(() if _is_under_way(cluster) else names), certificate_key=certificate_key)
        assert_rotated(cluster, former)
        cut += step
    return cut


def _is_under_way(cluster: RotatingCluster) -> bool:
    return cluster.get("v1", "ConfigMap", NAME, "kube-system") is not None
