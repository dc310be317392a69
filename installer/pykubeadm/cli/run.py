"""From flags to the run that the phases get."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pykubeadm.cli.config import read_source
from pykubeadm.config.flags import InitFlags
from pykubeadm.config.host import HostFacts
from pykubeadm.config.read import Surroundings, read_init
from pykubeadm.config.release import look_up
from pykubeadm.config.source import Source
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.node.facts import host_facts
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Node
from pykubeadm.phases.run import InitRun
from pykubeadm.plan.events import Note, Subscriber
from pykubeadm.plan.journal import Journal
from pykubeadm.plan.node import JournaledNode
from pykubeadm.tokens.bootstrap import generate_token


def init_run(
    machine: LocalNode, given: Mapping[str, Any], emit: Subscriber, host: HostFacts | None = None, source: Source | None = None
) -> InitRun:
    """The run of `init` for these flags (names as click has them, None where not given); raises ConfigError with every
    problem of the flags and of the file. `host` is what is known of the machine and `source` the file that the flags name;
    both are looked up where they are not given."""
    host = host or host_facts(machine)

    if source is None and given.get("config"):
        source = read_source(given["config"], machine.root)
    made_tokens: list[str] = []
    configuration = read_init(source, InitFlags.of(given), surroundings(machine, host, emit, made_tokens))
    node: Node = machine
    if given.get("dry_run") or configuration.init.dry_run:
        from pykubeadm.cli.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "init")
    journal = Journal(node)
    return InitRun(
        configuration=configuration,
        node=JournaledNode(node, journal),
        host=host,
        journal=journal,
        emit=emit,
        ignore_preflight_errors=frozenset(name.lower() for name in configuration.init.node_registration.ignore_preflight_errors),
        upload_certs=bool(given.get("upload_certs")),
        certificate_key=configuration.init.certificate_key,
        made_tokens=frozenset(made_tokens),
        skip_token_print=bool(given.get("skip_token_print")),
        skip_certificate_key_print=bool(given.get("skip_certificate_key_print")),
        print_manifest=bool(given.get("print_manifest")),
        kubeconfig_dir=os.path.abspath(given.get("kubeconfig_dir") or KUBERNETES_DIR),
        kubeconfig_path=os.path.abspath(given.get("kubeconfig") or ADMIN_KUBECONFIG),
    )


def surroundings(machine: LocalNode, host: HostFacts, emit: Subscriber, made_tokens: list[str]) -> Surroundings:
    """What reading a configuration needs of this machine; `made_tokens` gathers the tokens that nobody gave."""

    def new_token() -> str:
        made_tokens.append(generate_token().text)
        return made_tokens[-1]

    def is_kind(kind: str) -> Callable[[str], bool]:
        def check(path: str) -> bool:
            found = machine.stat(os.path.abspath(path))
            return found is not None and found.kind in (kind, "link")  # where a link leads, whoever reads will see

        return check

    return Surroundings(
        host=host,
        new_token=new_token,
        ask=look_up,
        phases=_phases,
        is_dir=is_kind("directory"),
        is_file=is_kind("file"),
        note=lambda message: emit(Note(level="warning", topic="config", message=message)),
    )


def _phases(kind: str) -> Sequence[str]:
    from pykubeadm.phases import init, join
    from pykubeadm.plan.phase import paths

    return tuple(paths(init.PHASES) if kind == "InitConfiguration" else paths(join.PHASES))
