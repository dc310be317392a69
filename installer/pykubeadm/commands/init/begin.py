"""From options to the run that the phases of `init` get."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pykubeadm.commands.environment import environment
from pykubeadm.commands.init.phases import PHASES
from pykubeadm.commands.init.run import InitRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.read_init import read_init
from pykubeadm.config.source import Source
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.node.facts import host_facts
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Node
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.run import patches_directory
from pykubeadm.workflow.events import Note, Subscriber


def begin(
    machine: Node,
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    source: Source | None = None,
    host: HostFacts | None = None,
) -> InitRun:
    """The run of `init` for these options (kubeadm's flags with underscores, None where not given) and the file `source`.

    `host` is what is known of the machine, found out where it is not given. Raises ConfigError with every problem of the flags,
    the file and the patches; PhaseError where patches cannot be read.
    """
    host = host or host_facts(machine)
    made_tokens: list[str] = []
    reading = environment(machine, host, emit, PHASES, made_tokens)
    init, configuration = read_init(source, InitFlags.of(options), reading)
    node: Node = machine
    if init.dry_run:
        from pykubeadm.commands.dry_run import rehearsal

        node, emit = rehearsal(machine, emit, "init")

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="patches", message=message))

    patches = load_patches(node, patches_directory(configuration), warn)
    journal = Journal(node)
    return InitRun(
        init=init,
        configuration=configuration,
        patches=patches,
        node=JournaledNode(node, journal),
        host=host,
        journal=journal,
        emit=emit,
        now=node.now,
        ignore_preflight_errors=frozenset(init.node_registration.ignore_preflight_errors),
        upload_certs=bool(options.get("upload_certs")),
        certificate_key=init.certificate_key,
        made_tokens=frozenset(made_tokens),
        skip_token_print=bool(options.get("skip_token_print")),
        skip_certificate_key_print=bool(options.get("skip_certificate_key_print")),
        print_manifest=bool(options.get("print_manifest")),
        kubeconfig_dir=os.path.abspath(options.get("kubeconfig_dir") or KUBERNETES_DIR),
        kubeconfig_path=os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG),
    )
