from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
import yaml
from cryptography import x509

from pykubeadm.config.model import APIServer, Etcd, ExternalEtcd
from pykubeadm.errors import PhaseError
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import File
from pykubeadm.phases.certs.leaves import LEAVES
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.certs.renew import renew, require_renewable, why_not
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.pki.check import is_for_key, is_signed_by, load_certificates
from pykubeadm.pki.issue import Subject, encode_certificate, issue_ca
from pykubeadm.pki.keys import encode_private_key, generate_key, load_private_key
from pykubeadm.pki.renewal import algorithm_of, names_of_certificate
from tests.support.authorities import authority_with
from tests.support.init_runs import NOW, certified, configuration, init_run, perform, warnings
from tests.support.node import FakeNode

PKI = "/etc/kubernetes/pki"
BY_NAME = {leaf.name: leaf for leaf in LEAVES}
LATER = NOW + timedelta(days=200)


def made(**cluster) -> FakeNode:
    return certified(configuration(**cluster))


def later(node, days: int = 200, **cluster):
    run, _ = init_run(node, configuration(**cluster), now=lambda: NOW + timedelta(days=days))
    run.node = JournaledNode(node, run.journal)
    return run


def certificate(node: FakeNode, name: str):
    return load_certificates(node.text(f"{PKI}/{name}.crt").encode())[0]


def user_of(node: FakeNode, file: str) -> dict[str, str]:
    user: dict[str, str] = yaml.safe_load(node.text(f"/etc/kubernetes/{file}"))["users"][0]["user"]
    return user


def of_kubeconfig(node: FakeNode, file: str):
    return load_certificates(base64.b64decode(user_of(node, file)["client-certificate-data"]))[0]


@pytest.fixture
def node() -> FakeNode:
    return made()


def test_every_certificate_is_renewed_with_a_new_key_and_is_otherwise_as_before(node: FakeNode) -> None:
    for leaf in LEAVES:
        kubeconfig_file = leaf.name.endswith(".conf")
        before = of_kubeconfig(node, leaf.name) if kubeconfig_file else certificate(node, leaf.spec.base)
        changes = renew(later(node), leaf)
        after = of_kubeconfig(node, leaf.name) if kubeconfig_file else certificate(node, leaf.spec.base)
        assert changes == [f"{leaf.words} renewed"]
        assert after.subject == before.subject
        assert names_of_certificate(after) == names_of_certificate(before)
        assert [extension.value for extension in after.extensions] == [extension.value for extension in before.extensions]
        assert after.public_key() != before.public_key()
        assert after.not_valid_after_utc == LATER + timedelta(days=365)
        assert after.not_valid_before_utc == LATER - timedelta(minutes=5)
        key = (
            base64.b64decode(user_of(node, leaf.name)["client-key-data"])
            if kubeconfig_file
            else node.text(f"{PKI}/{leaf.spec.base}.key").encode()
        )
        assert is_for_key(after, load_private_key(key))
        ca = {"ca": "ca", "etcd-ca": "etcd/ca", "front-proxy-ca": "front-proxy-ca"}[leaf.ca]
        assert is_signed_by(after, [], certificate(node, ca))


def test_names_that_the_configuration_wants_by_now_are_added_and_others_stay() -> None:
    node = made(api_server=APIServer(cert_sans=("old.example.org",)))
    changes = renew(later(node, api_server=APIServer(cert_sans=("new.example.org", "192.0.2.7"))), BY_NAME["apiserver"])
    names = names_of_certificate(certificate(node, "apiserver"))
    assert {"old.example.org", "new.example.org", "kubernetes"} <= set(names.dns)
    assert "192.0.2.7" in map(str, names.ips)
    assert changes == ["certificate for serving the Kubernetes API renewed, now for new.example.org, 192.0.2.7 too"]


def test_names_that_the_authority_excludes_are_not_added() -> None:
    node = FakeNode()
    constraints = x509.NameConstraints(None, [x509.IPAddress(ip_network("192.0.2.0/24"))])
    authority = authority_with((constraints, True))
    node.put(f"{PKI}/ca.crt", encode_certificate(authority.certificate))
    node.put(f"{PKI}/ca.key", encode_private_key(authority.key))
    perform(init_run(node)[0], certs)
    require_renewable(later(node), [BY_NAME["apiserver"]], as_before=False)
    more = later(node, api_server=APIServer(cert_sans=("192.0.2.7", "198.51.100.7")))
    with pytest.raises(PhaseError, match=r"apiserver\.crt would be accepted by nobody: .*ca\.crt exclude 192\.0\.2\.7; use a CA"):
        require_renewable(more, [BY_NAME["apiserver"]], as_before=False)
    require_renewable(more, [BY_NAME["apiserver"]], as_before=True)


def test_without_the_configuration_no_names_are_added_and_period_and_algorithm_stay() -> None:
    node = made(certificate_validity_period=timedelta(hours=100))
    run = later(node, encryption_algorithm="RSA-2048", api_server=APIServer(cert_sans=("new.example.org",)))
    for name in ("apiserver", "etcd-peer"):
        renew(run, BY_NAME[name], as_before=True)
    after = certificate(node, "apiserver")
    assert "new.example.org" not in names_of_certificate(after).dns
    assert after.not_valid_after_utc == LATER + timedelta(hours=100)
    assert algorithm_of(after) == algorithm_of(certificate(node, "etcd/peer")) == "ECDSA-P256"


def test_a_kubeconfig_that_was_backdated_to_its_ca_does_not_get_the_ca_s_age_added(node: FakeNode) -> None:
    perform(later(node, 3000), kubeconfig)  # nothing: all are there
    node.remove(["/etc/kubernetes/scheduler.conf"])
    perform(later(node, 300), kubeconfig)
    renew(later(node, 400), BY_NAME["scheduler.conf"], as_before=True)
    assert of_kubeconfig(node, "scheduler.conf").not_valid_after_utc == NOW + timedelta(days=400 + 365)


def test_owner_and_mode_of_the_files_stay(node: FakeNode) -> None:
    key = node.files[f"{PKI}/apiserver.key"]
    assert isinstance(key, File)
    node.files[f"{PKI}/apiserver.key"] = replace(key, mode=0o640, uid=2000, gid=2001)
    renew(later(node), BY_NAME["apiserver"])
    stat = node.stat(f"{PKI}/apiserver.key")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid) == (0o640, 2000, 2001)


def test_the_trust_bundle_and_all_else_in_a_kubeconfig_stay(node: FakeNode) -> None:
    other = encode_certificate(issue_ca(Subject("next", NOW, NOW + timedelta(days=9)), generate_key("ECDSA-P256")))
    bundle = node.text(f"{PKI}/ca.crt").encode() + other
    document = yaml.safe_load(node.text("/etc/kubernetes/admin.conf"))
    document["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(bundle).decode()
    document["contexts"].append({"name": "mine", "context": {"cluster": "kubernetes", "user": "me", "namespace": "web"}})
    document["users"].append({"name": "me", "user": {"token": "t"}})
    node.put("/etc/kubernetes/admin.conf", yaml.safe_dump(document), 0o600)
    renew(later(node), BY_NAME["admin.conf"])
    after = yaml.safe_load(node.text("/etc/kubernetes/admin.conf"))
    assert after["users"][0]["user"] != document["users"][0]["user"]
    after["users"][0] = document["users"][0]
    assert after == document


def test_a_kubeconfig_that_does_not_trust_the_ca_that_signs_now_gets_the_whole_bundle(node: FakeNode) -> None:
    stranger = encode_certificate(issue_ca(Subject("gone", NOW, NOW + timedelta(days=9)), generate_key("ECDSA-P256")))
    document = yaml.safe_load(node.text("/etc/kubernetes/scheduler.conf"))
    document["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(stranger).decode()
    node.put("/etc/kubernetes/scheduler.conf", yaml.safe_dump(document), 0o600)
    bundle = node.text(f"{PKI}/ca.crt") + stranger.decode()
    node.put(f"{PKI}/ca.crt", bundle)
    renew(later(node), BY_NAME["scheduler.conf"])
    cluster = yaml.safe_load(node.text("/etc/kubernetes/scheduler.conf"))["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == bundle


def test_copies_of_admin_conf_are_refreshed_with_their_owner_and_other_files_are_left_alone(node: FakeNode) -> None:
    node.put(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\njane:x:1000:1000::/home/jane:/bin/sh\njoe:x:1001:1001::/home/joe:/bin/sh\n",
    )
    copied = File("/home/jane/.kube/config", node.text("/etc/kubernetes/admin.conf").encode(), 0o600, 1000, 1000, secret=True)
    node.write([copied])
    node.put("/home/joe/.kube/config", "another cluster's", 0o600)
    changes = renew(later(node), BY_NAME["admin.conf"])
    assert changes[1:] == ["refreshed /home/jane/.kube/config, a copy of /etc/kubernetes/admin.conf"]
    assert node.files["/home/jane/.kube/config"] == replace(copied, content=node.text("/etc/kubernetes/admin.conf").encode())
    assert node.text("/home/joe/.kube/config") == "another cluster's"


def test_in_the_last_year_of_a_ca_certificates_end_with_it_and_that_is_said(node: FakeNode) -> None:
    run, events = init_run(node, configuration(), now=lambda: NOW + timedelta(days=3650 - 10))
    require_renewable(run, [BY_NAME["apiserver"], BY_NAME["admin.conf"], BY_NAME["etcd-peer"]], as_before=False)
    ends = f"{NOW + timedelta(days=3650):%Y-%m-%d}"
    assert warnings(events) == [
        f"{PKI}/{ca}.crt ends on {ends}, and with it what it signs now ({names}): replace the CA before that day, with `pykubeadm"
        " certs rotate-ca`"
        for ca, names in (("ca", "apiserver, admin.conf"), ("etcd/ca", "etcd-peer"))
    ]
    renew(run, BY_NAME["apiserver"])
    after = certificate(node, "apiserver")
    assert after.not_valid_after_utc == certificate(node, "ca").not_valid_after_utc
    renew(run, BY_NAME["etcd-peer"], as_before=True)
    assert certificate(node, "etcd/peer").not_valid_after_utc == certificate(node, "etcd/ca").not_valid_after_utc


def test_what_ends_before_its_ca_needs_no_warning(node: FakeNode) -> None:
    run, events = init_run(
        node, configuration(certificate_validity_period=timedelta(hours=239)), now=lambda: NOW + timedelta(days=3640)
    )
    require_renewable(run, [BY_NAME["apiserver"]], as_before=False)
    assert warnings(events) == []


def test_a_ca_that_is_not_valid_signs_nothing(node: FakeNode) -> None:
    with pytest.raises(PhaseError, match=r"ca.crt expired on 2036-.*the CA itself has to be replaced"):
        require_renewable(later(node, days=3651), [BY_NAME["apiserver"]], as_before=False)
    with pytest.raises(PhaseError, match=r"ca.crt is not valid before .*: set the clock, which says 20"):
        require_renewable(later(node, days=-9), [BY_NAME["apiserver"]], as_before=False)


@pytest.mark.parametrize("name", ["apiserver", "admin.conf", "front-proxy-client"])
def test_a_ca_of_another_cluster_signs_nothing(name: str) -> None:
    node, other = made(), certified(configuration(), cluster=2)
    base = BY_NAME[name].ca
    for ending in ("crt", "key"):
        node.put(f"{PKI}/{base}.{ending}", other.text(f"{PKI}/{base}.{ending}"))
    with pytest.raises(
        PhaseError, match=rf"{base}.crt signed none of the certificates on this node .*{name}.*nothing was changed"
    ):
        require_renewable(later(node), [BY_NAME[name]], as_before=False)


def test_a_ca_that_was_replaced_by_hand_signs_while_the_former_is_in_its_file() -> None:
    node, other = made(), certified(configuration(), cluster=2)
    node.put(f"{PKI}/ca.crt", other.text(f"{PKI}/ca.crt") + node.text(f"{PKI}/ca.crt"))
    node.put(f"{PKI}/ca.key", other.text(f"{PKI}/ca.key"))
    run, events = init_run(node, configuration(), now=lambda: LATER)
    require_renewable(run, [BY_NAME["apiserver"], BY_NAME["admin.conf"]], as_before=False)
    assert warnings(events) == []


def test_one_that_another_ca_signed_is_replaced_with_a_warning() -> None:
    node, other = made(), certified(configuration(), cluster=2)
    node.put(f"{PKI}/apiserver.crt", other.text(f"{PKI}/apiserver.crt"))
    run, events = init_run(node, configuration(), now=lambda: LATER)
    require_renewable(run, [BY_NAME["admin.conf"]], as_before=False)
    assert warnings(events) == []
    require_renewable(run, [BY_NAME["apiserver"], BY_NAME["admin.conf"]], as_before=False)
    assert warnings(events) == [f"{PKI}/ca.crt did not sign apiserver, which gets a certificate of this CA now"]


def test_all_that_cannot_be_renewed_is_named(node: FakeNode) -> None:
    node.put(f"{PKI}/apiserver.crt", "garbage")
    node.put("/etc/kubernetes/scheduler.conf", "users: []")
    with pytest.raises(PhaseError) as caught:
        require_renewable(later(node), [leaf for leaf in LEAVES if leaf.ca == "ca"], as_before=False)
    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == [
        f"{PKI}/apiserver.crt",
        "/etc/kubernetes/scheduler.conf",
    ]


def test_kubeadms_words_for_what_is_missing_and_for_external_cas(node: FakeNode) -> None:
    node.remove([f"{PKI}/apiserver.crt", f"{PKI}/etcd/ca.key", f"{PKI}/front-proxy-ca.key"])
    run = later(node)
    assert why_not(run, BY_NAME["apiserver"]) == "MISSING! certificate for serving the Kubernetes API"
    words = "certificate for etcd nodes to communicate with each other"
    assert why_not(run, BY_NAME["etcd-peer"]) == f"Detected external etcd/ca, {words} can't be renewed"
    words = "certificate for the front proxy client"
    assert why_not(run, BY_NAME["front-proxy-client"]) == f"Detected external front-proxy-ca, {words} can't be renewed"
    assert why_not(run, BY_NAME["admin.conf"]) is None


def test_an_external_etcd_brings_its_own() -> None:
    config = configuration(etcd=Etcd(external=ExternalEtcd(endpoints=("https://10.0.0.8:2379",))))
    wanted = [leaf.name for leaf in LEAVES if leaf.is_wanted(config)]
    assert wanted == [
        "admin.conf", "apiserver", "apiserver-kubelet-client", "controller-manager.conf",
        "front-proxy-client", "scheduler.conf", "super-admin.conf",
    ]  # fmt: skip


def test_what_has_expired_or_does_not_fit_its_key_is_renewed_all_the_same(node: FakeNode) -> None:
    node.put(f"{PKI}/apiserver.key", node.text(f"{PKI}/front-proxy-client.key"), 0o600)  # a run was cut off between the two
    renew(later(node, 1000), BY_NAME["apiserver"])
    assert is_for_key(certificate(node, "apiserver"), load_private_key(node.text(f"{PKI}/apiserver.key").encode()))
    assert certificate(node, "apiserver").not_valid_after_utc == NOW + timedelta(days=1365)
