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
from typing import Any

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_TIMEOUT = 120.0  # seconds; a program may wait for its user


def with_plugin(credentials: Credentials) -> Credentials:
    """The credentials with the token or the key and certificate of the kubeconfig's program, where it names one. What the
    program writes to standard error goes to ours. ApiError where it gives no credentials."""
    plugin = credentials.user.get("exec")
    if not isinstance(plugin, Mapping):
        return credentials
    try:
        status = _run(plugin, credentials)["status"]
        return replace(
            credentials,
            certificate=(status.get("clientCertificateData") or "").encode() or credentials.certificate,
            key=(status.get("clientKeyData") or "").encode() or credentials.key,
            user={**credentials.user, "token": status.get("token") or credentials.user.get("token")},
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = plugin.get("installHint") if isinstance(error, FileNotFoundError) else None
        raise ApiError(
            f"the program {plugin.get('command')} that {credentials.path} names gives no credentials: {_why(error)}"
            + (f"\n{hint.strip()}" if isinstance(hint, str) else "")
        ) from error


def _run(plugin: Mapping[str, Any], credentials: Credentials) -> dict[str, Any]:
    """Its answer, an ExecCredential."""
    version = plugin.get("apiVersion")
    if version not in _VERSIONS:
        raise ValueError(f'its apiVersion is "{version}", not one of {", ".join(_VERSIONS)}')
    mode = plugin.get("interactiveMode") or "IfAvailable"
    interactive = mode != "Never" and sys.stdin.isatty()
    if mode == "Always" and not interactive:
        raise ValueError("it wants to ask its user, and there is no terminal")
    command = plugin["command"]
    if "/" in command:  # a bare name is looked for in PATH
        command = posixpath.join(posixpath.dirname(os.path.abspath(credentials.path)), command)
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        ca = base64.b64encode(credentials.ca).decode("ascii")
        spec["cluster"] = {"server": credentials.server, "certificate-authority-data": ca}
    asked = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})
    variables = {entry["name"]: entry["value"] for entry in plugin.get("env") or ()}
    done = subprocess.run(
        [command, *(plugin.get("args") or ())],
        check=True,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": asked},
        timeout=_TIMEOUT,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["apiVersion"] != version:
        raise ValueError(f"it answers in {answer['apiVersion']}, not in {version}")
    return answer


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is not installed"
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it did not end within {_TIMEOUT:.0f} s"
    if isinstance(error, json.JSONDecodeError):
        return "its answer is no JSON"
    return f"its answer lacks {error}" if isinstance(error, KeyError) else str(error)
