"""An unchanged `cluster apply` of many hosts, which are simulated: what it asks of each, and what does not grow with them."""

from __future__ import annotations

import threading

import pytest

from pykubeadm.fleet.command import run_apply
from pykubeadm.fleet.options import Options
from pykubeadm.workflow.events import RunFinished
from tests.support.far import Network, cluster_of, described


@pytest.mark.parametrize("number", [4, 100])
def test_nothing_is_asked_of_a_host_or_the_api_because_there_are_others(number):
    fleet, events, most = described(number), [], []

    def emit(event):
        most.append(threading.active_count())
        events.append(event)

    before = threading.active_count()
    with cluster_of(fleet) as api:
        network = Network(api=api)
        run_apply(fleet, Options(forks=10), emit, connect=network.connect)
    assert events[-1] == RunFinished(outcome="unchanged", changed=0, exit_status=0)
    assert not [event for event in events if getattr(event, "level", "") == "warning"]
    assert network.most == number, "one connection a host"
    trips = {host.parts: network.nodes[host.name].trips for host in fleet.cluster.hosts[1:]}
    assert trips == {("control-plane",): 4, ("worker",): 4}
    assert len(api.asked) == 3, api.asked
    assert max(most) - before <= 10 + 2, "threads: --forks, and the API server's"
