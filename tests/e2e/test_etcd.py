"""`pykubeadm etcd` on one control plane: its member, snapshots, and a cluster that comes back from one."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from lab import cluster, payload
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.restoring import assert_old_watches_end, assert_scales, objects, revision, write_objects
from tests.e2e.runs import events, kill_as_starts

REFUSED = 3
_BY_PASSPHRASE = ("--passphrase-file", "/root/passphrase")
STORE = "/var/lib/pykubeadm/snapshots"


def etcd(node: Node, *words: str) -> Any:
    """What `pykubeadm etcd WORDS -o json` prints as a document."""
    return json.loads(node.run("pykubeadm", "etcd", *words, "-o", "json", timeout=120).stdout)


def save(node: Node, *words: str) -> dict[str, str]:
    """What a new snapshot is said to be."""
    said = events(node.run("pykubeadm", "etcd", "snapshot", "save", *words, "-o", "json", timeout=120).stdout)
    return next(event["data"] for event in said if event["type"] == "result")


def test_the_only_member_leads(control_plane: Node) -> None:
    (member,) = etcd(control_plane, "members")["members"]
    assert (member["name"], member["healthy"], member["leader"]) == (control_plane.name, True, True)
    assert member["dbSize"] >= member["dbSizeInUse"] > 0
    assert member["alarms"] == []
    shown = control_plane.run("pykubeadm", "etcd", "members").stdout.splitlines()
    assert shown[0].split()[:3] == ["NAME", "ID", "HEALTH"]
    assert shown[1].split()[:1] == [control_plane.name]


def test_a_snapshot_is_what_etcdutl_reads_with_what_a_cluster_needs(control_plane: Node, results: list[str]) -> None:
    kept = save(control_plane)
    (listed,) = etcd(control_plane, "snapshot", "list")["snapshots"]
    assert listed["place"] == kept["place"]
    status = etcd(control_plane, "snapshot", "status", listed["name"])
    control_plane.shell(f"mkdir -p /tmp/s && tar -C /tmp/s -xf {kept['place']}")
    theirs = json.loads(control_plane.run("etcdutl", "snapshot", "status", "/tmp/s/snapshot.db", "--write-out=json").stdout)
    assert (status["revision"], status["size"] - 32) == (theirs["revision"], theirs["totalSize"])
    assert status["members"] == [control_plane.name]
    for name in ("ca.key", "sa.key", "etcd/ca.key", "apiserver.crt"):
        control_plane.run("cmp", f"/tmp/s/files/etc/kubernetes/pki/{name}", f"/etc/kubernetes/pki/{name}")
    assert "kind: ClusterConfiguration" in control_plane.read("/tmp/s/kubeadm-config.yaml")
    assert control_plane.shell(f"stat -c %a {STORE} {kept['place']}").split() == ["700", "600"]
    results.append(control_plane.run("pykubeadm", "etcd", "snapshot", "status", listed["name"]).stdout)


def test_so_many_are_kept(control_plane: Node) -> None:
    places = [save(control_plane)["place"], save(control_plane, "--keep", "2")["place"]]
    assert [each["place"] for each in etcd(control_plane, "snapshot", "list")["snapshots"]] == places[::-1]
    said = control_plane.run("pykubeadm", "etcd", "snapshot", "prune", "--keep", "1").stdout
    assert said == f"removed {places[0]}\n"


@pytest.mark.parametrize(
    ("damage", "said"),
    [("truncate -s -5000 {}", "cut off"), ("printf x | dd of={} bs=1 seek=200000 conv=notrunc status=none", "damaged")],
)
def test_a_damaged_one_is_known(control_plane: Node, damage: str, said: str) -> None:
    place = save(control_plane)["place"]
    control_plane.shell(damage.format(place))
    refused = control_plane.run("pykubeadm", "etcd", "snapshot", "status", PurePosixPath(place).name, check=False)
    assert refused.returncode == 6, refused.stdout
    assert said in refused.stderr
    control_plane.run("rm", place)


def test_space_is_given_back(control_plane: Node) -> None:
    said = events(control_plane.run("pykubeadm", "etcd", "defrag", "-o", "json", timeout=120).stdout)
    assert "1 member defragmented" in next(event["text"] for event in said if event["type"] == "result")
    said = events(control_plane.run("pykubeadm", "etcd", "alarm", "disarm", "-o", "json", timeout=120).stdout)
    assert next(event["text"] for event in said if event["type"] == "result") == "no alarm was raised"


def test_it_comes_back_from_a_snapshot_when_its_data_are_destroyed(control_plane: Node, results: list[str]) -> None:
    """All of the snapshot is there, nothing later; who watched is told to begin again; controllers work."""
    node = control_plane
    cluster.wait_rolled_out(node, "deployment/coredns")
    wanted = write_objects(node, "before", 30)
    kept = save(node)
    write_objects(node, "after", 30)
    newest = revision(node)
    refused = node.run("pykubeadm", "etcd", "snapshot", "restore", kept["place"], check=False)
    assert (refused.returncode, "etcd is healthy" in refused.stderr) == (REFUSED, True), refused.stderr
    node.shell("rm -rf /var/lib/etcd/member; crictl ps -q --name etcd | xargs -r crictl stop --timeout 0")
    done = node.run("pykubeadm", "etcd", "snapshot", "restore", PurePosixPath(kept["place"]).name, timeout=300)
    results.append(done.stdout)
    assert objects(node) == wanted
    assert revision(node) > newest
    assert_old_watches_end(node, newest)
    assert_scales(node)
    cluster.wait_node_ready(node)
    (member,) = etcd(node, "members")["members"]
    assert member["healthy"]


@pytest.mark.long
@pytest.mark.parametrize("phase", ["restore", "etcd", "control-plane", "finish"])
def test_a_restore_that_was_killed_goes_on(control_plane: Node, phase: str) -> None:
    node = control_plane
    words = ["etcd", "snapshot", "restore", save(node)["place"], "--force", "--output=json"]
    kill_as_starts(node, words, phase)
    node.run("pykubeadm", *words, timeout=300)
    cluster.eventually(lambda: None if kubectl(node, "get", "--raw", "/livez", check=False) == "ok" else "no", "the API", 60)
    assert node.shell("ls /var/lib/pykubeadm").split().count("etcd-restore") == 0


@pytest.mark.parametrize(("what", "said"), [("other", "another cluster"), ("foreign", "another cluster's"), ("none", "damaged")])
def test_what_is_not_this_clusters_is_refused(control_plane: Node, what: str, said: str) -> None:
    """Nothing is stopped for it: an archive of another CA, a snapshot of an etcd with nothing of Kubernetes, no snapshot."""
    node = control_plane
    place = f"/root/{what}"
    if what == "other":
        node.shell(f"cp {save(node)['place']} /root/a.tar && cd /root && rm -rf x && mkdir x && tar -C x -xf a.tar")
        node.shell('cd /root/x && sed -i \'s/"ca": "sha256:../"ca": "sha256:ff/\' archive.json && tar -cf /root/other *')
    elif what == "foreign":
        urls = "--listen-client-urls=http://127.0.0.1:9379 --advertise-client-urls=http://127.0.0.1:9379"
        peers = "--listen-peer-urls=http://127.0.0.1:9380"
        image = node.shell("grep -o 'image: .*etcd.*' /etc/kubernetes/manifests/etcd.yaml").split()[-1]
        node.shell(f"ctr -n k8s.io run -d --net-host {image} foreign etcd --data-dir=/f {urls} {peers}")
        node.shell(
            f"sleep 3; etcdctl --endpoints=http://127.0.0.1:9379 snapshot save {place}; ctr -n k8s.io task kill -s 9 foreign"
        )
    else:
        node.shell(f"head -c 100000 /dev/urandom >{place}")
    running = "crictl ps -q --name 'etcd|kube-apiserver' | sort"
    pods = node.shell(running)
    refused = node.run("pykubeadm", "etcd", "snapshot", "restore", place, check=False)
    assert refused.returncode in (REFUSED, 6), refused.stdout
    assert said in refused.stderr
    assert node.shell(running) == pods


def test_an_encrypted_one_is_for_those_who_have_the_key(control_plane: Node) -> None:
    node = control_plane
    python = "import pyrage; key = pyrage.x25519.Identity.generate(); print(key, key.to_public())"
    private, public = node.run(f"{payload.MOUNT}/bin/python", "-c", python).stdout.split()
    node.write("/root/key", f"# for tests\n{private}\n")
    node.write("/root/passphrase", "correct horse battery staple\n")
    for words, opens in ((("--encrypt-to", public), ("--identity", "/root/key")), (_BY_PASSPHRASE, _BY_PASSPHRASE)):
        place = save(node, *words)["place"]
        assert place.endswith(".tar.age")
        assert "snapshot.db" not in node.shell(f"strings {place} | head -n 100", check=False)
        closed = node.run("pykubeadm", "etcd", "snapshot", "status", place, check=False)
        assert (closed.returncode, "--identity FILE or --passphrase-file FILE" in closed.stderr) == (6, True), closed.stderr
        assert etcd(node, "snapshot", "status", place, *opens)["members"] == [node.name]
    node.run("pykubeadm", "etcd", "snapshot", "restore", place, *opens, "--force", timeout=300)
