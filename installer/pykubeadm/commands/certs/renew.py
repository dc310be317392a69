"""`certs renew`, from options to the end of the run.

Keys are begun before all else is imported, and made on the other cores meanwhile.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pykubeadm.constants import CERTIFICATES_DIR, KUBERNETES_DIR
from pykubeadm.phases.certs.keys import begin_keys_like
from pykubeadm.phases.certs.leaves import LEAVES, Leaf

if TYPE_CHECKING:
    from pykubeadm.commands.certs.run import CertsRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.pki.keypool import KeyPool
    from pykubeadm.workflow.events import Subscriber

NAME = "certs renew"


def renew(name: str, options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """Renew the certificate of that name ("apiserver", "admin.conf", "kubelet.conf"), or "all", on a control plane."""
    leaves = tuple(leaf for leaf in LEAVES if name in ("all", leaf.name))
    keys = _begin_keys(leaves, options, machine)
    from pykubeadm.commands.certs.begin import begin
    from pykubeadm.commands.certs.phases import KUBELET, steps_of
    from pykubeadm.commands.execute import execute

    run = begin(options, emit, machine=machine, source=source)
    run.begun_keys = keys
    run.leaves = leaves
    run.kubelet = "always" if name == KUBELET else "expired" if name == "all" else ""
    if run.as_before:
        run.note("info", "without the cluster's configuration, key algorithm and period stay as they are, and no names are added")
    _order_keys(run)
    execute(f"{NAME} {name}", steps_of((name,)), run, node_name=run.node_name)


def _begin_keys(leaves: Sequence[Leaf], options: Mapping[str, Any], node: Node) -> KeyPool | None:
    """As many as there seem to be certificates, of the kind that the API server's is: a guess, which `_order_keys` corrects."""
    directory = os.path.abspath(options.get("cert_dir") or CERTIFICATES_DIR)
    key, paths = posixpath.join(directory, "apiserver.key"), [leaf.path(directory, KUBERNETES_DIR) for leaf in leaves]
    seen = node.ahead(read=(key,), stat=paths)
    return begin_keys_like(seen.read(key) or b"", sum(seen.stat(path) is not None for path in paths))


def _order_keys(run: CertsRun) -> None:
    """The keys that the run will take are made while the first phase looks around."""
    from pykubeadm.phases.certs.present import leaf_certificate
    from pykubeadm.phases.certs.renew import why_not
    from pykubeadm.pki.renewal import algorithm_of

    leaves = [leaf for leaf in run.leaves if leaf.is_wanted(run.configuration) and why_not(run, leaf) is None]
    certificate = leaf_certificate(run, leaves[0]) if leaves else None
    if run.as_before and certificate is not None:
        cluster = replace(run.configuration.cluster, encryption_algorithm=algorithm_of(certificate))
        run.configuration = replace(run.configuration, cluster=cluster)
    run.keys.order(len(leaves))
