"""A cluster that runs is brought to other configurations: one control plane and a worker, by `pykubeadm reconfigure`."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import ETCD, IGNORED, connect, first_control_plane, join, join_command
from tests.e2e.runs import events, kill_as_starts, outcome
from tests.e2e.upgrading import failure, manifests, wait_at

pytestmark = pytest.mark.long
FILE = "/root/new.yaml"
POLICIES, KEYS = "/etc/kubernetes/audit", "/etc/kubernetes/encryption"
POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n"
NAME = "api.example.org"
PHASES = ("control-plane", "certs", "kubeconfig", "kubelet", "addon/kube-proxy", "upload-config/kubeadm", "encryption")

Documents = list[dict[str, Any]]


class Cluster(NamedTuple):
    control_plane: Node
    worker: Node
    version: str
    documents: Documents  # as the cluster was made of


@pytest.fixture(scope="module")
def made(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with nodes_of(kubernetes, request) as new_node:
        first, worker = first_control_plane(new_node, kubernetes, "rc"), new_node("rcw")
        join(worker, join_command(first))
        connect(first, (first, worker))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        first.run("mkdir", "--parents", POLICIES, KEYS)
        first.write(f"{POLICIES}/policy.yaml", POLICY)
        yield Cluster(first, worker, kubernetes.version, list(yaml.safe_load_all(first.read(cluster.CONFIG))))


def words(made: Cluster, change: Callable[[Documents], None] = lambda _documents: None) -> list[str]:
    """Of the command, with a file that says what the cluster's does, changed."""
    documents = copy.deepcopy(made.documents)
    change(documents)
    made.control_plane.write(FILE, yaml.safe_dump_all(documents, sort_keys=False))
    return ["reconfigure", "--config", FILE, *IGNORED, "--output=json"]


def reconfigured(made: Cluster, change: Callable[[Documents], None] = lambda _documents: None) -> str:
    """How it ended. What the file says is what the cluster is from then on."""
    done = made.control_plane.run("pykubeadm", *words(made, change), timeout=400)
    change(made.documents)
    return outcome(done.stdout)


def followed(made: Cluster) -> str:
    return outcome(made.worker.run("pykubeadm", "reconfigure", *IGNORED, "--output=json", timeout=200).stdout)


def running(node: Node) -> dict[str, Any]:
    """What would be another after a restart: containers, and the kubelet's process."""
    listed = yaml.safe_load(node.run("crictl", "ps", "--output=yaml").stdout)["containers"]
    kubelet = node.run("systemctl", "show", "kubelet", "--property=MainPID").stdout
    return {each["id"]: each["metadata"]["name"] for each in listed} | {"kubelet": kubelet}


def with_argument(name: str, value: str, component: str = "apiServer") -> Callable[[Documents], None]:
    def change(documents: Documents) -> None:
        documents[1].setdefault(component, {}).setdefault("extraArgs", []).append({"name": name, "value": value})

    return change


def test_an_unchanged_file_restarts_nothing(made: Cluster) -> None:
    before = running(made.control_plane)
    assert reconfigured(made) == "unchanged"
    assert followed(made) == "unchanged"
    assert running(made.control_plane) == before


def test_what_the_cluster_shows_of_itself_is_no_change(made: Cluster) -> None:
    node = made.control_plane
    node.shell(f"pykubeadm config show >{FILE}")
    done = node.run("pykubeadm", "reconfigure", "--config", FILE, *IGNORED, "--output=json", timeout=200)
    assert outcome(done.stdout) == "unchanged"


def test_what_cannot_change_is_refused_all_at_once(made: Cluster) -> None:
    before = manifests(made.control_plane), running(made.control_plane)

    def change(documents: Documents) -> None:
        documents[1] |= {
            "kubernetesVersion": "v1.35.0",
            "certificatesDir": "/etc/kubernetes/certificates",
            "networking": {"podSubnet": "10.9.0.0/16", "serviceSubnet": "10.8.0.0/16", "dnsDomain": "other.local"},
            "etcd": {"local": {"dataDir": "/data/etcd"}},
        }

    said = failure(made.control_plane, words(made, change)).splitlines()
    for field in (
        "kubernetesVersion",
        "certificatesDir",
        "networking.podSubnet",
        "networking.serviceSubnet",
        "networking.dnsDomain",
        "etcd.local.dataDir",
    ):
        (line,) = [line for line in said if f": {field}: cannot become" in line]
        assert line.startswith(f"{FILE}:")
        assert line.split(":")[1].isdecimal()
    assert (manifests(made.control_plane), running(made.control_plane)) == before


def _much(documents: Documents) -> None:
    """A name, a flag, an audit policy with its files, and more pods."""
    server = documents[1].setdefault("apiServer", {})
    server["certSANs"] = [NAME]
    server["extraArgs"] = [
        {"name": "event-ttl", "value": "2h0m0s"},
        {"name": "audit-policy-file", "value": f"{POLICIES}/policy.yaml"},
        {"name": "audit-log-path", "value": "/var/log/kubernetes/audit.log"},
    ]
    server["extraVolumes"] = [
        {"name": "audit", "hostPath": POLICIES, "mountPath": POLICIES, "readOnly": True, "pathType": "Directory"},
        {
            "name": "audit-log",
            "hostPath": "/var/log/kubernetes",
            "mountPath": "/var/log/kubernetes",
            "pathType": "DirectoryOrCreate",
        },
    ]
    documents[2]["maxPods"] = 77


def test_a_dry_run_shows_it_and_changes_nothing(made: Cluster) -> None:
    node = made.control_plane
    before = manifests(node), running(node), node.read("/etc/kubernetes/pki/apiserver.crt")
    done = node.run("pykubeadm", *words(made, _much), "--dry-run", timeout=120)
    shown = {event["data"]["what"]: event["text"] for event in events(done.stdout) if event["type"] == "result"}
    assert "+    - --event-ttl=2h0m0s" in shown["/etc/kubernetes/manifests/kube-apiserver.yaml"]
    assert "+maxPods: 77" in shown["/var/lib/kubelet/config.yaml"]
    assert NAME in shown["apiserver"]
    assert "ConfigMap kube-system/kubeadm-config" in shown
    assert (manifests(node), running(node), node.read("/etc/kubernetes/pki/apiserver.crt")) == before
    stored = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kubeadm-config")["data"]
    assert NAME not in stored["ClusterConfiguration"]


def test_a_file_that_is_missing_is_found_before(made: Cluster) -> None:
    def change(documents: Documents) -> None:
        _much(documents)
        documents[1]["apiServer"]["extraArgs"][1]["value"] = f"{POLICIES}/none.yaml"

    before = manifests(made.control_plane)
    assert f"--audit-policy-file={POLICIES}/none.yaml does not exist on this node" in failure(
        made.control_plane, words(made, change)
    )
    assert manifests(made.control_plane) == before


def test_flags_names_and_files_come_to_both_nodes(made: Cluster) -> None:
    node = made.control_plane
    assert reconfigured(made, _much) == "changed"
    wait_at(node, made.version)
    assert "--event-ttl=2h0m0s" in manifests(node)["kube-apiserver"]
    assert kubectl(node, f"--server=https://{node.address}:6443", f"--tls-server-name={NAME}", "get", "--raw", "/readyz") == "ok"
    assert '"level":"Metadata"' in node.run("head", "-n1", "/var/log/kubernetes/audit.log").stdout
    assert followed(made) == "changed"

    def few() -> str | None:
        pods = {
            item["metadata"]["name"]: item["status"]["capacity"]["pods"] for item in kubectl_json(node, "get", "nodes")["items"]
        }
        return None if set(pods.values()) == {"77"} else str(pods)

    cluster.eventually(few, "both nodes with 77 pods", 60)
    assert reconfigured(made) == "unchanged"
    assert followed(made) == "unchanged"


def test_a_bad_flag_is_put_back(made: Cluster) -> None:
    node = made.control_plane
    before = manifests(node)
    said = failure(node, words(made, with_argument("no-such-flag", "1")))
    assert "unknown flag: --no-such-flag" in said
    assert "everything that was changed here was put back" in said
    assert manifests(node) == before
    wait_at(node, made.version)
    assert reconfigured(made) == "unchanged"


def test_a_kubelet_that_does_not_start_is_put_back(made: Cluster) -> None:
    def change(documents: Documents) -> None:
        documents[2]["maxPods"] = -1

    said = failure(made.control_plane, words(made, change))
    assert "maxPods" in said
    assert "its former configuration was put back, and it runs with that" in said
    cluster.wait_node_ready(made.control_plane)
    assert reconfigured(made) == "unchanged"


def _keys(*names: str) -> str:
    """An EncryptionConfiguration with these keys of aescbc; `identity` is a name, too."""
    providers: list[dict[str, Any]] = []
    for name in names:
        secret = base64.b64encode(name.encode().ljust(32, b"-")[:32]).decode()
        providers.append({"identity": {}} if name == "identity" else {"aescbc": {"keys": [{"name": name, "secret": secret}]}})
    resources = [{"resources": ["secrets"], "providers": providers}]
    return yaml.safe_dump({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": resources})


def _encrypted(made: Cluster, file: str, *names: str) -> Callable[[Documents], None]:
    """The file with these keys on the control plane, and a configuration that has the API server read it."""
    made.control_plane.write(f"{KEYS}/{file}", _keys(*names), "0600")

    def change(documents: Documents) -> None:
        server = documents[1]["apiServer"]
        name = "encryption-provider-config"
        server["extraArgs"] = [arg for arg in server["extraArgs"] if arg["name"] != name]
        server["extraArgs"].append({"name": name, "value": f"{KEYS}/{file}"})
        volumes = [volume for volume in server["extraVolumes"] if volume["name"] != "encryption"]
        server["extraVolumes"] = [*volumes, {"name": "encryption", "hostPath": KEYS, "mountPath": KEYS, "pathType": "Directory"}]

    return change


def _in_etcd(node: Node, name: str) -> str:
    """How a Secret's value begins."""
    key = f"/registry/secrets/default/{name}"
    return node.run(*ETCD, "get", key, "--print-value-only", "--hex").stdout


def _starts(value: str, text: str) -> bool:
    return value.startswith("".join(f"\\x{byte:02x}" for byte in text.encode()))


def test_encryption_is_switched_on_and_the_key_rotated(made: Cluster) -> None:
    node = made.control_plane
    kubectl(node, "create", "secret", "generic", "mine", "--from-literal=word=readable")
    assert _starts(_in_etcd(node, "mine"), "k8s\0")

    refused = failure(node, words(made, _encrypted(made, "early.yaml", "one")))
    assert "of secrets in etcd are written with identity" in refused

    assert reconfigured(made, _encrypted(made, "1.yaml", "one", "identity")) == "changed"
    assert _starts(_in_etcd(node, "mine"), "k8s:enc:aescbc:v1:one:")
    assert reconfigured(made) == "unchanged"

    refused = failure(node, words(made, _encrypted(made, "lost.yaml", "two")))
    assert "of secrets in etcd are written with aescbc:one" in refused

    assert reconfigured(made, _encrypted(made, "2.yaml", "two", "one")) == "changed"
    assert _starts(_in_etcd(node, "mine"), "k8s:enc:aescbc:v1:two:")
    assert reconfigured(made, _encrypted(made, "3.yaml", "two")) == "changed"
    secrets = kubectl_json(node, "get", "secrets", "--all-namespaces")["items"]
    found = next(each for each in secrets if each["metadata"]["name"] == "mine")
    assert base64.b64decode(found["data"]["word"]) == b"readable"


def test_encryption_is_switched_off(made: Cluster) -> None:
    node = made.control_plane

    def off(documents: Documents) -> None:
        server = documents[1]["apiServer"]
        server["extraArgs"] = [arg for arg in server["extraArgs"] if arg["name"] != "encryption-provider-config"]

    assert "of secrets in etcd are written with aescbc:two, which an API server without encryption does not read" in failure(
        node, words(made, off)
    )
    assert reconfigured(made, _encrypted(made, "4.yaml", "identity", "two")) == "changed"
    assert _starts(_in_etcd(node, "mine"), "k8s\0")
    assert reconfigured(made, off) == "changed"
    assert kubectl(node, "get", "secret", "mine", "--output=jsonpath={.data.word}")
    wait_at(node, made.version)


def test_killed_and_run_again(made: Cluster) -> None:
    """At the beginning of each phase, and while static pods are replaced: the next run finishes it."""
    node = made.control_plane

    def change(documents: Documents) -> None:
        documents[1]["apiServer"]["certSANs"] = [NAME, "api2.example.org"]
        documents[2]["maxPods"] = 88
        documents[3]["metricsBindAddress"] = "0.0.0.0:10249"
        with_argument("v", "3")(documents)

    given = words(made, change)
    for phase in PHASES[:1]:
        kill_as_starts(node, given, phase)
    process = node.start_process("pykubeadm", *given)
    time.sleep(7)  # the API server has just been replaced
    node.run("pkill", "-KILL", "-f", "pykubeadm reconfigure", check=False)
    process.communicate(timeout=60)
    for phase in PHASES[1:]:
        kill_as_starts(node, given, phase)
    assert reconfigured(made, change) in ("changed", "unchanged")
    wait_at(node, made.version)
    assert "--v=3" in manifests(node)["kube-apiserver"]
    assert "maxPods: 88" in node.read("/var/lib/kubelet/config.yaml")
    proxy = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kube-proxy")["data"]["config.conf"]
    assert yaml.safe_load(proxy)["metricsBindAddress"] == "0.0.0.0:10249"
    cluster.wait_rolled_out(node, "daemonset/kube-proxy")
    assert reconfigured(made) == "unchanged"
    assert not node.run("ls", "/var/lib/pykubeadm/upgrade.json", check=False).stdout
