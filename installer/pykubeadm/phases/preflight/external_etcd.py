"""The check of an etcd that is not ours: does it answer, is it new enough."""

from __future__ import annotations

import json
import ssl
from datetime import timedelta
from functools import partial

from pykubeadm.config.model import ExternalEtcd
from pykubeadm.config.versions import MINIMUM_EXTERNAL_ETCD, parse_version
from pykubeadm.errors import ApiError
from pykubeadm.etcd.client import EtcdError, tls_context
from pykubeadm.phases.preflight.check import Check, Findings, error
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.pki.tls import client_context
from pykubeadm.transport.http import UnansweredError, exchange
from pykubeadm.transport.route import Dial
from pykubeadm.util.retry import every, try_again
from pykubeadm.util.side_by_side import side_by_side

_TIMEOUT = 10.0  # seconds, as kubeadm's
_ATTEMPTS = 3
_PAUSE = 1.0
_TIMEOUT_IN_ALL = timedelta(seconds=_ATTEMPTS * (_TIMEOUT + _PAUSE))


def external_etcd_version(external: ExternalEtcd) -> Check:
    """Every endpoint answers over TLS with a version that is supported."""
    return Check("ExternalEtcdVersion", partial(_version, external))


def _version(external: ExternalEtcd, machine: Machine) -> Findings:
    try:
        tls = _tls(external, machine)
    except EtcdError as failure:
        return error(str(failure))
    except FileNotFoundError as missing:
        return error(f"{missing.filename} does not exist; put it there, or correct the path in etcd.external")
    endpoints = external.http_endpoints or external.endpoints
    dial = machine.node.route.dial
    found = side_by_side(lambda endpoint: _judge(endpoint, tls, dial), endpoints, len(endpoints))
    return Findings(errors=tuple(sentence for sentence in found if sentence))


def _tls(external: ExternalEtcd, machine: Machine) -> ssl.SSLContext:
    def content(path: str) -> bytes:
        found = machine.node.read(path)
        if found is None:
            raise FileNotFoundError(2, "not found", path)
        return found

    if external.ca_file and external.cert_file and external.key_file:
        contents = [content(path) for path in (external.ca_file, external.cert_file, external.key_file)]
        try:
            return tls_context(*contents)
        except EtcdError as failure:
            files = f"{external.ca_file}, {external.cert_file} and {external.key_file}"
            raise EtcdError(f"{files} cannot be used: {failure}") from failure
    try:
        return client_context(content(external.ca_file) if external.ca_file else None)
    except ValueError as failure:
        raise EtcdError(f"{external.ca_file} {failure}") from failure


def _judge(endpoint: str, tls: ssl.SSLContext, dial: Dial | None) -> str:
    """What is wrong with the member at `endpoint`, "" where nothing is."""
    try:
        found = _ask(endpoint, tls, dial)
        version = parse_version(found)
    except (UnansweredError, ApiError, ValueError) as failure:
        return f"external etcd {endpoint} does not say its version: {failure}; check its address, firewall and certificates"
    if version < parse_version(MINIMUM_EXTERNAL_ETCD):
        return f"external etcd {endpoint} is {found}; {MINIMUM_EXTERNAL_ETCD} is the oldest supported, upgrade it"
    return ""


def _ask(endpoint: str, tls: ssl.SSLContext, dial: Dial | None) -> str:
    left = [_TIMEOUT_IN_ALL] * (_ATTEMPTS - 1)

    def patience(error: Exception, _spent: float) -> timedelta | None:
        return left.pop() if left and _may_pass(error) else None

    return try_again(lambda: _get_version(endpoint, tls, dial), patience, pause=every(_PAUSE))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, UnansweredError) and isinstance(error.failure, ConnectionError | TimeoutError)


def _get_version(endpoint: str, tls: ssl.SSLContext, dial: Dial | None) -> str:
    answer = exchange(f"{endpoint.rstrip('/')}/version", timeout=_TIMEOUT, tls=tls, dial=dial)
    if answer.status != 200:
        raise ValueError(f"it answers with status {answer.status}")
    try:
        version = json.loads(answer.body)["etcdserver"]
    except (ValueError, KeyError, TypeError):
        version = None
    if not isinstance(version, str):
        raise ValueError("its answer names no version")  # noqa: TRY004 - like everything that is wrong with it
    return version
