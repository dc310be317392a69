"""Secrets planted everywhere are nowhere in the archive."""

from __future__ import annotations

import base64
import gzip
import json
import string
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pykubeadm.commands.support.command import pack
from pykubeadm.commands.support.item import Item
from pykubeadm.util.redact import Redactor
from tests.support.api import FakeApi
from tests.support.node import FakeNode, completed

AT = datetime(2026, 5, 1, tzinfo=UTC)
_WORD = string.ascii_letters + string.digits
passwords = st.text(_WORD + "!#%^*~.-_", min_size=8, max_size=40).filter(
    lambda text: text.strip(".-_") == text and not text.isdigit()
)
bootstrap_tokens = st.from_regex(r"[a-z0-9]{6}\.[a-z0-9]{16}", fullmatch=True)
hex_keys = st.binary(min_size=32, max_size=32).map(bytes.hex)
aes_keys = st.binary(min_size=32, max_size=32).map(lambda key: base64.b64encode(key).decode())
jwts = st.tuples(st.binary(min_size=20, max_size=40), st.binary(min_size=20, max_size=60)).map(
    lambda parts: "eyJhbGciOiJSUzI1NiJ9." + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
)
pems = st.binary(min_size=60, max_size=200).map(
    lambda body: f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(body).decode()}-----END EC PRIVATE KEY-----\n"
)
# Where a password stands, it is because something says so.
_SAID = (
    "password: {}",
    'password = "{}"',
    '{{"password": "{}"}}',
    "DB_PASSWORD={}",
    "--token={}",
    '--client-secret "{}"',
    "    - name: DB_PASSWORD\n      value: {}",
    "{{name: API_TOKEN, value: {}}}",
    "Authorization: Bearer {}",
    "https://user:{}@registry.example.org/v2/",
    "HTTPS_PROXY=http://user:{}@proxy:3128",
    'level=error msg="login failed" passwd={} user=x',
    "auth: {}",
    "DB_PASS={}",
    "bgp_peerpass: '{}'",
    "- name: bgp_peerpass\n  value: {}",
    '{{"name": "DB_PASS", "value": "{}"}}',
    "curl --password {} https://a",
    "- --password\n- {}",
    '["--password", "{}"]',
    "password: |\n  {}",
    "users:\n- password: >-\n    {}\n    and more\n  name: x",
    "- name: DB_PASSWORD\n  value: |\n    {}",
    "password: my own {} it is",
    'password = """\n{}\n"""',
    "https://user:a/{}@registry.example.org/v2/",
    "https://user:a@{}@registry.example.org/v2/",
    "https://user:8/{}@registry.example.org/v2/",
    "curl -u admin:{} https://a",
    "curl --user 'admin:{}' https://a",
    "sshpass -p {} ssh root@a",
    "login with pwd={} failed",
    "TOKEN_FLAGS=--token {} --verbose",
    '{{"key": "DB_PASSWORD", "value": "{}"}}',
    "apiVersion: v1\nitems:\n- data:\n    db: {}\n  kind: Secret\n  metadata: {{}}",
    "apiVersion: v1\nkind: Secret\nstringData:\n  db: |\n    two\n    {}\n  other: x",
    '{{"apiVersion": "v1", "data": {{"a": "b", "db": "{}"}}, "kind": "Secret"}}',
    'note: |\n  {{\\"kind\\":\\"Secret\\",\\"stringData\\":{{\\"db\\":\\"{}\\"}}}}',
    'msg="{{\\"password\\": \\"{}\\", \\"port\\": 1}}"',
    "x" * 300 + "_password_" + "y" * 300 + ": {}",
)


@given(passwords, st.sampled_from(_SAID))
def test_what_is_said_to_be_a_password_is_removed(secret: str, said: str) -> None:
    assume(secret not in said)  # hypothesis takes words of this file, too
    text = f"before\n{said.format(secret)}\nafter"
    cleaned = Redactor([], b"salt")(text)
    assert secret not in cleaned
    assert cleaned.startswith("before\n")
    assert cleaned.endswith("after")


@given(st.one_of(bootstrap_tokens, hex_keys, jwts, pems), st.sampled_from(["{}", "said {} there", '"{}"', "x={}", "/{}", "_{}"]))
def test_what_looks_like_a_key_or_token_is_removed(secret: str, said: str) -> None:
    cleaned = Redactor([], b"salt")(said.format(secret))
    assert secret.strip() not in cleaned
    assert secret.rpartition(".")[2].strip() not in cleaned


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "github_pat_11AAAAAAA0_abcdefghijklmnop",
        "glpat-abcdefghij0123456789",
        "hvs.CAESIJ0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        base64.b64encode(b"admin:hunter22").decode(),
        base64.b64encode(bytes.fromhex("00a1b2c3d4e5f60718293a4b5c6d7e8f")).decode(),
        "$apr1$x1y2z3$QxPZ7vhs0dgvDLHqcwmYC/",
        "$6$salt$0123456789abcdefABCDEF./",
    ],
)
def test_what_its_issuer_or_its_form_gives_away_is_removed(secret: str) -> None:
    assert Redactor([], b"salt")(f"X-Sent {secret} and more") == "X-Sent [removed] and more"


@pytest.mark.parametrize(
    "line",
    [
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "enable-bootstrap-token-auth: true",
        "image: registry.k8s.io/pause@sha256:" + "ab12" * 16,
        "/var/lib/kubelet/pods/1b2c/volumes/kubernetes.io~projected/kube-api-access",
        "staticPodPath: /etc/kubernetes/manifests",
        "tokenTTL: 24h",
        "node w is not ready: container runtime network not ready",
        "https://registry.example.org:5000/pause@sha256:" + "ab12" * 16,
        "bypass: true",
        "kubeadm join 10.0.0.1:6443 --token abcdef.[removed] --discovery-token-ca-cert-hash sha256:" + "ab12" * 16,
        '{"name": "cluster-signing-key-file", "value": ""}',
        "data: |\n  Corefile of ours",
        "PWD=/var/lib/kubelet",
        "curl -u https://a",
        "docker run --user 1000:1000 --name kubernetes12 abcd1234",
        "users:\n- password: |\n    [removed]\n  name: x",
        'msg="{\\"token\\": \\"[removed]\\", \\"port\\": 1} and more"',
        "kind: ConfigMap\ndata:\n  mode: nftables",
        "volumes:\n- secret: {}\n  kind: SecretList\n  data: x",
        "kind: Secret\nmetadata:\n  name: registry\ntype: Opaque",
        "https://example.com/@someone and more@example.com",
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert Redactor([], b"salt")(line) == line


def test_json_stays_json() -> None:
    text = json.dumps({"password": 'a"b c', "token": "abc", "n": 1})
    assert json.loads(Redactor([], b"")(text)) == {"password": "[removed]", "token": "[removed]", "n": 1}


def test_the_same_id_keeps_the_same_name_within_an_archive_alone() -> None:
    line = f"container {'0a' * 32} and {'0a' * 32}"
    first, other = Redactor([], b"1")(line), Redactor([], b"2")(line)
    assert first != other
    assert first.split()[1] == first.split()[3]


def node_with(secret: str) -> FakeNode:
    node = FakeNode()
    node.put("/etc/kubernetes/pki/ca.key", f"-----BEGIN EC PRIVATE KEY-----\n{secret}\n-----END EC PRIVATE KEY-----\n")
    node.put("/etc/kubernetes/admin.conf", f"users: [{{name: a, user: {{token: '{secret}'}}}}]\n")
    node.put("/etc/kubernetes/manifests/web.yaml", f"# a comment with {secret}\nspec: {{containers: []}}\n")
    node.put("/etc/containerd/config.toml", f'[auth]\npassword = "{secret}"\n')
    node.put("/etc/cni/net.d/10-x.conflist", f'{{"note": "{secret}"}}')
    node.put("/var/log/pods/kube-system_etcd-a_1/etcd/0.log")
    for command in ("journalctl", "tail", "systemctl", "ip"):
        node.commands[command] = completed(f"it said {secret} and {base64.b64encode(secret.encode()).decode()}")
    return node


def cluster_with(secret: str) -> FakeApi:
    api = FakeApi()
    data = {"key": base64.b64encode(secret.encode()).decode()}
    api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x"}, "data": data})
    api.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
            "data": {"Corefile": secret},
        }
    )
    env = [{"name": "A", "value": secret}]
    pod = {"containers": [{"name": "c", "image": "i", "env": env, "args": [secret]}]}
    metadata = {"name": "p", "namespace": "x", "annotations": {"a": secret}}
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod, "status": {"message": f"died of {secret}"}})
    about = {"kind": "Pod", "name": "p"}
    api.put({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "message": f"no {secret}", "involvedObject": about})
    return api


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.one_of(passwords, aes_keys, hex_keys, bootstrap_tokens))
def test_secrets_of_node_and_cluster_are_nowhere_in_the_archive(secret: str) -> None:
    packed = pack(
        node_with(secret),
        cluster_with(secret),
        lambda: iter([Item("doctor.json", lambda: f"found {secret}")]),
        name="n",
        socket="unix:///run/x.sock",
        at=AT,
    )
    plain = gzip.decompress(packed.archive)
    assume(not any(secret in path for path, _ in packed.held))  # such as "kube-sys"
    assert secret.encode() not in plain
    assert base64.b64encode(secret.encode()) not in plain
    assert b"it said [removed]" in plain
    assert not [path for path, _ in packed.held if path.endswith((".key", "admin.conf"))]
