"""`kubeconfig user`, from options to the content of the file, or to the file itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pykubeadm.commands.existing import existing
from pykubeadm.errors import UsageError
from pykubeadm.node.journal import Journal
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import File
from pykubeadm.phases.kubeconfig.user import User, user_kubeconfig
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.duration import parse_duration
from pykubeadm.workflow.events import Subscriber


def kubeconfig_user(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> str:
    """The kubeconfig as text; "" where --output-file took it. `options` are the flags with underscores, None where not given."""
    user = _user(options, rootfs)
    place = os.path.abspath(options["output_file"]) if options.get("output_file") else ""
    if place and LocalNode(rootfs).stat(place) is not None:
        raise UsageError(f"--output-file: {place} exists; give another name, or remove it first")
    found = existing(options, emit, rootfs=rootfs)
    run = ClusterRun(configuration=found.configuration, node=found.node, host=found.host, journal=Journal(found.node), emit=emit)
    content = user_kubeconfig(run, user, known=found.known)
    if not place:
        return content.decode()
    found.node.write([File(place, content, 0o600, secret=True, replaces=True)])
    return ""


def _user(options: Mapping[str, Any], rootfs: str) -> User:
    request = options.get("csr") or ""
    if request and options.get("token"):
        raise UsageError("--csr is for a certificate and --token for none; give one of them")
    if not options["client_name"].strip():
        raise UsageError("--client-name is empty; give the name that the cluster shall know the user by")
    return User(
        name=options["client_name"],
        organizations=tuple(options.get("org") or ()),
        token=options.get("token") or "",
        period=_period(options.get("validity_period")),
        request_path=request,
        request=_request(request, rootfs) if request else b"",
    )


def _request(path: str, rootfs: str) -> bytes:
    content = LocalNode(rootfs).read(os.path.abspath(path))
    if content is None:
        raise UsageError(f"--csr: {path} does not exist")
    return content


def _period(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        period = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--validity-period: {error}") from error
    if period <= timedelta():
        raise UsageError(f"--validity-period: {text} is no time to come; give one such as 720h")
    return period
