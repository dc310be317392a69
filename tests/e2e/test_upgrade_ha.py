"""Three control planes behind haproxy and two workers are upgraded while the API is written to and a web server is asked."""

from __future__ import annotations

from functools import partial

import pytest
import yaml

from lab import cluster
from lab.node import Node
from tests.e2e import load
from tests.e2e.conftest import NewNode, Versions, nodes_of
from tests.e2e.joining import connect, join, join_command, side_by_side, voters
from tests.e2e.upgrading import kubelet_version, old_control_plane, upgrade, wait_at, with_both

pytestmark = pytest.mark.long
PYTHON = "/opt/pykubeadm/bin/python"


def load_balancer(node: Node, control_planes: list[Node]) -> None:
    """The role of that name on a node of its own."""
    variables = {
        "prepare_kubelet": False,
        "prepare_runtime": "none",
        "prepare_load_balancer": True,
        "load_balancer_servers": [{"name": each.name, "address": each.address, "port": 6443} for each in control_planes],
    }
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": PYTHON}
    node.write("/root/hosts.yml", yaml.safe_dump({"all": {"hosts": {node.name: host}, "vars": variables}}))
    node.run("pykubeadm", "node", "prepare", "-i", "/root/hosts.yml", "--tags", "load_balancer", timeout=300)


def _cluster(new_node: NewNode, versions: Versions, balancer: Node) -> tuple[list[Node], list[Node]]:
    """Control planes, and workers."""
    start = with_both(new_node, versions)
    more = {"controlPlaneEndpoint": f"{balancer.address}:6443"}
    others = [start(name) for name in ("uphb", "uphc", "uphw", "uphx")]
    # The balancer must know the first one's address before there is a cluster, so it is made here and not on the way.
    first = old_control_plane(
        new_node, versions, "upha", more=more, before=lambda made: load_balancer(balancer, [made, *others[:2]])
    )
    words = join_command(first, as_control_plane=True)
    side_by_side([partial(join, node, words) for node in others[:2]])
    plain = join_command(first)
    side_by_side([partial(join, node, plain) for node in others[2:]])
    connect(first, (first, *others))
    return [first, *others[:2]], others[2:]


def test_no_acknowledged_write_is_lost(versions: Versions, request: pytest.FixtureRequest) -> None:
    with nodes_of(versions.old, request) as new_node:
        balancer = new_node("uphlb")
        control_planes, workers = _cluster(new_node, versions, balancer)
        first, version = control_planes[0], versions.new.version
        load.web_server(first)
        with (
            load.api_writes(first, balancer.address) as writes,
            load.web_requests([node.address for node in (first, *workers)]) as web,
        ):
            upgrade(first, version)
            for node in control_planes[1:]:
                upgrade(node, version, first=False)
            for node in workers:
                upgrade(node, version, "--kubelet", first=False)
        terminal = request.config.get_terminal_writer()
        terminal.line(f"\nwrites: {writes}; web: {web}")
        for when, why in [*writes.failures, *web.failures]:
            terminal.line(f"  {when:.1f} s: {why}")
        for node in control_planes:
            wait_at(node, version)
        assert voters(first) == sorted(node.name for node in control_planes)
        assert {kubelet_version(first, node.name) for node in workers} == {version}
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        assert len(writes.acknowledged) > 100
        assert load.lost(first, writes) == set()
        assert writes.answered_again == len(writes.failures), str(writes)
