"""`kubeconfig user`, from options to the content of the file, or to the file itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pykubeadm.commands.existing import existing
from pykubeadm.config.source import Source
from pykubeadm.errors import Problem
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import File, Node
from pykubeadm.phases.kubeconfig.user import User, user_kubeconfig
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.duration import parse_duration
from pykubeadm.workflow.events import Subscriber

_SHORTEST = timedelta(seconds=1)  # the resolution of times in certificates (RFC 5280, 4.1.2.5)


def kubeconfig_user(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> str:
    """The kubeconfig as text; "" where --output-file took it. `options` are the flags with underscores, None where not given.
    ConfigError with every problem of them."""
    problems: list[Problem] = []
    user = _user(options, machine, problems)
    place = os.path.abspath(options["output_file"]) if options.get("output_file") else ""
    if place and machine.stat(place) is not None:
        problems.append(Problem("--output-file", 0, 0, "", f"{place} exists; give another name, or remove it first"))
    found = existing(options, emit, machine=machine, source=source, problems=problems)
    run = ClusterRun(
        configuration=found.configuration,
        node=machine,
        host=found.host,
        journal=Journal(machine),
        emit=emit,
        now=machine.now,
    )
    unused = [f"--{name.replace('_', '-')}" for name in ("org", "validity_period") if options.get(name)] if user.token else []
    if unused:
        verb = "is" if len(unused) == 1 else "are"
        run.note("warning", f"{' and '.join(unused)} {verb} ignored: with --token no certificate is made")
    content = user_kubeconfig(run, user, known=found.known)
    if not place:
        return content.decode()
    machine.write([File(place, content, 0o600, secret=True, replaces=True)])
    return ""


def _user(options: Mapping[str, Any], machine: Node, problems: list[Problem]) -> User:
    """As the flags have it, with stand-ins for what is among the `problems`."""
    request = options.get("csr") or ""
    if request and options.get("token"):
        problems.append(Problem("--csr", 0, 0, "", "is for a certificate and --token for none; give one of them"))
    user = User(
        name=options["client_name"],
        organizations=tuple(options.get("org") or ()),
        token=options.get("token") or "",
        period=_period(options.get("validity_period"), problems),
        request_path=request,
        request=_request(request, machine, problems) if request else b"",
    )
    if not user.name.strip():
        problems.append(Problem("--client-name", 0, 0, "", "is empty; give the name by which the cluster knows the user"))
    for name, what in (("token", "the token"), ("csr", "the file of the request")):
        if options.get(name) is not None and not options[name].strip():  # such as a variable that is not set
            problems.append(
                Problem(f"--{name}", 0, 0, "", f"is empty; give {what}, or leave it out for a certificate and its key")
            )
    for flag, text in (("--client-name", user.name), ("--token", user.token), *(("--org", name) for name in user.organizations)):
        if not text.isprintable():  # bytes that are no text, and what nobody could tell from another name
            problems.append(Problem(flag, 0, 0, "", "holds characters that cannot be printed"))
    return user


def _request(path: str, machine: Node, problems: list[Problem]) -> bytes:
    content = machine.read(os.path.abspath(path))
    if content is None:
        problems.append(Problem("--csr", 0, 0, "", f"{path} does not exist"))
    return content or b""


def _period(text: str | None, problems: list[Problem]) -> timedelta | None:
    if text is None:
        return None
    try:
        period = parse_duration(text)
    except ValueError as error:
        problems.append(Problem("--validity-period", 0, 0, "", str(error)))
        return None
    if period < _SHORTEST:
        problems.append(Problem("--validity-period", 0, 0, "", f"{text} is too short; give a period such as 720h"))
    return period
