"""Programs that hand over credentials, as a kubeconfig may name one."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, authorization
from pykubeadm.kube.exec_plugin import with_plugin

V1 = "client.authentication.k8s.io/v1"


def credentials(folder: Path, script: str, **settings: Any) -> Credentials:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    plugin = {"apiVersion": V1, "command": "./plugin", **settings}
    cluster = {"server": "https://cp1:6443"}
    return Credentials("https://cp1:6443", str(folder / "config"), b"ca", user={"exec": plugin}, cluster=cluster)


def answer(**status: str) -> str:
    return "echo '" + json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status}) + "'"


def refusal(found: Credentials) -> str:
    with pytest.raises(ApiError) as caught:
        with_plugin(found)
    return str(caught.value)


def test_its_token_is_sent(tmp_path: Path) -> None:
    found = with_plugin(credentials(tmp_path, answer(token="abc")))
    assert authorization(found) == {"Authorization": "Bearer abc"}


def test_its_certificate_is_shown(tmp_path: Path) -> None:
    found = with_plugin(credentials(tmp_path, answer(clientCertificateData="cert", clientKeyData="key")))
    assert (found.certificate, found.key) == (b"cert", b"key")
    assert authorization(found) == {}


def test_it_gets_its_arguments_its_environment_and_the_cluster(tmp_path: Path) -> None:
    found = credentials(
        tmp_path,
        f'echo "$1 $REGION $KUBERNETES_EXEC_INFO" > {tmp_path}/seen\n{answer(token="abc")}',
        args=["get-token"],
        env=[{"name": "REGION", "value": "north"}],
        provideClusterInfo=True,
        interactiveMode="Never",
    )
    with_plugin(found)
    first, region, info = (tmp_path / "seen").read_text().split(None, 2)
    assert (first, region) == ("get-token", "north")
    assert json.loads(info) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://cp1:6443", "certificate-authority-data": "Y2E="}},
    }


def test_the_cluster_is_described_with_its_ca_its_proxy_and_its_extension(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"from a file")
    found = credentials(
        tmp_path, f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/seen\n{answer(token="abc")}', provideClusterInfo=True
    )
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "nodes"}}
    cluster = {"server": "https://cp1:6443", "proxy-url": "http://proxy:3128", "extensions": [extension]}
    with_plugin(replace(found, ca=b"", ca_path=str(tmp_path / "ca.crt"), cluster=cluster))
    assert json.loads((tmp_path / "seen").read_text())["spec"]["cluster"] == {
        "server": "https://cp1:6443",
        "proxy-url": "http://proxy:3128",
        "certificate-authority-data": base64.b64encode(b"from a file").decode(),
        "config": {"audience": "nodes"},
    }


@pytest.mark.parametrize(
    ("script", "settings", "why"),
    [
        ("exit 3", {}, "it ended with status 3"),
        ("echo no", {}, "its answer is not JSON"),
        (r"printf '\377'", {}, "its answer is not JSON"),
        ("", {"args": "get-token"}, "args is a list"),
        (answer().replace("status", "state"), {}, "its answer is not an ExecCredential with a status"),
        (answer(), {}, "its answer holds neither a token nor a certificate with its key"),
        (answer(clientCertificateData="cert"), {}, "its answer holds neither a token nor a certificate with its key"),
        (answer(token="a").replace("/v1", "/v1beta1"), {}, f"it answers in client.authentication.k8s.io/v1beta1, not in {V1}"),
        ("", {"apiVersion": "v0"}, 'its apiVersion is "v0", not one of client.authentication.k8s.io/v1, client'),
        ("", {"command": "no-such-program", "installHint": "Install it."}, "it is not installed\nInstall it."),
        ("", {"command": ["a"]}, "its entry needs apiVersion, command and, in each of env, name and value"),
        ("", {"command": None}, "its entry needs apiVersion, command and, in each of env, name and value"),
        ("", {"env": [{"name": "A"}]}, "its entry needs apiVersion, command and, in each of env, name and value"),
        ("", {"interactiveMode": "Always"}, "it needs to ask its user, and there is no terminal"),
    ],
)
def test_who_gives_no_credentials_is_named(tmp_path: Path, script: str, settings: dict[str, str], why: str) -> None:
    said = refusal(credentials(tmp_path, script, **settings))
    assert why in said
    assert f"that {tmp_path}/config names gives no credentials: " in said
