"""What `plan` says of a cluster whose configuration is not the file's, and which command it names."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pykubeadm.addons.kube_proxy import kube_proxy_configuration
from pykubeadm.cli.cluster import cluster as commands
from pykubeadm.commands.reconfigure.addon import addon
from pykubeadm.commands.reconfigure.kubelet import kubelet as kubelet_phase
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Arg, ClusterConfiguration, Networking
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.errors import ApiError
from pykubeadm.fleet import cluster as clusters
from pykubeadm.fleet import command
from pykubeadm.fleet.cluster import look_at_cluster
from pykubeadm.fleet.drift import drift_of
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described, describe
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.options import Options
from pykubeadm.manifests.kubelet import for_node, kubelet_configuration
from pykubeadm.util.yaml_output import to_yaml
from tests.support import reconfigure_runs
from tests.support.api import FakeApi
from tests.support.fleets import DIGESTS, bare, cluster, control_plane, fleet, host, node, plan_of, unreachable, worker
from tests.support.init_runs import certified
from tests.support.node import FakeNode

KUBELET = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 77}
PROXY = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables"}
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
CONFIG, INSTANCE = "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/instance-config.yaml"
OTHER = ClusterConfiguration(networking=Networking(service_subnet="10.90.0.0/16", dns_domain="prod.example"))
HOSTS = (host("c1", "control-plane"), host("w1"))
RECONFIGURE, UPGRADE = "pykubeadm cluster reconfigure", "pykubeadm cluster upgrade"


def silent(_level, _message):
    pass


def file(*hosts, kubelet=None, kube_proxy=None, **more):
    whole = fleet(*(hosts or HOSTS), **more)
    configuration = replace(whole.configuration, kubelet=kubelet or {}, kube_proxy=kube_proxy or {})
    return replace(whole, configuration=configuration)


def stored(document=KUBELET, of=OTHER):
    """What the cluster's ConfigMap has when a cluster with this service network was made with the document."""
    return kubelet_configuration(of, document, silent)


def files(document, *, flags="", **own):
    """A machine's: what all kubelets have, with what is its own."""
    of_machine = (
        for_node(document, HostFacts("w1", resolved_active=True), silent) | {"containerRuntimeEndpoint": "unix:///x"} | own
    )
    instance = {"containerRuntimeEndpoint": "unix:///x", **own}
    return {
        CONFIG: to_yaml(of_machine).encode(),
        INSTANCE: to_yaml(instance).encode(),
        FLAGS: f'KUBELET_KUBEADM_ARGS="{flags}"\n'.encode(),
    }


def drift(wanted, kubelet=None, kube_proxy=None, *, of_worker=None, nodes=None, kubelets=None):
    networking = {"serviceSubnet": "10.90.0.0/16", "dnsDomain": "prod.example"}
    versions = {each.name: NEWEST_KNOWN for each in HOSTS} | (kubelets or {})
    there = cluster("c1", *(node(name, version=versions[name]) for name in versions))
    there = replace(there, kubelet=kubelet or {}, kube_proxy=kube_proxy or {})
    there.stored["networking"].update(networking)
    wanted = replace(wanted, describes_cluster=False)
    nodes = nodes or (control_plane("c1"), worker("w1", kubelet_files=of_worker or {}))
    plan = plan_of(wanted, *nodes, found=there)
    return [(each.host, each.sentence, each.command) for each in plan.drift]


def test_a_kubeletconfiguration_that_the_cluster_has_already_is_no_drift():
    machine = files(stored(), tlsCertFile="/own.crt")
    assert drift(file(kubelet=KUBELET), stored(), of_worker=machine) == []
    spelled = {**KUBELET, "syncFrequency": "60s", "evictionHard": None}
    assert drift(file(kubelet={**KUBELET, "syncFrequency": "1m"}), stored(spelled), of_worker=files(stored(spelled))) == []


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({**KUBELET, "maxPods": 78}, "maxPods"),
        ({name: value for name, value in KUBELET.items() if name != "maxPods"}, "maxPods"),
        ({**KUBELET, "authentication": {"anonymous": {"enabled": True}}, "podPidsLimit": 9}, "authentication, podPidsLimit"),
    ],
    ids=["another value", "no value", "several"],
)
def test_another_kubeletconfiguration_is_named_once_for_the_cluster(document, fields):
    [(where, sentence, command)] = drift(file(kubelet=document), stored(), of_worker=files(stored()))
    assert (where, command) == ("", RECONFIGURE)
    assert sentence.startswith(
        f"the cluster's KubeletConfiguration is not the file's in {fields}, which applying it leaves alone"
    )
    assert f"`{RECONFIGURE}` brings it there" in sentence


def test_name_servers_that_kubeadm_stored_for_the_first_control_plane_are_no_drift():
    """kubeadm 1.35 and later store the path of systemd-resolved, where that runs, though nobody wrote it."""
    there = stored({**KUBELET, "resolvConf": "/run/systemd/resolve/resolv.conf"})
    without = files({name: value for name, value in there.items() if name != "resolvConf"} | {"resolvConf": "/etc/resolv.conf"})
    for of_worker in (files(there), without):
        assert drift(file(kubelet=KUBELET), there, of_worker=of_worker) == []
    written = {**KUBELET, "resolvConf": "/etc/other.conf"}
    [(where, sentence, _command)] = drift(file(kubelet=written), there)
    assert (where, "in resolvConf, " in sentence) == ("", True)
    assert len(drift(file(kubelet=KUBELET), stored(written))) == 1, "somebody wrote that one"


def test_a_kubelet_that_is_behind_the_cluster_is_named():
    behind = files(stored({name: value for name, value in KUBELET.items() if name != "maxPods"}))
    [(where, sentence, command)] = drift(file(kubelet=KUBELET), stored(), of_worker=behind)
    assert (where, command) == ("w1", RECONFIGURE)
    assert sentence.startswith("its kubelet's configuration is without the cluster's maxPods, ")
    assert drift(file(), stored(), of_worker=behind) == [], "what the file does not have changes nothing"


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"kubeReserved": {"cpu": "1"}}, "kubeReserved"),
        ({"maxPods": 50, "tlsMinVersion": "VersionTLS13"}, "maxPods, tlsMinVersion"),
    ],
)
def test_what_may_be_a_patch_of_one_kubelet_is_said_and_nothing_is_to_be_done(monkeypatch, patch, named):
    wanted, common = file(kubelet=KUBELET), stored(KUBELET, ClusterConfiguration())
    nodes = (control_plane("c1"), worker("w1", kubelet_files=files({**common, **patch})))
    there = cluster("c1", *(node(each.name) for each in HOSTS), kubelet=common)
    monkeypatch.setattr(command, "look", lambda *_args: Facts({each.name: each for each in nodes}, there))
    monkeypatch.setattr(command, "digests_of", lambda *_args: {each.name: DIGESTS for each in HOSTS})
    events = []
    with Machines(lambda _host: nullcontext(FakeNode("x"))) as machines:
        plan = command.plan_fleet(Described(wanted), machines, Options(), events.append).plan
    assert (plan.actions, plan.drift, plan.problems, plan.notes) == ((), (), (), ())
    [note] = events
    assert note.topic == "w1"
    assert f"is not the cluster's in {named}, by a patch for this node or from before" in note.message
    assert "`pykubeadm reconfigure --patches DIR` keeps a patch" in note.message


@pytest.mark.parametrize("content", [b"", b"[", b"maxPods: many"])
def test_damaged_files_of_a_kubelet_stop_no_plan(content):
    found = drift(file(kubelet=KUBELET), stored(), of_worker={CONFIG: content, FLAGS: b"'"})
    assert [where for where, _sentence, _command in found] == (["w1"] if content == b"maxPods: many" else [])


def test_what_is_not_known_of_the_cluster_is_no_drift():
    assert drift(file(kubelet=KUBELET, kube_proxy=PROXY), of_worker=files(stored())) == []


@pytest.mark.parametrize("name", ["component-configs", "component-configs-full"])
def test_many_fields_are_the_same_after_they_went_to_the_cluster_and_a_machine(name):
    case = yaml.safe_load((Path(__file__).parents[2] / "golden" / "cases" / f"{name}.yaml").read_text())
    kubelet, kube_proxy = list(yaml.safe_load_all(case["config"]))[2:]
    there = stored(kubelet)
    wanted = file(kubelet=kubelet, kube_proxy=kube_proxy)
    held = kube_proxy_configuration(wanted.configuration, silent)
    assert drift(wanted, yaml.safe_load(to_yaml(there)), yaml.safe_load(to_yaml(held)), of_worker=files(there)) == []


def test_another_kubeproxyconfiguration_is_named():
    held = {**PROXY, "bindAddress": "::", "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf"}}
    assert drift(file(kube_proxy=PROXY), kube_proxy=held) == []
    [(where, sentence, command)] = drift(file(kube_proxy={**PROXY, "mode": "iptables"}), kube_proxy=held)
    assert (where, command) == ("", RECONFIGURE)
    assert "the cluster's KubeProxyConfiguration is not the file's in mode, " in sentence


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--node-ip=10.0.0.9 --v=4 --feature-gates=A=true --feature-gates=B=true", ""),
        ("--v 4 --feature-gates A=true --feature-gates B=true --node-ip 10.0.0.9", ""),
        ("-v 4 --feature-gates=A=true --feature-gates=B=true", ""),
        ("--v 2 --feature-gates=A=true --feature-gates=B=true", "--v"),
        ("--v=2 --feature-gates=A=true --feature-gates=B=true", "--v"),
        ("--node-ip=10.0.0.9", "--v, --feature-gates"),
        ("--v=4 --feature-gates=A=true", "--feature-gates"),
    ],
)
def test_flags_of_a_host_s_kubelet_are_compared(flags, named):
    arguments = (Arg(name="v", value="4"), Arg(name="feature-gates", value="A=true"), Arg(name="feature-gates", value="B=true"))
    found = drift(file(HOSTS[0], host("w1", kubelet_extra_args=arguments)), of_worker=files(stored(), flags=flags))
    if not named:
        assert found == []
        return
    [(where, sentence, command)] = found
    assert (where, command) == ("w1", RECONFIGURE)
    assert sentence.startswith(f"its kubelet's flags are not the file's kubeletExtraArgs in {named}, ")


def test_a_flag_without_a_value_is_true():
    wanted = file(HOSTS[0], host("w1", kubelet_extra_args=(Arg(name="runonce", value="true"),)))
    assert drift(wanted, of_worker=files(stored(), flags="--runonce --v=4")) == []


@pytest.mark.parametrize(
    "make", [bare, unreachable, lambda name: worker(name, unfinished="join"), lambda name: worker(name, ca="x")]
)
def test_a_host_that_is_to_join_or_cannot_be_seen_has_no_drift(make):
    wanted = file(HOSTS[0], host("w1", kubelet_extra_args=(Arg(name="v", value="4"),)), kubelet=KUBELET)
    assert drift(wanted, stored(), nodes=(control_plane("c1"), make("w1"))) == []


def test_a_cluster_that_does_not_say_its_version_is_of_no_other_one():
    there = cluster("c1", node("c1"), version="", stored={})
    assert plan_of(file(HOSTS[0]), control_plane("c1"), found=there).drift == ()


@pytest.mark.parametrize(("kubelet", "named"), [("v1.36", []), ("custom", []), ("v1.35.9-gke.1", ["w1"])])
def test_what_is_no_version_is_compared_with_none(kubelet, named):
    found = drift(file(), nodes=(control_plane("c1"), worker("w1")), kubelets={"w1": kubelet})
    assert [where for where, _sentence, _command in found] == named


@pytest.mark.parametrize("written", ["1.36.2", "v1.36", 1.36])
def test_a_cluster_that_writes_its_version_otherwise_is_of_the_same_one(asked, written):
    api, look = asked
    api.put(config_map("kubeadm-config", ClusterConfiguration=f"kubernetesVersion: {written}\n"))
    found = look()
    assert found.version == ("v1.36.2" if written == "1.36.2" else "")
    found = replace(cluster("c1", node("c1")), version="v1.36.2", stored=found.stored)
    wanted = replace(file(HOSTS[0], version="v1.36.2"), cluster_document={"kubernetesVersion": "v1.36.2"})
    assert "kubernetesVersion" not in " ".join(each.sentence for each in plan_of(wanted, control_plane("c1"), found=found).drift)


def test_an_upgrade_or_reconfiguration_that_was_cut_off_is_drift():
    nodes = (control_plane("c1", upgrading="apply"), worker("w1", reconfiguring=True))
    found = drift(file(), nodes=nodes)
    assert [(where, command) for where, _sentence, command in found] == [("c1", UPGRADE), ("w1", RECONFIGURE)]


EXTERNAL = {"external": {"endpoints": ["https://10.0.0.9:2379"], "caFile": "/ca", "certFile": "/crt", "keyFile": "/key"}}
DATA = {"local": {"dataDir": "/srv/etcd", "extraArgs": [{"name": "quota-backend-bytes", "value": "1"}]}}
GATES = {"RootlessControlPlane": True, "NodeLocalCRISocket": True}


@pytest.mark.parametrize(
    ("written", "there", "named"),
    [
        ({}, {"etcd": EXTERNAL}, ""),
        ({"etcd": {"local": {"extraArgs": DATA["local"]["extraArgs"]}}}, {"etcd": DATA}, ""),
        ({"etcd": {"local": {"imageTag": "3.6.8-0"}}}, {"etcd": DATA}, "etcd"),
        ({"featureGates": {"NodeLocalCRISocket": True}}, {"featureGates": GATES}, ""),
        ({"featureGates": {"RootlessControlPlane": False}}, {"featureGates": GATES}, "featureGates"),
        ({"networking": {"podSubnet": ""}, "clusterName": None}, {"clusterName": "prod"}, ""),
    ],
    ids=["external etcd", "data of etcd", "another etcd", "gate that stays", "another gate", "nothing is written"],
)
def test_what_the_file_leaves_out_and_reconfigure_keeps_is_no_drift(tmp_path, written, there, named):
    documents = [
        {"apiVersion": "pykubeadm.cluster/v1", "kind": "Cluster", "hosts": [{"name": "c1", "parts": ["control-plane"]}]},
        {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "kubernetesVersion": NEWEST_KNOWN, **written},
    ]
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump_all(documents))
    wanted = describe(str(tmp_path / "cluster.yaml"), (), lambda _note: None).fleet
    found = cluster("c1", node("c1"))
    found.stored.update(
        {"etcd": {"local": {"dataDir": "/var/lib/etcd"}}} | there,
        controlPlaneEndpoint="",
        networking={"podSubnet": "10.244.0.0/16"} | found.stored["networking"],
    )
    sentences = [each.sentence for each in plan_of(wanted, control_plane("c1"), found=found).drift]
    assert [sentence.partition(" in ")[2].partition(", which")[0] for sentence in sentences] == ([named] if named else [])


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}, "data": data}


@pytest.fixture
def asked(monkeypatch):
    """A cluster's API and a control plane of it; etcd is external."""
    api, machine = FakeApi(), FakeNode("c1")
    machine.put("/etc/kubernetes/pki/ca.crt", certified().text("/etc/kubernetes/pki/ca.crt"))
    monkeypatch.setattr(clusters, "etcd_of", lambda _node, _api: None)
    return api, lambda: look_at_cluster("c1", machine, api)


def test_all_of_a_cluster_s_configuration_is_read_with_one_exchange(asked):
    api, look = asked
    api.put(config_map("kubeadm-config", ClusterConfiguration="kubernetesVersion: v1.36.2\n"))
    api.put(config_map("kubelet-config", kubelet="maxPods: 77\n"))
    api.put(config_map("kube-proxy", **{"config.conf": "mode: nftables\n"}))
    found = look()
    assert (found.version, found.kubelet, found.kube_proxy) == ("v1.36.2", {"maxPods": 77}, {"mode": "nftables"})
    assert api.calls == 2, "the ConfigMaps, and the Nodes"


def test_without_what_all_kubelets_have_in_common_the_rest_is_known(asked):
    api, look = asked
    api.put(config_map("kubeadm-config", ClusterConfiguration="kubernetesVersion: v1.36.2\n"))
    api.put(config_map("kube-proxy", **{"config.conf": "["}))
    found = look()
    assert (found.kubelet, found.kube_proxy) == ({}, {})
    del api.objects["v1", "ConfigMap", "kube-system", "kubeadm-config"]
    with pytest.raises(ApiError, match="has no ConfigMap kube-system/kubeadm-config"):
        look()


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """`cluster plan` where this is the file, and that the machines."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text(CliRunner().invoke(commands, ["init", "10.0.0.1"]).stdout)

    def run(wanted, *nodes):
        there = cluster("c1", *(node(each.name) for each in HOSTS))
        plan = plan_of(wanted, *nodes, found=there)
        found = Found(Described(wanted), HOSTS, Facts({each.name: each for each in nodes}, there), plan, DIGESTS)
        monkeypatch.setattr("pykubeadm.fleet.command.run_plan", lambda *_args, **_more: found)
        return CliRunner().invoke(commands, ["plan"], standalone_mode=False)

    return run


def test_plan_names_the_commands_that_are_to_be_run_and_its_status_says_so(planned):
    nodes = (control_plane("c1"), worker("w1"))
    nothing = planned(file(), *nodes)
    assert (nothing.stdout, nothing.return_value) == ("Nothing to do: the cluster is as the file says\n", 0)
    both = planned(file(version="v1.37.0", endpoint="other.example.com:6443"), *nodes)
    assert both.stdout == f"Nothing to do for `pykubeadm cluster apply`; run `{UPGRADE}`, then `{RECONFIGURE}`\n"
    assert both.return_value == 11
    first = planned(file(version="v1.37.0"), control_plane("c1"), bare("w1"))
    assert first.stdout.splitlines()[-1] == f"After that run `{UPGRADE}`"
    assert first.return_value == 11


def test_a_cluster_that_init_made_or_reconfigure_changed_has_no_drift(monkeypatch):
    machine, api = reconfigure_runs.cluster()
    documents = [yaml.safe_dump({**each, "maxPods": 99} if each is KUBELET else each) for each in (KUBELET, PROXY)]
    empty = [{name: each[name] for name in ("apiVersion", "kind")} for each in (KUBELET, PROXY)]

    def found(kubelet, kube_proxy):
        monkeypatch.setattr(clusters, "etcd_of", lambda _node, _api: None)
        facts = replace(look_at_cluster("cp1", machine, api), ca="")
        hosts = (host("cp1", "control-plane"),)
        files_there = {path: machine.read(path) for path in (CONFIG, INSTANCE, FLAGS) if machine.read(path)}
        wanted = replace(file(*hosts, kubelet=kubelet, kube_proxy=kube_proxy, version=facts.version), describes_cluster=False)
        return [
            each.sentence
            for each in drift_of(wanted, facts, [(hosts[0], control_plane("cp1", ca="", kubelet_files=files_there))])
        ]

    assert found(*empty) == []
    assert len(found(KUBELET, PROXY)) == 2
    monkeypatch.setattr("pykubeadm.phases.cluster.wait_control_plane.wait_for_kubelet", lambda *_: None)
    run = reconfigure_runs.reconfigure_run(monkeypatch, machine, api, reconfigure_runs.file_of(*documents))[0]
    reconfigure_runs.perform(run, kubelet_phase, addon, upload_config)
    assert found({**KUBELET, "maxPods": 99}, PROXY) == []
