"""crictl's answers, and what is said where there is none."""

from __future__ import annotations

import json

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri, CrictlMissingError, Sandbox
from tests.support.node import FakeNode, completed

SOCKET = "unix:///var/run/containerd/containerd.sock"
OPTIONS = f"--timeout 10s --runtime-endpoint {SOCKET} --image-endpoint {SOCKET}"


def crictl(**answers: object) -> FakeNode:
    """A node whose crictl answers each sub-command with JSON or text."""
    return FakeNode(
        commands={
            f"crictl {OPTIONS} {command}": completed(answer if isinstance(answer, str) else json.dumps(answer))
            for command, answer in answers.items()
        }
    )


def test_containers() -> None:
    entry = {
        "id": "4f1c",
        "podSandboxId": "77aa",
        "metadata": {"name": "etcd", "attempt": 3},
        "state": "CONTAINER_EXITED",
        "createdAt": "1763676000000000000",
        "labels": {"io.kubernetes.pod.name": "etcd-cp1", "io.kubernetes.pod.namespace": "kube-system"},
    }
    (found,) = Cri(crictl(ps={"containers": [entry]}), SOCKET).containers()
    assert (found.name, found.pod, found.namespace, found.state, found.attempt) == (
        "etcd",
        "etcd-cp1",
        "kube-system",
        "exited",
        3,
    )


def test_no_containers() -> None:
    assert Cri(crictl(ps={}), SOCKET).containers() == ()


def test_images_by_every_name() -> None:
    image = {"repoTags": ["registry.k8s.io/pause:3.10.2"], "repoDigests": ["registry.k8s.io/pause@sha256:00"]}
    assert Cri(crictl(images={"images": [image]}), SOCKET).images() == {
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/pause@sha256:00",
    }


def test_version_and_cgroup_driver() -> None:
    text = "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  v2.1.9\nRuntimeApiVersion:  v1\n"
    cri = Cri(crictl(version=text, **{"runtime-config": "cgroup driver:   SYSTEMD\n"}), SOCKET)
    assert (cri.version().name, cri.version().version) == ("containerd", "v2.1.9")
    assert cri.cgroup_driver() == "systemd"


def test_a_runtime_that_does_not_tell_its_cgroup_driver() -> None:
    node = FakeNode(commands={"crictl": completed(status=1, stderr="unknown method RuntimeConfig")})
    assert Cri(node, SOCKET).cgroup_driver() is None


def test_no_crictl_anywhere() -> None:
    with pytest.raises(CrictlMissingError, match="there is no crictl"):
        Cri(FakeNode(), SOCKET).containers()


def test_crictl_outside_of_path() -> None:
    node = FakeNode(commands={"/opt/bin/crictl": completed('{"containers": []}')})
    node.put("/opt/bin/crictl", mode=0o755)
    assert Cri(node, SOCKET).containers() == ()


@pytest.mark.parametrize(
    "said",
    [
        "level=warning msg=default\nlevel=fatal msg=connection refused\n",
        'time="2026-11-27T01:00:00Z" level=error msg="connection refused"\n',
        'time="2026-11-27T01:00:00+01:00" level=fatal msg="connection refused"\n',
        'time=2026-11-27T01:00:00Z level=fatal msg="connection refused"\ntime=2026 level=debug msg="bye"\n',
        "E1127 01:00:00.123456    4242 remote_runtime.go:633] connection refused\n",
        "FATA[0002] connection refused\n",
        "connection refused\n",
    ],
)
def test_the_runtimes_last_word_is_reported_without_its_frame(said: str) -> None:
    node = FakeNode(commands={"crictl": completed(status=1, stderr=said)})
    with pytest.raises(NodeError, match=r"could not list containers: connection refused$"):
        Cri(node, SOCKET).containers()


def test_quotes_in_the_runtimes_last_word_are_its_own() -> None:
    said = r'time="2026-11-27T01:00:00Z" level=fatal msg="pull \"a\": rpc error: code = Unknown desc = no \\ such host"'
    node = FakeNode(commands={"crictl": completed(status=1, stderr=said)})
    with pytest.raises(NodeError) as error:
        Cri(node, SOCKET).containers()
    assert str(error.value).endswith(r'pull "a": rpc error: code = Unknown desc = no \ such host')


def test_pods_of_a_kubelet_are_told_from_others() -> None:
    node = FakeNode()
    labels = {"io.kubernetes.pod.uid": "u1", "io.kubernetes.pod.name": "etcd-cp1", "io.kubernetes.pod.namespace": "kube-system"}
    etcd = {
        "id": "1",
        "metadata": {"name": "etcd-cp1", "namespace": "kube-system"},
        "labels": labels,
        "annotations": {"kubernetes.io/config.source": "file"},
        "state": "SANDBOX_READY",
    }
    guest = {"id": "2", "metadata": {"name": "guest", "namespace": "default"}, "state": "SANDBOX_NOTREADY"}
    node.commands["crictl"] = completed(json.dumps({"items": [etcd, guest]}))
    assert Cri(node).sandboxes() == (
        Sandbox("1", "etcd-cp1", "kube-system", of_kubelet=True, static=True, ready=True),
        Sandbox("2", "guest", "default", of_kubelet=False, static=False, ready=False),
    )
    node.commands["crictl"] = completed('{"items": null}')
    assert Cri(node).sandboxes() == ()


def test_pods_are_removed_at_once() -> None:
    node = FakeNode()
    node.commands["crictl"] = completed("", 1, 'time="x" level=fatal msg="network plugin: no route to the API"')
    with pytest.raises(NodeError, match="could not remove the pods a/x, a/y: network plugin: no route to the API"):
        Cri(node).remove_sandboxes([Sandbox("1", "x", "a"), Sandbox("2", "y", "a")])
    assert node.ran[-1].argv[-4:] == ("rmp", "--force", "1", "2")
