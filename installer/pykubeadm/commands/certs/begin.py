"""From options to the run that the commands below `certs` get."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.commands.existing import existing
from pykubeadm.config.source import Source
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Node
from pykubeadm.workflow.events import Subscriber


def begin(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None) -> CertsRun:
    """The run for these options (kubeadm's flags with underscores, None where not given). Raises what `existing` raises."""
    found = existing(options, emit, machine=machine, source=source)
    journal = Journal(found.node)
    return CertsRun(
        configuration=found.configuration,
        node=JournaledNode(found.node, journal),
        host=found.host,
        journal=journal,
        emit=emit,
        now=machine.now,
        as_before=not found.known,
        kubeconfig_dir=os.path.abspath(options.get("kubeconfig_dir") or KUBERNETES_DIR),
        kubeconfig_path=found.kubeconfig,
        restart=not options.get("no_restart"),
    )
