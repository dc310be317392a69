from __future__ import annotations

import json

import pytest

from pykubeadm.phases.certs.place import Place, place_by_manifest
from tests.support.node import FakeNode


def node(*flags: str, etcd: bool = False) -> FakeNode:
    found = FakeNode()
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "kube-apiserver", "command": ["kube-apiserver", *flags]}]}}
    found.put("/etc/kubernetes/manifests/kube-apiserver.yaml", json.dumps(pod))
    if etcd:
        found.put("/etc/kubernetes/manifests/etcd.yaml", "{}")
    return found


LOCAL, FOREIGN = "--etcd-servers=https://127.0.0.1:2379", "--etcd-servers=https://192.0.2.8:2379,https://192.0.2.9:2379"


@pytest.mark.parametrize(
    ("flags", "directory"),
    [
        (("--client-ca-file=/srv/pki/ca.crt",), "/srv/pki"),
        (("--client-ca-file=/srv/bundle.crt", "--tls-cert-file=/srv/pki/apiserver.crt"), "/srv/pki"),
        (("--client-ca-file=ca.crt", "--proxy-client-cert-file=/srv/pki/front-proxy-client.crt"), "/srv/pki"),
    ],
)
def test_the_directory_is_that_of_the_api_servers_files(flags: tuple[str, ...], directory: str) -> None:
    assert place_by_manifest(node(*flags, LOCAL)) == Place(directory)


def test_what_a_manifest_does_not_say_is_not_guessed() -> None:
    assert place_by_manifest(FakeNode()) is None
    assert place_by_manifest(node("--client-ca-file=/srv/bundle.crt")) is None
    damaged = FakeNode()
    damaged.put("/etc/kubernetes/manifests/kube-apiserver.yaml", "spec: {containers: [{command: 3}]}")
    assert place_by_manifest(damaged) is None


@pytest.mark.parametrize(
    ("flag", "etcd", "external"), [(LOCAL, True, 0), (LOCAL, False, 0), (FOREIGN, True, 0), (FOREIGN, False, 2)]
)
def test_etcd_is_external_where_its_servers_are_elsewhere_and_none_runs_here(flag: str, *, etcd: bool, external: int) -> None:
    place = place_by_manifest(node("--client-ca-file=/etc/kubernetes/pki/ca.crt", flag, etcd=etcd))
    assert place is not None
    assert len(place.external_etcd) == external
