"""Credentials that a program hands over, as a kubeconfig's user entry may want it (KEP-541, client.authentication.k8s.io)."""

from __future__ import annotations

import base64
import json
import os
import posixpath
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_TIMEOUT = 120.0  # seconds; a program may wait for its user
# What it gets to know of the cluster (client-go: pkg/apis/clientauthentication/v1/types.go), besides the CA and the extension.
_OF_CLUSTER = ("server", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
_EXTENSION = "client.authentication.k8s.io/exec"


def with_plugin(credentials: Credentials) -> Credentials:
    """The credentials with the token or the key and certificate of the kubeconfig's program, which is run once. What it writes to
    standard error goes to ours. ApiError where it gives no credentials."""
    plugin = credentials.user["exec"]
    command = plugin.get("command") if isinstance(plugin, Mapping) else plugin
    try:
        argv, asked, variables, interactive = _prepared(plugin, credentials)
        return _merged(credentials, _answer(argv, asked, variables, interactive=interactive))
    except FileNotFoundError as error:
        hint = plugin.get("installHint")
        why = "it is not installed" + (f"\n{hint.strip()}" if isinstance(hint, str) else "")
        raise ApiError(f"the program {command} that {credentials.path} names gives no credentials: {why}") from error
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ApiError(f"the program {command} that {credentials.path} names gives no credentials: {_why(error)}") from error


def _prepared(plugin: Any, credentials: Credentials) -> tuple[list[str], dict[str, Any], dict[str, str], bool]:
    """Its command line, what it is asked (an ExecCredential), its own environment variables, and whether it may ask its user.
    ValueError with what is missing in the kubeconfig."""
    try:
        version, command = plugin["apiVersion"], plugin["command"]
        if not isinstance(command, str) or not command:
            raise TypeError  # noqa: TRY301 - one sentence for all that may be wrong with it
        if "/" in command:  # a bare name is looked for in PATH
            command = posixpath.join(posixpath.dirname(os.path.abspath(credentials.path)), command)
        variables = {str(entry["name"]): str(entry["value"]) for entry in plugin.get("env") or ()}
        if not isinstance(plugin.get("args") or [], list):
            raise TypeError  # noqa: TRY301
        arguments = [str(word) for word in plugin.get("args") or ()]
        mode = plugin.get("interactiveMode") or "IfAvailable"
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("its entry needs apiVersion, command and, in each of env, name and value; args is a list") from error
    if version not in _VERSIONS:
        raise ValueError(f'its apiVersion is "{version}", not one of {", ".join(_VERSIONS)}')
    interactive = mode != "Never" and sys.stdin.isatty()
    if mode == "Always" and not interactive:
        raise ValueError("it needs to ask its user, and there is no terminal")
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster(credentials)
    return [command, *arguments], {"apiVersion": version, "kind": "ExecCredential", "spec": spec}, variables, interactive


def _cluster(credentials: Credentials) -> dict[str, Any]:
    found = {name: credentials.cluster[name] for name in _OF_CLUSTER if name in credentials.cluster}
    ca = credentials.ca or (Path(credentials.ca_path).read_bytes() if credentials.ca_path else b"")
    if ca:
        found["certificate-authority-data"] = base64.b64encode(ca).decode("ascii")
    for entry in credentials.cluster.get("extensions") or ():
        if isinstance(entry, Mapping) and entry.get("name") == _EXTENSION:
            found["config"] = entry.get("extension")
    return found


def _answer(argv: list[str], asked: Mapping[str, Any], variables: Mapping[str, str], *, interactive: bool) -> Mapping[str, Any]:
    """The status of the ExecCredential it answers with. ValueError with what is wrong with it."""
    done = subprocess.run(
        argv,
        check=True,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
        timeout=_TIMEOUT,
    )
    answer = json.loads(done.stdout)
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise ValueError("its answer is not an ExecCredential with a status")  # noqa: TRY004 - one kind for all that may be wrong
    if answer.get("apiVersion") != asked["apiVersion"]:
        raise ValueError(f"it answers in {answer.get('apiVersion')}, not in {asked['apiVersion']}")
    return status


def _merged(credentials: Credentials, status: Mapping[str, Any]) -> Credentials:
    token, certificate, key = (status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData"))
    if bool(certificate) != bool(key) or not (token or certificate):
        raise ValueError("its answer holds neither a token nor a certificate with its key")
    if certificate:
        credentials = replace(credentials, certificate=str(certificate).encode(), key=str(key).encode())
    return replace(credentials, user={**credentials.user, "token": token or credentials.user.get("token")})


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it did not end within {_TIMEOUT:.0f} s"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "its answer is not JSON"
    return str(error)
