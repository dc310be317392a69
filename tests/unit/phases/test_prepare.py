"""What the phase finds missing, and that it leaves a node alone that has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykubeadm.config.model import Arg, Networking
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import UnitState
from pykubeadm.phases import prepare
from pykubeadm.transport.route import Route
from tests.support.init_runs import configuration, init_run
from tests.support.node import FakeNode

SOCKET = "/var/run/containerd/containerd.sock"


@pytest.fixture
def ready():
    node = FakeNode(sockets={SOCKET})
    node.put("/usr/bin/kubelet")
    node.put("/proc/sys/net/ipv4/ip_forward", "1\n")
    node.put("/proc/swaps", "Filename Type Size Used Priority\n")
    node.put("/run/systemd/system/x")
    node.put("/usr/lib/systemd/system/kubelet.service")
    return node


def swap_on(node):
    node.put("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")


def test_a_ready_node_is_left_alone(ready):
    run, _events = init_run(ready)
    assert prepare.check(run) == "a container runtime and a kubelet are there"
    assert ready.ran == []
    assert prepare.prepare.when(run)


def test_a_kubelet_elsewhere_in_path_is_one(ready):
    """As where /usr cannot be written to."""
    ready.remove(["/usr/bin/kubelet", "/usr/lib/systemd/system/kubelet.service"])
    ready.put("/opt/bin/kubelet")
    ready.put("/etc/systemd/system/kubelet.service", "[Service]\nExecStart=/opt/bin/kubelet\n")
    assert prepare.missing(ready, configuration()) == {}
    ready.put("/etc/systemd/system/kubelet.service", "[Service]\nEnvironmentFile=/etc/kubelet\n")
    assert "kubelet" in prepare.missing(ready, configuration())
    ready.route = Route(environment={"PATH": "/usr/bin:/opt/bin"})
    assert prepare.missing(ready, configuration()) == {}


def test_a_unit_whose_kubelet_is_gone_is_none(ready):
    ready.remove(["/usr/bin/kubelet"])
    ready.put("/usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n")
    assert prepare.missing(ready, configuration())["kubelet"] == "there is no kubelet"


def test_a_unit_that_systemd_has_from_elsewhere_is_one(ready):
    ready.remove(["/usr/lib/systemd/system/kubelet.service"])
    assert prepare.missing(ready, configuration())["kubelet"] == "there is no unit kubelet.service"
    ready.units["kubelet.service"] = UnitState("loaded", "inactive", "dead", "enabled")
    assert prepare.missing(ready, configuration()) == {}


def test_everything_is_missing_on_a_bare_node(ready):
    ready.sockets.clear()
    ready.remove(["/usr/bin/kubelet"])
    assert prepare.missing(ready, configuration()).keys() >= {"runtime", "cni", "kubelet", "kernel", "cgroups", "images"}


def test_a_running_runtime_is_not_touched_where_only_the_kubelet_is_missing(ready):
    ready.remove(["/usr/bin/kubelet"])
    assert "runtime" not in prepare.missing(ready, configuration())


def test_forwarding_that_is_off_is_all_that_is_mended(ready):
    ready.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    assert prepare.missing(ready, configuration()).keys() == {"kernel"}


def test_ipv6_is_forwarded_where_the_cluster_has_it(ready):
    ready.put("/proc/sys/net/ipv6/conf/default/forwarding", "0\n")
    assert prepare.missing(ready, configuration()) == {}
    networking = Networking(service_subnet="fd00:10:96::/112", pod_subnet="fd00:10:244::/56")
    assert prepare.missing(ready, configuration(networking=networking)).keys() == {"kernel"}


def test_a_socket_url_may_have_one_slash(ready):
    base = configuration()
    registration = replace(base.this_node.node_registration, cri_socket=f"unix:{SOCKET}")
    assert prepare.missing(ready, replace(base, this_node=replace(base.this_node, node_registration=registration))) == {}


def test_swap(ready):
    swap_on(ready)
    assert prepare.missing(ready, configuration()).keys() == {"cgroups"}
    base = configuration()
    assert prepare.missing(ready, replace(base, kubelet={"failSwapOn": False})) == {}
    ready.put("/run/systemd/container", "docker")
    assert prepare.missing(ready, base) == {}


@pytest.mark.parametrize("ignored", ["swap", "all"])
def test_swap_that_the_user_has_ignored_stays_on(ready, ignored):
    swap_on(ready)
    run, _events = init_run(ready, ignore_preflight_errors=frozenset({ignored}))
    assert prepare.check(run) is not None
    assert list(prepare.apply(run)) == []


@pytest.mark.parametrize("path", ["/etc/default/kubelet", "/etc/sysconfig/kubelet"])
def test_swap_that_the_kubelet_takes_by_its_flags_stays_on(ready, path):
    swap_on(ready)
    ready.put(path, 'KUBELET_EXTRA_ARGS="--v=2 --fail-swap-on=false"\n')
    assert prepare.missing(ready, configuration()) == {}
    ready.put(path, "KUBELET_EXTRA_ARGS=--fail-swap-on=true\n")
    base = configuration()
    assert prepare.missing(ready, replace(base, kubelet={"failSwapOn": False})).keys() == {"cgroups"}
    ready.put(path, "# KUBELET_EXTRA_ARGS=--fail-swap-on=false\n")
    assert prepare.missing(ready, base).keys() == {"cgroups"}
    registration = replace(base.this_node.node_registration, kubelet_extra_args=(Arg(name="fail-swap-on", value="false"),))
    assert prepare.missing(ready, replace(base, this_node=replace(base.this_node, node_registration=registration))) == {}


@pytest.mark.parametrize("ignored", ["filecontent--proc-sys-net-ipv4-ip_forward", "all"])
def test_forwarding_that_the_user_has_ignored_stays_off(ready, ignored):
    ready.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    run, _events = init_run(ready, ignore_preflight_errors=frozenset({ignored}))
    assert prepare.check(run) is not None


def test_an_interrupted_run_is_finished(ready):
    ready.put(prepare.MARK, "runtime\nkubelet\n")
    assert prepare.missing(ready, configuration()).keys() == {"runtime", "kubelet"}


def test_a_runtime_that_only_does_not_run_is_started_as_it_is(ready):
    ready.sockets.clear()
    ready.units["containerd.service"] = UnitState("loaded", "inactive", "dead", "enabled")
    original = ready.ensure_unit

    def start(name, **options):
        ready.sockets.update({SOCKET, "/run/containerd/containerd.sock"})
        return original(name, **options)

    ready.ensure_unit = start
    run, _events = init_run(ready)
    assert prepare.check(run) is None
    assert all(change.startswith("containerd.service") for change in prepare.apply(run))
    assert prepare.check(run) is not None


def test_nothing_is_tried_without_systemd(ready):
    ready.remove(["/run/systemd"])
    run, _events = init_run(ready)
    assert not prepare.prepare.when(run)


def test_verify_says_what_is_still_missing(ready):
    ready.sockets.clear()
    run, _events = init_run(ready)
    with pytest.raises(PhaseError, match="no container runtime listens on"):
        prepare.verify(run)
