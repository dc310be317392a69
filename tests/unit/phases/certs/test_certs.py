from __future__ import annotations

import json
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from pykubeadm.config.model import APIServer, Etcd, ExternalEtcd
from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.journal import PATH as JOURNAL
from pykubeadm.node.port import File
from pykubeadm.node.recording import RecordingNode, render
from pykubeadm.phases.certs.keys import begin_keys, begin_keys_like, order_keys
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.pki.check import is_for_key, is_signed_by, load_certificates
from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keypool import KeyPool
from pykubeadm.pki.keys import encode_private_key, generate_key, load_private_key
from pykubeadm.pki.sans import names_of
from pykubeadm.pki.table import TABLE, Usage
from pykubeadm.workflow.phase import Phase
from tests.support.authorities import put_authority
from tests.support.init_runs import NOW, certified, configuration, init_run, perform, warnings
from tests.support.join_runs import joining
from tests.support.node import FakeNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.commands.init.run import InitRun
    from pykubeadm.node.port import Directory

PKI = "/etc/kubernetes/pki"


def only(name: str) -> Phase[InitRun]:
    return next(phase for phase in certs.phases if phase.name == name)


def made() -> FakeNode:
    """A node with everything that certs and kubeconfig write."""
    return certified()


def contents(node: FakeNode) -> dict[str, bytes]:
    """Of all files but the journal."""
    files = {path: file for path, file in node.files.items() if not path.startswith(STATE_DIR)}
    return {path: file.content for path, file in files.items() if isinstance(file, File)}


def assert_healthy(node: FakeNode) -> None:
    for entry in TABLE:
        certificate = load_certificates(contents(node)[f"{PKI}/{entry.base}.crt"])[0]
        signer = next(other for other in TABLE if other.name == (entry.signer or entry.name))
        assert is_signed_by(certificate, [], load_certificates(contents(node)[f"{PKI}/{signer.base}.crt"])[0]), entry.name
        assert is_for_key(certificate, load_private_key(contents(node)[f"{PKI}/{entry.base}.key"])), entry.name
    assert perform(init_run(node)[0], certs, kubeconfig) == []


def test_all_files_with_kubeadms_modes() -> None:
    node = FakeNode()
    changes = perform(init_run(node)[0], certs)
    names = [f"{entry.base}.{ending}" for entry in TABLE for ending in ("crt", "key")]
    assert sorted(contents(node)) == sorted(f"{PKI}/{name}" for name in [*names, "sa.key", "sa.pub"])
    for path in contents(node):
        file = node.files[path]
        assert isinstance(file, File)
        assert file.mode == (0o644 if path.endswith(".crt") else 0o600), path
        assert file.secret is path.endswith(".key"), path
    assert len(changes) == 11
    assert_healthy(made())


def test_a_second_run_changes_nothing() -> None:
    node = made()
    before = contents(node)
    run, events = init_run(node)
    assert perform(run, certs, kubeconfig) == []
    assert contents(node) == before
    assert warnings(events) == []


class PowerCutError(Exception):
    pass


class FailingNode(FakeNode):
    """Loses its power before the write number `allowed`, also in the midst of a batch."""

    allowed = 0

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        for file in files:
            if not file.path.startswith(STATE_DIR):
                if self.allowed == 0:
                    raise PowerCutError
                self.allowed -= 1
            super().write([file])
        return tuple(file.path for file in files)


@pytest.mark.parametrize("allowed", range(27))
def test_cut_off_at_any_write_the_next_run_ends_well_and_keeps_what_is_there(allowed: int) -> None:
    broken = FailingNode()
    broken.allowed = allowed
    with pytest.raises(PowerCutError):
        perform(init_run(broken)[0], certs, kubeconfig)
    node = FakeNode(files=dict(broken.files))
    perform(init_run(node)[0], certs, kubeconfig)
    assert len(contents(node)) == 27
    assert contents(broken).items() <= contents(node).items()
    assert_healthy(node)


def test_an_existing_authority_is_used() -> None:
    old = made()
    node = FakeNode()
    for name in (
        "ca.crt",
        "ca.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "etcd/ca.crt",
        "etcd/ca.key",
        "sa.key",
        "sa.pub",
    ):
        node.files[f"{PKI}/{name}"] = old.files[f"{PKI}/{name}"]
    perform(init_run(node)[0], certs, kubeconfig)
    assert contents(node)[f"{PKI}/ca.key"] == contents(old)[f"{PKI}/ca.key"]
    assert contents(node)[f"{PKI}/apiserver.key"] != contents(old)[f"{PKI}/apiserver.key"]
    assert_healthy(node)


def test_a_certificate_without_a_wanted_name_is_an_error_that_names_it() -> None:
    node = made()
    before = contents(node)
    config = configuration(api_server=APIServer(cert_sans=("new.example.com", "10.9.9.9")))
    with pytest.raises(
        PhaseError, match=r"apiserver\.crt does not name new\.example\.com, 10\.9\.9\.9 .*move .*crt and .*key away to"
    ):
        perform(init_run(node, config)[0], certs)
    assert contents(node) == before


def test_several_faults_of_a_certificate_are_reported_at_once() -> None:
    node, stranger = made(), certified(cluster=2)
    authority = Authority(
        load_certificates(contents(stranger)[f"{PKI}/ca.crt"])[0], load_private_key(contents(stranger)[f"{PKI}/ca.key"])
    )
    day = timedelta(days=1)
    wrong = issue_leaf(
        Subject("x", NOW - 2 * day, NOW - day, usages=(Usage.CLIENT_AUTH,)), generate_key("").public_key(), authority
    )
    node.put(f"{PKI}/apiserver.crt", encode_certificate(wrong))
    with pytest.raises(PhaseError) as raised:
        perform(init_run(node)[0], only("apiserver"))
    for part in ("is not signed by", "expired on 2026-03-03", "does not belong to", "usage serverAuth", "does not name cp1"):
        assert part in str(raised.value)


def test_a_certificate_with_an_intermediate_and_more_names_is_good() -> None:
    node = made()
    files = contents(node)
    authority = Authority(load_certificates(files[f"{PKI}/ca.crt"])[0], load_private_key(files[f"{PKI}/ca.key"]))
    names = names_of(["*.example.com", "10.96.0.1", "10.0.0.9"], dns=("cp1", "kubernetes", "kubernetes.default"))
    more = names_of(["other.test"], dns=(*names.dns, "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"))
    subject = Subject("mine", NOW, NOW + timedelta(days=9), usages=tuple(Usage), names=type(names)(dns=more.dns, ips=names.ips))
    key = load_private_key(files[f"{PKI}/apiserver.key"])
    node.put(f"{PKI}/apiserver.crt", encode_certificate(issue_leaf(subject, key.public_key(), authority)))
    config = configuration(api_server=APIServer(cert_sans=("api.example.com",)))
    assert perform(init_run(node, config)[0], only("apiserver")) == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_certificate_whose_key_is_lost_is_left(ours: bool) -> None:
    node = made()
    if not ours:
        node.remove([STATE_DIR])
    node.remove([f"{PKI}/apiserver.key"])
    before = contents(node)
    with pytest.raises(PhaseError, match=r"apiserver\.crt is there without its key .*apiserver\.key: put the key there, or move"):
        perform(init_run(node)[0], certs)
    assert contents(node) == before


def users_certificate(node: FakeNode, subject: Subject) -> None:
    """Have a certificate and key of the API server there that this tool did not make."""
    files = contents(node)
    authority = Authority(load_certificates(files[f"{PKI}/ca.crt"])[0], load_private_key(files[f"{PKI}/ca.key"]))
    key = generate_key("ECDSA-P256")
    node.put(f"{PKI}/apiserver.crt", encode_certificate(issue_leaf(subject, key.public_key(), authority)))
    node.put(f"{PKI}/apiserver.key", encode_private_key(key))
    state = json.loads(node.text(JOURNAL))
    state["files"] = {path: digest for path, digest in state["files"].items() if "apiserver." not in path}
    node.put(JOURNAL, json.dumps(state))


def test_a_certificate_of_the_users_without_all_names_is_used_with_a_warning() -> None:
    node = made()
    names = names_of(["10.0.0.9"], dns=("kubernetes",))
    users_certificate(node, Subject("mine", NOW, NOW + timedelta(days=9), usages=(Usage.SERVER_AUTH,), names=names))
    before = contents(node)
    run, events = init_run(node)
    assert perform(run, certs) == []
    assert contents(node) == before
    [text] = warnings(events)
    assert text.startswith(f"{PKI}/apiserver.crt, which this tool did not make, does not name cp1, kubernetes.default, ")
    assert text.endswith("10.96.0.1 among its subject alternative names; it is used all the same")


def test_a_certificate_of_the_users_that_is_not_valid_yet_is_refused() -> None:
    node = made()
    users_certificate(node, Subject("mine", NOW + timedelta(days=1), NOW + timedelta(days=9), usages=(Usage.SERVER_AUTH,)))
    with pytest.raises(PhaseError, match=r"apiserver\.crt is not valid before"):
        perform(init_run(node)[0], certs)


def test_what_was_made_while_the_clock_was_ahead_is_made_again_in_one_run() -> None:
    node = FakeNode()
    ahead, _ = init_run(node)
    ahead.now = lambda: NOW + timedelta(days=3)
    perform(ahead, certs, kubeconfig)
    before = contents(node)
    run, events = init_run(node)
    changes = perform(run, certs, kubeconfig)
    assert len(changes) == 10 + 5
    assert all("again" in change for change in changes)
    assert warnings(events) == []
    assert f"{PKI}/apiserver.crt" in run.journal.remade()
    assert_healthy(node)
    for name in ("ca.key", "apiserver.key", "sa.key"):
        assert contents(node)[f"{PKI}/{name}"] == before[f"{PKI}/{name}"]


def test_a_joining_control_plane_makes_no_authority_again() -> None:
    node = FakeNode()
    ahead, _ = init_run(node)
    ahead.now = lambda: NOW + timedelta(days=3)
    perform(ahead, only("ca"))
    run = joining(node, control_plane="10.0.0.9")
    run.now = lambda: NOW
    with pytest.raises(PhaseError, match=r"ca\.crt is not valid before .*: set the clock"):
        only("ca").check(run)  # type: ignore[misc, arg-type] # it has one, for any run


def test_a_lost_certificate_of_the_authority_is_the_one_that_kubeconfigs_trust() -> None:
    node = made()
    before = contents(node)
    node.remove([f"{PKI}/ca.crt"])
    assert perform(init_run(node)[0], certs, kubeconfig) == [f"restored {PKI}/ca.crt from /etc/kubernetes/admin.conf"]
    assert contents(node) == before


@pytest.mark.parametrize("name", ["front-proxy-ca", "etcd/ca"])
def test_a_lost_certificate_of_another_authority_is_made_again_for_its_key(name: str) -> None:
    node = made()
    before = contents(node)
    node.remove([f"{PKI}/{name}.crt"])
    assert perform(init_run(node)[0], certs) == [f"made the certificate authority {PKI}/{name}.crt"]
    assert_healthy(node)
    node.put(f"{PKI}/{name}.crt", before[f"{PKI}/{name}.crt"])
    assert_healthy(node)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("ca.crt", b"rubbish", "ca.crt holds no certificate"),
        ("ca.key", b"rubbish", "ca.key holds no private key"),
        ("apiserver.crt", b"", "apiserver.crt holds no certificate"),
        ("apiserver.key", b"rubbish", "apiserver.key holds no private key"),
        ("sa.key", b"rubbish", "sa.key holds no private key"),
        ("sa.pub", b"rubbish", "sa.pub holds no public key"),
    ],
)
def test_files_that_cannot_be_read_are_named_with_what_to_do(name: str, content: bytes, sentence: str) -> None:
    node = made()
    node.put(f"{PKI}/{name}", content)
    with pytest.raises(PhaseError, match=f"{sentence}.*; (put the right one there|move it away)"):
        perform(init_run(node)[0], certs)
    assert contents(node)[f"{PKI}/{name}"] == content


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ca", r"ca.crt does not belong to /etc/kubernetes/pki/ca.key \(/etc/kubernetes/pki/ca.key was changed since"),
        ("sa", r"sa.pub does not hold the public half of .*sa.key \(/etc/kubernetes/pki/sa.key was changed since"),
    ],
)
def test_a_key_that_belongs_to_another_is_reported(name: str, sentence: str) -> None:
    node = made()
    node.put(f"{PKI}/{name}.key", encode_private_key(generate_key("ECDSA-P256")))
    with pytest.raises(PhaseError, match=sentence):
        perform(init_run(node)[0], only(name))


def test_a_leaf_is_no_authority() -> None:
    node = made()
    node.files[f"{PKI}/ca.crt"] = node.files[f"{PKI}/apiserver.crt"]
    with pytest.raises(PhaseError, match="cannot be used as a certificate authority: its basic constraints"):
        perform(init_run(node)[0], only("ca"))


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        (3651, r"^/etc/kubernetes/pki/ca\.crt expired on 2036-03-01 05:06:07 UTC, .*: the CA itself has to be replaced$"),
        (-3, r"^/etc/kubernetes/pki/ca\.crt is not valid before 2026-03-04 05:01:07 UTC, .*: set the clock, which says 2026-"),
    ],
)
@pytest.mark.parametrize(
    ("step", "missing"), [("ca", JOURNAL), ("ca", f"{PKI}/ca.key"), ("apiserver", JOURNAL), ("apiserver", f"{PKI}/apiserver.crt")]
)
def test_nothing_is_made_for_an_authority_that_nobody_would_accept(step: str, missing: str, days: int, sentence: str) -> None:
    """Nor used: kubeadm refuses a certificate of that authority, too, but issues a new one."""
    node = made()
    node.remove([JOURNAL, missing])  # somebody else made them
    before = contents(node)
    run, _ = init_run(node)
    run.now = lambda: NOW + timedelta(days=days)
    with pytest.raises(PhaseError, match=sentence):
        perform(run, only(step))
    assert contents(node) == before


def test_an_authority_with_a_critical_extension_that_nobody_knows_is_refused() -> None:
    node = FakeNode()
    put_authority(node, "front-proxy-ca", (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True))
    with pytest.raises(PhaseError, match=r"front-proxy-ca\.crt cannot be used as .* a critical extension .* \(1\.2\.3\.4\)$"):
        perform(init_run(node)[0], only("front-proxy-ca"))


INSIDE = x509.NameConstraints([x509.IPAddress(ip_network("10.0.0.0/8"))], None)


def test_nothing_is_issued_that_the_authoritys_constraints_exclude() -> None:
    node = FakeNode()
    put_authority(node, "ca", (INSIDE, True))
    put_authority(node, "etcd/ca", (INSIDE, True))
    perform(init_run(node)[0], *(only(name) for name in ("ca", "apiserver", "apiserver-kubelet-client", "etcd-ca")))
    before = contents(node)
    with pytest.raises(
        PhaseError, match=r"etcd/server\.crt would be accepted by nobody: .* its CA .*etcd/ca\.crt exclude 127\.0\.0\.1, ::1; use"
    ):
        perform(init_run(node)[0], only("etcd-server"))
    assert contents(node) == before
    more = configuration(api_server=APIServer(cert_sans=("192.0.2.1",)))
    node.remove([f"{PKI}/apiserver.crt"])
    with pytest.raises(PhaseError, match=r"apiserver\.crt would be accepted by nobody: .* exclude 192\.0\.2\.1; use"):
        perform(init_run(node, more)[0], only("apiserver"))


def test_a_certificate_of_the_users_that_its_authority_may_not_sign_is_refused() -> None:
    node = FakeNode()
    authority = put_authority(node, "ca", (INSIDE, True))
    perform(init_run(node)[0], only("apiserver"))
    names = names_of(["10.96.0.1", "10.0.0.9", "192.0.2.1"], dns=("cp1", "kubernetes"))
    key = load_private_key(contents(node)[f"{PKI}/apiserver.key"])
    subject = Subject("mine", NOW, NOW + timedelta(days=9), usages=(Usage.SERVER_AUTH,), names=names)
    node.put(f"{PKI}/apiserver.crt", encode_certificate(issue_leaf(subject, key.public_key(), authority)))
    node.remove([f"{PKI}/ca.key", JOURNAL])
    with pytest.raises(PhaseError, match=r"apiserver\.crt is for 192\.0\.2\.1, which .*ca\.crt excludes"):
        perform(init_run(node)[0], only("apiserver"))


def test_a_leaf_alone_needs_its_authority() -> None:
    with pytest.raises(PhaseError, match=r"ca\.crt does not exist; .*init phase certs ca"):
        perform(init_run(FakeNode())[0], only("apiserver"))


def test_the_service_accounts_public_key_is_derived_again() -> None:
    node = made()
    before = contents(node)
    node.remove([f"{PKI}/sa.pub"])
    assert perform(init_run(node)[0], only("sa")) == [f"wrote {PKI}/sa.pub"]
    assert contents(node) == before
    node.remove([f"{PKI}/sa.key"])
    with pytest.raises(PhaseError, match=r"sa\.pub is there but .*sa\.key, which signs .* is not; put it"):
        perform(init_run(node)[0], only("sa"))


def test_an_external_etcd_brings_its_own_certificates() -> None:
    etcd = Etcd(external=ExternalEtcd(endpoints=("https://e:2379",), ca_file="/e/ca", cert_file="/e/crt", key_file="/e/key"))
    node = FakeNode()
    perform(init_run(node, configuration(etcd=etcd))[0], certs)
    assert not [path for path in node.files if "etcd" in path]


def test_another_directory() -> None:
    node = FakeNode()
    perform(init_run(node, configuration(certificates_dir="/opt/pki/"))[0], certs, kubeconfig)
    assert {path.split("/")[1] for path in contents(node)} == {"opt", "etc"}
    assert "/opt/pki/etcd/server.key" in node.files


def test_a_name_that_is_none_is_warned_of() -> None:
    run, events = init_run(FakeNode(), configuration(api_server=APIServer(cert_sans=("not_a_name",))))
    perform(run, certs)
    assert [text for text in warnings(events) if "'not_a_name'" in text and "apiserver.crt" in text]


def test_an_external_authority_needs_nothing_where_all_is_there() -> None:
    node = made()
    for name in ("ca", "front-proxy-ca", "etcd/ca"):
        node.remove([f"{PKI}/{name}.key"])
    before = contents(node)
    assert perform(init_run(node)[0], certs, kubeconfig) == []
    assert contents(node) == before


def test_every_file_that_an_external_authority_does_not_bring_is_named() -> None:
    node = made()
    missing = [
        f"{PKI}/apiserver.key",
        f"{PKI}/apiserver-kubelet-client.crt",
        "/etc/kubernetes/admin.conf",
        "/etc/kubernetes/kubelet.conf",
    ]
    node.remove([f"{PKI}/ca.key", *missing])
    before = contents(node)
    with pytest.raises(PhaseError) as raised:
        perform(init_run(node)[0], certs)
    assert [path for path in missing if f"{path} does not exist" not in str(raised.value)] == []
    assert contents(node) == before


def test_other_external_authorities_likewise() -> None:
    node = made()
    node.remove([f"{PKI}/front-proxy-ca.key", f"{PKI}/front-proxy-client.crt", f"{PKI}/etcd/ca.key", f"{PKI}/etcd/peer.key"])
    with pytest.raises(PhaseError, match=r"front-proxy-client\.crt does not exist"):
        perform(init_run(node)[0], only("front-proxy-ca"))
    with pytest.raises(PhaseError, match=r"etcd/peer\.key does not exist"):
        perform(init_run(node)[0], only("etcd-ca"))


def test_certificates_cannot_be_shared_without_the_authoritys_key() -> None:
    node = made()
    node.remove([f"{PKI}/ca.key"])
    with pytest.raises(PhaseError, match=r"--upload-certs needs ca\.key"):
        perform(init_run(node, upload_certs=True)[0], certs)


def test_keys_are_ordered_for_what_is_missing_only() -> None:
    class Counter:
        ordered = 0

        def order(self, count: int) -> None:
            self.ordered += count

    every = [f"certs/{phase.name}" for phase in certs.phases] + [f"kubeconfig/{phase.name}" for phase in kubeconfig.phases]

    def ordered(node: FakeNode, paths: list[str]) -> int:
        run, _ = init_run(node)
        run._keys = counter = Counter()  # type: ignore[assignment]  # counts instead of making keys
        order_keys(run, paths)
        return counter.ordered

    assert ordered(FakeNode(), every) == 16
    assert ordered(FakeNode(), ["certs/ca", "certs/apiserver", "preflight"]) == 2
    node = made()
    assert ordered(node, every) == 0
    node.remove([f"{PKI}/apiserver.key", "/etc/kubernetes/admin.conf"])
    assert ordered(node, every) == 2
    node.remove([f"{PKI}/ca.key"])
    assert ordered(node, every) == 0


def test_a_dry_run_goes_through_and_leaves_the_node_as_it_was() -> None:
    node = FakeNode()
    recording = RecordingNode(node)
    assert len(perform(init_run(recording)[0], certs, kubeconfig)) == 16
    assert node.files == {}
    shown = render(recording.entries)
    assert f"{PKI}/ca.key" in shown
    assert "PRIVATE KEY" not in shown
    assert "client-key-data: L" not in shown


@pytest.mark.parametrize(
    ("config", "begun"),
    [
        (b"", ["RSA-2048", 2]),
        (b"clusterName: prod", ["RSA-2048", 2]),
        (b"kind: X\nencryptionAlgorithm: RSA-3072 # as ever\n", ["RSA-3072", 2]),
        (b"encryptionAlgorithm: ECDSA-P256\n#encryptionAlgorithm: RSA-4096", []),
        (b"encryptionAlgorithm: RSA-20481", []),
        (b"featureGates: {PublicKeysECDSA: true}", []),
    ],
)
def test_keys_are_begun_where_the_configuration_seems_to_ask_for_rsa(
    config: bytes, begun: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered: list[object] = []
    monkeypatch.setattr(KeyPool, "order", lambda pool, count: ordered.extend([pool.algorithm, count]))
    begin_keys(FakeNode(), ["certs/ca", "kubeconfig/admin", "etcd/local"], config)
    assert ordered == begun


@pytest.mark.parametrize("algorithm", ["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256"])
def test_keys_of_the_kind_that_is_there_are_begun(monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    ordered: list[int] = []
    monkeypatch.setattr(KeyPool, "order", lambda _pool, count: ordered.append(count))
    pool = begin_keys_like(encode_private_key(generate_key(algorithm)), 11)
    if algorithm.startswith("RSA"):
        assert pool is not None
        assert (pool.algorithm, ordered) == (algorithm, [11])
    else:
        assert (pool, ordered) == (None, [])


@pytest.mark.parametrize(
    "key", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN RSA PRIVATE KEY-----" + 9000 * b"A"]
)
def test_other_keys_are_no_guess(key: bytes) -> None:
    assert begin_keys_like(key, 11) is None
