"""What stands for the variables that a machine is prepared with: what a change of the file means for which machines."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.ansible.assets import Assets
from pykubeadm.config.fleet import HttpProxy
from pykubeadm.config.model import Arg
from pykubeadm.fleet import variables
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.preparing import digests_of
from pykubeadm.fleet.variables import own_variables, shared_variables
from tests.support.fleets import fleet, host


def proxied(*hosts, https="http://proxy:3128") -> Described:
    base = fleet(*hosts)
    return Described(replace(base, cluster=replace(base.cluster, proxy=HttpProxy(https=https))))


def test_a_new_host_is_none_of_the_others_business_though_no_proxy_is_asked_for_it():
    few, more = proxied(host("c1", "control-plane"), host("w1")), proxied(host("c1", "control-plane"), host("w1"), host("w2"))
    before, after = digests_of(few, {}), digests_of(more, {})
    assert {name: after[name] for name in before} == before
    assert host("w2").address in shared_variables(more, Assets())["containerd_proxy"]["no_proxy"]


def test_another_proxy_is_everybody_s():
    hosts = (host("c1", "control-plane"), host("w1"))
    before, after = digests_of(proxied(*hosts), {}), digests_of(proxied(*hosts, https="http://other:3128"), {})
    assert all(before[name]["node"] != after[name]["node"] for name in before)


def test_a_new_control_plane_is_the_load_balancer_s():
    balancer = host("lb", "load-balancer")
    before = digests_of(Described(fleet(host("c1", "control-plane"), balancer)), {})
    after = digests_of(Described(fleet(host("c1", "control-plane"), host("c2", "control-plane"), balancer)), {})
    assert before["lb"]["node"] == after["lb"]["node"]
    assert before["lb"]["load-balancer"] != after["lb"]["load-balancer"]
    assert before["c1"] == after["c1"]


def test_images_of_static_pods_come_where_they_run_from_an_archive_that_is_for_all():
    described = Described(
        fleet(host("c1", "control-plane"), host("w1"), host("e1", "etcd"), host("both", "control-plane", "worker"))
    )
    found = {
        each.name: [name.removeprefix("registry.k8s.io/") for name in own["images_left_out"]]
        for each in described.cluster.hosts
        if (own := own_variables(described.cluster, described.configuration, each))
    }
    control_plane = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    assert found == {"c1": [], "both": [], "w1": [*control_plane, "etcd"], "e1": control_plane}


def test_a_worker_that_becomes_a_control_plane_gets_its_images_and_one_of_an_earlier_release_is_left_alone(monkeypatch):
    as_worker, as_control_plane = Described(fleet(host("w1"))), Described(fleet(host("w1", "control-plane")))
    before, after = digests_of(as_worker, {})["w1"]["node"], digests_of(as_control_plane, {})["w1"]["node"]
    assert before != after
    monkeypatch.setattr(variables, "_of_others", lambda *_: [])
    assert digests_of(as_worker, {})["w1"]["node"] == before


def test_a_host_whose_kubelet_starts_with_swap_keeps_it():
    takes = host("w1", kubelet_extra_args=(Arg(name="fail-swap-on", value="false"),))
    described = Described(fleet(takes, host("w2")))
    found = [own_variables(described.cluster, described.configuration, each) for each in (takes, host("w2"))]
    assert [each.get("cgroups_swap") for each in found] == ["kept", None]
    assert shared_variables(described, Assets())["cgroups_swap"] == "disabled"
