"""Encryption at rest: which steps are refused, on one control plane and on several, and what is written again."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import yaml

from pykubeadm.commands.reconfigure.encryption.check import encryption_check
from pykubeadm.commands.reconfigure.encryption.configuration import Encryption, parse_encryption, writer_of
from pykubeadm.commands.reconfigure.encryption.rewriting import encryption_phase
from pykubeadm.commands.reconfigure.phases import PHASES
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.showing import show
from pykubeadm.config.section import DocumentError
from pykubeadm.errors import PhaseError
from pykubeadm.phases.etcd.reach import Reached
from pykubeadm.workflow.events import Result
from pykubeadm.workflow.phase import steps
from tests.support.reconfigure_runs import cluster, document, file_of, perform, reconfigure_run, server_pod

PLACE = "/etc/kubernetes/enc"
SECRET = {"apiVersion": "v1", "kind": "Secret", "data": {"word": "eA=="}}


def text(*names: str, resources: tuple[str, ...] = ("secrets",), secret: str = "") -> str:
    """With these keys of aescbc in this order; "identity" is a provider of its own."""
    providers: list[dict[str, Any]] = []
    for name in names:
        key = base64.b64encode((secret or name).ljust(32, "-").encode()).decode()
        providers.append({"identity": {}} if name == "identity" else {"aescbc": {"keys": [{"name": name, "secret": key}]}})
    entries = [{"resources": list(resources), "providers": providers}]
    return yaml.safe_dump({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": entries})


class Etcd:
    """In place of `EtcdClient`: keys and values."""

    def __init__(self) -> None:
        self.all: dict[str, bytes] = {}

    def put(self, name: str, writer: str) -> None:
        prefix = f"k8s:enc:{writer.replace(':', ':v1:', 1)}:".encode() if ":" in writer else b""
        self.all[f"/registry/secrets/default/{name}"] = prefix + b"k8s\0content"

    def values(self, prefix: str) -> list[tuple[str, bytes]]:
        return [(key, value) for key, value in self.all.items() if key.startswith(prefix)]


class Made:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: str = "") -> None:
        self.monkeypatch, self.etcd = monkeypatch, Etcd()
        self.node, self.api = cluster(**({"api_server": _api_server(file)} if file else {}))
        monkeypatch.setattr("pykubeadm.phases.etcd.reach.reach", lambda _node, _config: Reached(self.etcd))  # type: ignore[arg-type]

    def put(self, name: str, content: str) -> None:
        self.node.put(f"{PLACE}/{name}", content, 0o600)

    def other(self, name: str, file: str = "") -> None:
        """Another control plane, whose API server has that file."""
        flags = (f"--encryption-provider-config={PLACE}/{file}",) if file else ()
        found = server_pod(self.node, name, *flags)
        if file:
            found["spec"]["volumes"].append({"name": "enc", "hostPath": {"path": PLACE}})
            found["spec"]["containers"][0]["volumeMounts"].append({"name": "enc", "mountPath": PLACE})
        self.api.put(found)

    def run(self, file: str = "") -> ReconfigureRun:
        source = file_of(document(apiServer=_server(file) if file else {}))
        return reconfigure_run(self.monkeypatch, self.node, self.api, source)[0]

    def said(self, file: str = "") -> str:
        run = self.run(file)
        return "\n".join(encryption_check(run).look(None).errors)  # type: ignore[arg-type]


def _server(file: str) -> dict[str, Any]:
    return {
        "extraArgs": [{"name": "encryption-provider-config", "value": f"{PLACE}/{file}"}],
        "extraVolumes": [{"name": "enc", "hostPath": PLACE, "mountPath": PLACE, "pathType": "Directory"}],
    }


def _api_server(file: str) -> Any:
    from pykubeadm.config.model import APIServer, Arg, HostPathMount

    return APIServer(
        extra_args=(Arg(name="encryption-provider-config", value=f"{PLACE}/{file}"),),
        extra_volumes=(HostPathMount(name="enc", host_path=PLACE, mount_path=PLACE, path_type="Directory"),),
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


@pytest.fixture
def encrypted(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Everything is written with the key "one"."""
    found = Made(monkeypatch, "1.yaml")
    found.put("1.yaml", text("one"))
    found.etcd.put("a", "aescbc:one")
    return found


def test_without_encryption_nothing_is_looked_at(made: Made) -> None:
    made.etcd.all["/registry/secrets/default/a"] = b"k8s:enc:whatever"
    assert made.said() == ""


def test_plain_text_has_to_stay_readable_when_it_is_switched_on(made: Made) -> None:
    made.etcd.put("a", "identity")
    made.put("1.yaml", text("one"))
    assert "1 of secrets in etcd are written with identity, which /etc/kubernetes/enc/1.yaml does not read" in made.said("1.yaml")
    made.put("1.yaml", text("one", "identity"))
    assert made.said("1.yaml") == ""


def test_on_several_control_planes_a_key_comes_second_first(made: Made) -> None:
    made.other("cp2")
    made.put("1.yaml", text("one", "identity"))
    said = made.said("1.yaml")
    assert "writes secrets with aescbc:one, which the API server of cp2 (without encryption) does not read yet" in said
    made.put("1.yaml", text("identity", "one"))
    assert made.said("1.yaml") == ""


def test_a_key_may_come_first_once_all_read_it(encrypted: Made) -> None:
    encrypted.put("2.yaml", text("one", "two"))
    encrypted.put("3.yaml", text("two", "one"))
    encrypted.other("cp2", "1.yaml")
    assert "the API server of cp2 (/etc/kubernetes/enc/1.yaml) does not read yet" in encrypted.said("3.yaml")
    encrypted.other("cp2", "2.yaml")
    assert encrypted.said("3.yaml") == ""


def test_a_key_stays_while_something_is_written_with_it(encrypted: Made) -> None:
    encrypted.put("3.yaml", text("two"))
    assert "1 of secrets in etcd are written with aescbc:one" in encrypted.said("3.yaml")
    encrypted.etcd.put("a", "aescbc:two")
    assert encrypted.said("3.yaml") == ""


def test_a_key_stays_while_another_control_plane_writes_with_it(encrypted: Made) -> None:
    encrypted.etcd.put("a", "aescbc:two")
    encrypted.put("2.yaml", text("one", "two"))
    encrypted.put("3.yaml", text("two"))
    encrypted.other("cp2", "2.yaml")
    assert (
        "the API server of cp2 (/etc/kubernetes/enc/2.yaml) writes secrets with aescbc:one, "
        "which /etc/kubernetes/enc/3.yaml does not read"
    ) in encrypted.said("3.yaml")


def test_switched_off_only_when_all_is_plain_text(encrypted: Made) -> None:
    assert "which an API server without encryption does not read" in encrypted.said()
    encrypted.etcd.put("a", "identity")
    assert encrypted.said() == ""


def test_a_new_secret_needs_a_new_name(encrypted: Made) -> None:
    encrypted.put("2.yaml", text("one", secret="other"))
    assert "aescbc:one has another secret in /etc/kubernetes/enc/2.yaml than in /etc/kubernetes/enc/1.yaml" in encrypted.said(
        "2.yaml"
    )


def test_a_file_that_the_other_api_server_reads_has_to_be_here(encrypted: Made) -> None:
    encrypted.other("cp2", "0.yaml")
    assert "/etc/kubernetes/enc/0.yaml does not exist on this node" in encrypted.said("1.yaml")


def test_what_is_not_written_so_yet_is_written_again(encrypted: Made) -> None:
    made = encrypted
    made.put("1.yaml", text("two", "one"))
    for name in ("a", "b"):
        made.etcd.put(name, "aescbc:one")
        made.api.put(SECRET | {"metadata": {"name": name, "namespace": "default"}})
    replace = made.api.replace

    def written(found: Any) -> Any:
        if found["kind"] == "Secret":
            made.etcd.put(found["metadata"]["name"], "aescbc:two")
        return replace(found)

    made.monkeypatch.setattr(made.api, "replace", written)
    assert perform(made.run("1.yaml"), encryption_phase) == ["wrote 2 secrets again, with aescbc:two"]
    assert perform(made.run("1.yaml"), encryption_phase) == []


def test_a_dry_run_says_what_would_be_written_again(encrypted: Made) -> None:
    made = encrypted
    made.put("2.yaml", text("two", "one"))
    source = file_of(document(apiServer=_server("2.yaml")))
    run, events = reconfigure_run(made.monkeypatch, made.node, made.api, source, dry_run=True)
    made.monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.run_preflight", lambda _run: None)
    made.monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.connect", lambda *_args, **_options: copy.deepcopy(made.api))
    show(run, tuple(steps(PHASES)))
    said = [event.text for event in events if isinstance(event, Result)]
    assert "1 of secrets: written again, by the last control plane" in said


def test_the_last_control_plane_writes_it_again(encrypted: Made) -> None:
    made = encrypted
    made.put("2.yaml", text("two", "one"))
    made.put("1.yaml", text("one", "two"))
    made.etcd.put("a", "aescbc:two")
    made.other("cp2", "2.yaml")
    run, events = reconfigure_run(made.monkeypatch, made.node, made.api)
    assert perform(run, encryption_phase) == []
    assert any("is written again by the last control plane: that of cp2 writes secrets" in str(event) for event in events)


def everything(made: Made, *resources: str) -> str:
    """What is refused when the key "one" goes from a file for these resources."""
    made.put("1.yaml", text("one", "identity", resources=resources))
    made.put("2.yaml", text("two", "identity", resources=resources))
    return made.said("2.yaml")


@pytest.mark.parametrize(
    ("resource", "key", "resources"),
    [
        ("secrets", "secrets/default/x", ("*.*",)),
        ("pods", "pods/default/x", ("*.",)),
        ("nodes", "minions/x", ("nodes",)),
        ("services", "services/specs/default/x", ("services",)),
        ("endpoints", "services/endpoints/default/x", ("*.",)),
        ("leases.coordination.k8s.io", "leases/kube-system/x", ("leases.coordination.k8s.io",)),
        ("deployments.apps", "deployments/default/x", ("*.apps",)),
        ("ingresses.networking.k8s.io", "ingress/default/x", ("*.networking.k8s.io",)),
        ("widgets.example.org", "example.org/widgets/default/x", ("widgets.example.org",)),
        ("widgets.example.org", "example.org/widgets/default/x", ("*.*",)),
        ("apiservices.apiregistration.k8s.io", "apiregistration.k8s.io/apiservices/x", ("*.*",)),
    ],
)
def test_a_key_stays_whatever_is_written_with_it(encrypted: Made, resource: str, key: str, resources: tuple[str, ...]) -> None:
    encrypted.etcd.all = {f"/registry/{key}": b"k8s:enc:aescbc:v1:one:..."}
    assert f"1 of {resource} in etcd are written with aescbc:one" in everything(encrypted, *resources)
    encrypted.etcd.all = {f"/registry/{key}": b"k8s:enc:aescbc:v1:two:..."}
    assert everything(encrypted, *resources) == ""


def test_what_is_no_longer_named_has_to_be_plain_text(encrypted: Made) -> None:
    encrypted.put("1.yaml", text("one", "identity", resources=("*.*",)))
    encrypted.put("2.yaml", text("one", "identity", resources=("secrets",)))
    encrypted.etcd.all["/registry/leases/kube-system/x"] = b"k8s:enc:aescbc:v1:one:..."
    assert "1 of leases.coordination.k8s.io in etcd are written with aescbc:one" in encrypted.said("2.yaml")
    encrypted.etcd.all["/registry/leases/kube-system/x"] = b"k8s\0..."
    assert encrypted.said("2.yaml") == ""


def test_what_api_servers_keep_of_themselves_is_never_encrypted(encrypted: Made) -> None:
    encrypted.put("1.yaml", text("one", resources=("*.*",)))
    encrypted.etcd.all = {f"/registry/{name}/x": b"k8s\0..." for name in ("masterleases", "peerserverleases", "ranges")}
    assert encrypted.said("1.yaml") == ""
    assert perform(encrypted.run("1.yaml"), encryption_phase) == []


def test_wildcards_of_one_group_say_nothing_of_another() -> None:
    found = parse_encryption(text("one", resources=("*.apps",)).encode())
    assert found.readers("deployments.apps") == ("aescbc:one",)
    assert found.readers("secrets") == ("identity",)
    assert parse_encryption(text("one", resources=("*.",)).encode()).readers("leases.coordination.k8s.io") == ("identity",)


def test_others_wait_for_what_the_cluster_shows(encrypted: Made) -> None:
    encrypted.api.put(server_pod(encrypted.node, "cp1", "--encryption-provider-config=/elsewhere.yaml"))
    with pytest.raises(PhaseError, match="the cluster to show Pod kube-apiserver-cp1"):
        perform(encrypted.run("1.yaml"), encryption_phase)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("kind: Secret\napiVersion: v1", "is not an EncryptionConfiguration of apiserver.config.k8s.io/v1"),
        (text("one").replace("aescbc", "rot13"), "has a provider that is rot13, and not one of"),
        (text("one").replace("secret: ", "secret: '!'#"), "that is not base64"),
        (
            text("one").replace("aescbc", "secretbox").replace(base64.b64encode(b"one".ljust(32, b"-")).decode(), "AAAA"),
            "3 bytes",
        ),
        (text(), "has resources without providers"),
        ("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration", "names no resources"),
    ],
)
def test_what_the_api_server_would_not_start_with(content: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as raised:
        parse_encryption(content.encode())
    assert "line" in str(raised.value)


def test_the_first_entry_that_names_a_resource_counts() -> None:
    found = parse_encryption(text("one", resources=("secrets", "*.*")).encode())
    assert found.readers("secrets") == ("aescbc:one",)
    assert found.readers("configmaps") == ("aescbc:one",)
    assert found.resources == {"secrets", "*.*"}
    assert parse_encryption(text("one", "identity").encode()).readers("configmaps") == ("identity",)


def test_no_secret_is_kept() -> None:
    key = base64.b64encode(b"one".ljust(32, b"-")).decode()
    assert key not in repr(parse_encryption(text("one").encode()))


@pytest.mark.parametrize(
    ("value", "writer"),
    [
        (b"k8s\0\n", "identity"),
        (b"", "identity"),
        (b"k8s:enc:aescbc:v1:key1:\1\2", "aescbc:key1"),
        (b"k8s:enc:kms:v2:vault:\n", "kms:vault"),
        (b"k8s:enc:", "unknown"),
    ],
)
def test_who_wrote_a_value_stands_before_it(value: bytes, writer: str) -> None:
    assert writer_of(value) == writer


def test_no_configuration_reads_plain_text() -> None:
    assert Encryption().readers("secrets") == ("identity",)
