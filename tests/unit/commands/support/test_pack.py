"""What an archive holds, and that it is made whatever does not answer."""

from __future__ import annotations

import base64
import io
import tarfile
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pykubeadm.commands.support import command, secrets
from pykubeadm.commands.support.command import Packed, pack
from pykubeadm.commands.support.item import Item
from pykubeadm.errors import NodeError
from pykubeadm.kube.port import ApiUnreachableError
from tests.support.api import FakeApi
from tests.support.node import FakeNode, completed

if TYPE_CHECKING:
    import pytest

AT = datetime(2026, 5, 1, tzinfo=UTC)


def packed(node: FakeNode | None, api: FakeApi | None, *reports: Item) -> Packed:
    return pack(node, api, lambda: iter(reports), name="support-a", socket="unix:///run/x.sock", at=AT)


def texts(found: Packed) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(found.archive)) as tar:
        entries = [entry for entry in tar.getmembers() if entry.isfile()]
        assert {entry.mode for entry in entries} == {0o600}
        return {entry.name: (tar.extractfile(entry) or io.BytesIO()).read().decode() for entry in entries}


def node() -> FakeNode:
    fake = FakeNode()
    fake.put("/etc/kubernetes/manifests/etcd.yaml", "kind: Pod\n")
    for number in (1, 2, 10):
        fake.put(f"/var/log/pods/kube-system_etcd-a_1/etcd/{number}.log")
    fake.put("/var/log/pods/default_web_1/web/0.log")
    fake.commands |= {
        "uname": completed("Linux\n"),
        "tail": completed("last words\n"),
        "journalctl": completed("kubelet: hello\n"),
    }
    return fake


def test_files_logs_and_versions_of_a_node() -> None:
    found = texts(packed(node(), None))
    assert found["support-a/node/files/etc/kubernetes/manifests/etcd.yaml"] == "kind: Pod\n"
    assert found["support-a/node/logs/kubelet.log"] == "kubelet: hello\n"
    assert found["support-a/node/versions.txt"] == "$ uname -a\nLinux\n"
    logs = [name for name in found if "/logs/pods/" in name]
    assert [name.rpartition("pods/")[2] for name in logs] == [
        "kube-system_etcd-a_1/etcd/2.log",  # the last two attempts, by number
        "kube-system_etcd-a_1/etcd/10.log",
    ]


def test_both_runtimes_are_asked_for() -> None:
    fake = node()
    fake.put("/etc/crio/crio.conf.d/20-pykubeadm.conf", "[crio.runtime]\n")
    fake.put("/etc/containerd/config.toml", "version = 3\n")
    found = texts(packed(fake, None))
    assert found["support-a/node/files/etc/crio/crio.conf.d/20-pykubeadm.conf"] == "[crio.runtime]\n"
    assert found["support-a/node/files/etc/containerd/config.toml"] == "version = 3\n"
    assert {"support-a/node/logs/containerd.log", "support-a/node/logs/crio.log"} < set(found)


def test_objects_without_what_users_put_into_them() -> None:
    api = FakeApi()
    spec = {"nodeName": "w", "containers": [{"name": "c", "image": "i:1", "args": ["--x"]}]}
    metadata = {"name": "p", "namespace": "x", "annotations": {"note": "mine"}}
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}})
    pod = texts(packed(None, api))["support-a/cluster/pod.yaml"]
    assert "nodeName: w" in pod
    assert "c: i:1" in pod
    assert "mine" not in pod
    assert "--x" not in pod


def test_a_dead_cluster_is_noted_and_the_node_packed() -> None:
    api = FakeApi(failures=[ApiUnreachableError("no answer from https://a:6443")])
    found = packed(node(), api)
    assert found.missing[0] == "the cluster: no answer from https://a:6443"
    names = texts(found)
    assert "support-a/node/logs/kubelet.log" in names
    assert not [name for name in names if "/cluster/" in name]
    assert "no answer from https://a:6443" in names["support-a/missing.txt"]


def test_what_cannot_be_had_is_noted() -> None:
    def refuses() -> str:
        raise NodeError("permission denied")

    found = packed(None, None, Item("a.txt", refuses), Item("b.txt", lambda: "b"))
    assert found.missing == ("a.txt: permission denied",)
    assert [path for path, _ in found.held] == ["b.txt", "missing.txt"]


def test_it_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_MOST", 1000)
    monkeypatch.setattr(command, "_MOST_OF_ONE", 600)
    items = [Item(f"{number}.txt", lambda: "words\n" * 8000) for number in range(2)]
    found = packed(None, None, *items, Item("small.txt", lambda: "b"))
    assert found.missing == ("1.txt: the archive is full",)
    assert found.held == (("0.txt", 600), ("small.txt", 1), ("missing.txt", len("1.txt: the archive is full\n")))


def secret(name: str, value: bytes, kind: str = "Opaque") -> dict[str, object]:
    data = {"key": base64.b64encode(value).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "x"}, "type": kind, "data": data}


def test_large_secrets_take_little_more_room_than_themselves() -> None:
    api, large = FakeApi(), 400_000
    for number in range(3):
        api.put(secret(f"s{number}", b"%08d" % number + b"x" * large))
    api.put(secret("small", b"a word that is secret"))
    report = Item("a.txt", lambda: "it said a word that is secret, and more")
    tracemalloc.start()
    try:
        found = packed(None, api, report)
        assert tracemalloc.get_traced_memory()[1] < 30 * large
    finally:
        tracemalloc.stop()
    assert texts(found)["support-a/a.txt"] == "it said [removed], and more"


def test_more_secrets_than_can_be_looked_for_leave_the_cluster_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_MOST", 2 << 20)
    api = FakeApi()
    api.put(secret("release", b"x" * (3 << 20), "helm.sh/release.v1"))  # is not looked for
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    assert "support-a/cluster/namespace.yaml" in texts(packed(None, api))
    api.put(secret("large", b"x" * (3 << 20)))
    found = packed(None, api)
    assert found.missing == ("the cluster: its Secrets have more than 2 MiB, too much to look for in everything else",)
    assert not [name for name in texts(found) if "/cluster/" in name]


def test_logs_are_cut_between_lines() -> None:
    """A token of which only the end is left does not look like one."""
    most, token, secret = 256 * 1024, "abcdef.0123456789abcdef\n", "0123456789abcdef"
    long = token + "x" * 99 + "\n" * (most - 99 - len(token) + 5)
    fake = node()
    fake.commands |= {"journalctl": completed(long), "ip": completed(long), "tail": completed(long[: most + 1])}
    fake.put("/etc/hosts", long)
    found = texts(packed(fake, None))
    for name in ("logs/kubelet.log", "network.txt", "files/etc/hosts", "logs/pods/kube-system_etcd-a_1/etcd/10.log"):
        assert "x" * 99 in found[f"support-a/node/{name}"]
        assert secret not in found[f"support-a/node/{name}"]


def test_logs_of_containers_begin_a_day_ago() -> None:
    now = datetime.now(UTC)
    old, new = (f"{now - timedelta(hours=ago):%Y-%m-%dT%H:%M:%S.5Z} stderr F said {ago}\n" for ago in (25, 23))
    fake = node()
    fake.commands["tail"] = completed(f"{old}{new}and what has no time\n")
    found = texts(packed(fake, None))
    assert found["support-a/node/logs/pods/kube-system_etcd-a_1/etcd/10.log"] == f"{new}and what has no time\n"
