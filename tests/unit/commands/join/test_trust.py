"""Whom a joining node trusts: discovery files, and what they need to be used for TLS bootstrap."""

import base64
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml

from pykubeadm.commands.join import trust
from pykubeadm.config.model import Discovery, FileDiscovery, JoinConfiguration
from pykubeadm.discovery.cluster_info import Cluster
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.util.yaml_output import to_yaml
from tests.support.node import FakeNode

PATH = "/root/discovery.conf"
TOKEN = "abcdef.0123456789abcdef"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def discover(
    document: object, monkeypatch, *, token: str = "", node: FakeNode | None = None, refreshed: bytes = b"", named: str = PATH
) -> trust.Trust:
    node = node or FakeNode()
    node.put(PATH, document if isinstance(document, str) else to_yaml(document))
    monkeypatch.setattr(trust, "refresh_from_file", lambda cluster, **_options: replace(cluster, ca=cluster.ca or refreshed))
    join = JoinConfiguration(discovery=Discovery(file=FileDiscovery(kube_config_path=named), tls_bootstrap_token=token))
    return trust.discover(
        join, node, now=lambda: datetime.now(UTC), report=lambda _reason: None, say=lambda _level, _message: None
    )


CLUSTER = {"server": "https://api:6443", "certificate-authority-data": encoded("CA")}


def test_the_files_own_credentials_are_taken(monkeypatch):
    found = discover(for_cluster("x", CLUSTER, "joiner", {"token": "secret"}), monkeypatch)
    assert (found.user_name, found.user, found.ca) == ("joiner", {"token": "secret"}, b"CA")


def test_a_bootstrap_token_takes_their_place(monkeypatch):
    found = discover(for_cluster("x", CLUSTER, "joiner", {"token": "secret"}), monkeypatch, token=TOKEN)
    assert (found.user_name, found.user) == ("tls-bootstrap-token-user", {"token": TOKEN})


def test_without_either_it_says_what_is_missing(monkeypatch):
    with pytest.raises(PhaseError, match="no credentials for the kubelet to begin with: give --tls-bootstrap-token"):
        discover({"kind": "Config", "clusters": [{"name": "", "cluster": CLUSTER}]}, monkeypatch)


def test_cluster_info_itself_is_a_discovery_file(monkeypatch):
    """It has one cluster, no context, and nobody's credentials."""
    document = {
        "kind": "Config",
        "clusters": [{"name": "", "cluster": CLUSTER}],
        "contexts": None,
        "users": None,
        "current-context": "",
    }
    assert discover(document, monkeypatch, token=TOKEN).cluster["server"] == "https://api:6443"


def test_a_ca_that_is_missing_in_the_file_comes_from_cluster_info(monkeypatch):
    document = for_cluster("x", {"server": "https://api:6443"}, "joiner", {"token": "secret"})
    assert discover(document, monkeypatch, refreshed=b"FROM CLUSTER").ca == b"FROM CLUSTER"


def test_a_cluster_s_settings_reach_who_looks_and_the_kubelet(monkeypatch):
    looked = []
    monkeypatch.setattr(
        trust, "refresh_from_file", lambda cluster, **_options: looked.append(cluster) or replace(cluster, ca=b"CA")
    )
    cluster = {
        "server": "HTTPS://api:6443",
        "insecure-skip-tls-verify": True,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://p",
    }
    node = FakeNode()
    node.put(PATH, to_yaml(for_cluster("x", cluster, "joiner", {"token": "secret"})))
    said = []
    join = JoinConfiguration(discovery=Discovery(file=FileDiscovery(kube_config_path=PATH)))
    found = trust.discover(join, node, now=lambda: datetime.now(UTC), report=print, say=lambda *words: said.append(words))
    assert looked == [Cluster("https://api:6443", b"", insecure=True, server_name="kubernetes", proxy="http://p")]
    assert found.cluster == {
        "server": "https://api:6443",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://p",
        "certificate-authority-data": encoded("CA"),
    }
    assert said == [
        (
            "warning",
            f"{PATH} says insecure-skip-tls-verify: who answers at https://api:6443 is not checked before its CA is trusted",
        )
    ]


def test_files_that_it_refers_to_are_put_in(monkeypatch):
    node = FakeNode()
    for name in ("ca.crt", "tls.crt", "tls.key"):
        node.put(f"/root/{name}", name.upper())
    user = {"client-certificate": "/root/tls.crt", "client-key": "tls.key"}
    document = for_cluster("x", {"server": "https://api:6443", "certificate-authority": "ca.crt"}, "joiner", user)
    found = discover(document, monkeypatch, node=node)
    assert found.ca == b"CA.CRT"
    assert found.user == {"client-certificate-data": encoded("TLS.CRT"), "client-key-data": encoded("TLS.KEY")}


def test_its_path_may_begin_in_the_directory_of_the_command(monkeypatch):
    node = FakeNode()
    node.put("/root/ca.crt", "CA.CRT")
    document = for_cluster("x", {"server": "https://api:6443", "certificate-authority": "ca.crt"}, "joiner", {"token": "t"})
    assert discover(document, monkeypatch, node=node, named=os.path.relpath(PATH)).ca == b"CA.CRT"


def test_what_other_contexts_refer_to_need_not_be_there(monkeypatch):
    """It may be somebody's ~/.kube/config, copied here."""
    document = for_cluster("x", CLUSTER, "joiner", {"token": "secret"})
    document["users"].append({"name": "other", "user": {"client-certificate": "gone.crt", "tokenFile": "gone"}})
    assert discover(document, monkeypatch).user == {"token": "secret"}


def test_a_token_file_is_read(monkeypatch):
    node = FakeNode()
    node.put("/root/token", "secret\n")
    found = discover(for_cluster("x", CLUSTER, "joiner", {"tokenFile": "token"}), monkeypatch, node=node)
    assert found.user == {"token": "secret"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("- a list", "holds a list in place of a mapping"),
        ("{", "cannot be read"),
        (for_cluster("x", {"server": ""}, "u", {"token": "t"}), "names no server"),
        (for_cluster("x", {"server": "http://u:pw@api"}, "u", {}), 'names the server "http://api", which is not an https URL'),
        (for_cluster("x", {"server": "api:6443"}, "u", {"token": "t"}), 'names the server "api:6443", which is not an https URL'),
        (
            for_cluster("x", {**CLUSTER, "certificate-authority-data": "", "certificate-authority": "gone"}, "u", {}),
            "/root/gone, which does not exist",
        ),
        (for_cluster("x", CLUSTER, "u", {"client-certificate-data": encoded("C")}), "has a client certificate without its key"),
        (for_cluster("x", {**CLUSTER, "certificate-authority-data": "?"}, "u", {}), "that is not base64"),
        (for_cluster("x", {**CLUSTER, "insecure-skip-tls-verify": True}, "u", {"token": "t"}), "which exclude each other"),
        ({**for_cluster("x", CLUSTER, "u", {}), "current-context": "other"}, 'has no context "other"'),
    ],
)
def test_files_that_cannot_be_used_are_reported(monkeypatch, content, sentence):
    with pytest.raises(PhaseError, match=sentence) as error:
        discover(content, monkeypatch)
    assert str(error.value).startswith(PATH)


def test_the_bootstrap_kubeconfig_names_the_cluster_and_may_lead_elsewhere(monkeypatch):
    found = discover(for_cluster("x", CLUSTER, "joiner", {"token": "secret"}), monkeypatch, token=TOKEN)
    document = yaml.safe_load(found.kubeconfig("prod", "https://10.0.0.9:6443"))
    assert document["current-context"] == "tls-bootstrap-token-user@prod"
    assert document["clusters"] == [{"name": "prod", "cluster": {**CLUSTER, "server": "https://10.0.0.9:6443"}}]


def test_the_password_in_the_url_of_a_discovery_file_is_not_repeated(monkeypatch):
    url, asked, said = "https://someone:pa:ss@example.com/x", [], []
    document = to_yaml(for_cluster("x", {"server": "https://api:6443", "insecure-skip-tls-verify": True}, "u", {}))
    monkeypatch.setattr(trust, "download", lambda named, **_options: asked.append(named) or document.encode())
    monkeypatch.setattr(trust, "refresh_from_file", lambda cluster, **_options: replace(cluster, ca=b"CA"))
    join = JoinConfiguration(discovery=Discovery(file=FileDiscovery(kube_config_path=url)))
    options = {"now": lambda: datetime.now(UTC), "report": said.append, "say": lambda _level, message: said.append(message)}
    with pytest.raises(PhaseError) as refused:
        trust.discover(join, FakeNode(), **options)
    assert asked == [url]
    assert [text.startswith("https://example.com/x ") for text in (*said, str(refused.value))] == [True, True]

    def fails(_url, **_options):
        raise OSError("no route")

    monkeypatch.setattr(trust, "download", fails)
    with pytest.raises(ApiError, match=r"^the discovery file https://example.com/x cannot be downloaded: no route$"):
        trust.discover(join, FakeNode(), **options)
