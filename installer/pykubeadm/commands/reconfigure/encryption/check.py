"""Whether all that is stored stays readable, for every API server, when this node's gets its EncryptionConfiguration.

A new key is so brought in second, on all control planes, before it comes first; a key goes when nothing is written with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.reconfigure.encryption.configuration import Encryption
from pykubeadm.commands.reconfigure.encryption.servers import Server, encryption_of, etcd_prefix, others
from pykubeadm.commands.reconfigure.encryption.stored import writers
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.config.section import DocumentError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.util.retry import RanOutError, every, try_again

if TYPE_CHECKING:
    from collections.abc import Collection

    from pykubeadm.phases.replacing.components import Component


def encryption_check(run: ReconfigureRun) -> Check:
    return Check("EncryptionAtRest", lambda _machine: _look(run))


def _look(run: ReconfigureRun) -> Findings:
    """Tried again for a while: what an interrupted run has replaced may just be starting."""
    component = api_server(run)
    if component is None or (run.resumed and not component.differs):  # it was looked at before that was written
        return FINE
    timeout = run.configuration.this_node.timeouts.kubernetes_api_call

    def patience(failure: Exception, _spent: float) -> timedelta | None:
        return timeout if isinstance(failure, ApiUnreachableError | EtcdError) else None

    try:
        return try_again(lambda: _compared(run, component), patience, pause=every(1.0))
    except RanOutError as failure:
        return error(f"what is encrypted, and for whom, is not known: {failure}")


def _compared(run: ReconfigureRun, component: Component) -> Findings:
    from pykubeadm.phases.cluster.connection import cluster_api

    try:
        new, former = encryption_of(run, component.wanted), encryption_of(run, component.former)
        rest = [encryption_of(run, pod, pod["spec"]["nodeName"]) for pod in others(run, cluster_api(run))]
    except DocumentError as wrong:
        return error(f"the API server could not read what is encrypted: {wrong}")
    servers = [former, *rest]
    resources = sorted({name for server in (new, *servers) for name in server.encryption.resources})
    errors = [*_other_secrets(new, servers), *_between(new, rest, resources)]
    if resources:
        errors += _unreadable(run, new, component.wanted, resources)
    return Findings(errors=tuple(errors))


def api_server(run: ReconfigureRun) -> Component | None:
    """This node's, as it is and as it is to be."""
    from pykubeadm.phases.replacing.components import API_SERVER, components
    from pykubeadm.phases.replacing.pods_before import looking

    return next((each for each in components(looking(run)) if each.name == API_SERVER), None)


def _unreadable(run: ReconfigureRun, new: Server, pod: Mapping[str, Any], resources: Collection[str]) -> Iterator[str]:
    """What is in etcd now. What no configuration names is plain text."""
    from pykubeadm.phases.etcd.reach import reach

    client = reach(run.node, run.configuration).client
    for (resource, writer), number in sorted(writers(client, etcd_prefix(pod), resources).items()):
        if writer not in new.encryption.readers(resource):
            yield (
                f"{number} of {resource} in etcd are written with {writer}, which {_named(new)} does not read: keep it "
                "there, for them, behind the one that writes, until they are written again"
            )


def _between(new: Server, rest: Collection[Server], resources: Collection[str]) -> Iterator[str]:
    """What this API server is about to write and the others cannot read, and the other way round."""
    for resource in resources:
        for other in rest:
            mine, theirs = new.encryption, other.encryption
            if mine.writer(resource) not in theirs.readers(resource):
                yield (
                    f"{_named(new)} writes {resource} with {mine.writer(resource)}, which the API server of {other.node} "
                    f"({_file(other)}) does not read yet: bring it in behind the one that writes, on all control planes, "
                    "before it comes first"
                )
            if theirs.writer(resource) not in mine.readers(resource):
                yield (
                    f"the API server of {other.node} ({_file(other)}) writes {resource} with {theirs.writer(resource)}, which "
                    f"{_named(new)} does not read"
                )


def _other_secrets(new: Server, servers: Collection[Server]) -> Iterator[str]:
    """One name for two keys: neither reads what the other wrote."""
    for other in {server.path: server for server in servers if server.path != new.path}.values():
        for name in sorted(_different(new.encryption, other.encryption)):
            yield f"{name} has another secret in {new.path} than in {other.path}: give a new key a new name"


def _different(one: Encryption, other: Encryption) -> set[str]:
    return {name for name, digest in one.keys.items() if other.keys.get(name, digest) != digest}


def _named(server: Server) -> str:
    return server.path or "an API server without encryption"


def _file(server: Server) -> str:
    return server.path or "without encryption"
