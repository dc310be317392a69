"""From options to what is known of a cluster that exists, for commands that come to one of its nodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pykubeadm.config.endpoint import local_url
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import ClusterConfiguration, Configuration, Timeouts
from pykubeadm.config.source import Source
from pykubeadm.config.stored import read_stored_cluster
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import ApiError, ConfigError, PhaseError, PreflightError, Problem
from pykubeadm.kube.port import Api
from pykubeadm.node.facts import host_facts
from pykubeadm.node.port import Node
from pykubeadm.phases.cluster.found import find_configuration, own_endpoint
from pykubeadm.phases.cluster.stored import administrator, stored_cluster
from pykubeadm.phases.replacing.record import Record
from pykubeadm.phases.replacing.run import reader_of
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.phases.static_pods.stopped import API_SERVER, DIRECTORY, is_stopped
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Note, Subscriber

_CALL_TIMEOUT = Timeouts().kubernetes_api_call


@dataclass(frozen=True, slots=True)
class Existing:
    """The node and the configuration that counts there; `known` says that it is the user's or the cluster's own, not defaults."""

    node: Node
    host: HostFacts
    configuration: Configuration
    known: bool
    kubeconfig: str


def has_control_plane(machine: Node) -> bool:
    """Whether the node is a control plane. PreflightError where it is one that was stopped, which is no worker for that."""
    if is_stopped(machine, API_SERVER):
        raise PreflightError(
            f"the control plane of this node was stopped (its manifests are in {DIRECTORY}): run `pykubeadm etcd start`, or the "
            "`etcd restore`, `recover` or `rejoin` that was interrupted, first"
        )
    return machine.stat(manifest_path(API_SERVER)) is not None


def existing(
    options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None, problems: Sequence[Problem] = ()
) -> Existing:
    """By kubeadm's flags cert-dir and kubeconfig (with underscores, None where not given); `source` is what --config names.
    ConfigError with every problem of the file, these flags and other `problems` of the command line; a cluster that cannot be
    asked is only reported."""
    kubeconfig = os.path.abspath(options.get("kubeconfig") or ADMIN_KUBECONFIG)
    if options.get("kubeconfig") and machine.stat(kubeconfig) is None:
        problems = [*problems, Problem("--kubeconfig", 0, 0, "", f"{kubeconfig} does not exist")]
    if problems and source is None:
        raise ConfigError(problems)
    try:
        found = _existing(machine, kubeconfig, options, source, emit)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    if problems:
        raise ConfigError(problems)
    return found


def _existing(machine: Node, kubeconfig: str, options: Mapping[str, Any], source: Source | None, emit: Subscriber) -> Existing:
    host = host_facts(machine)

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="", message=message))

    found = find_configuration(
        machine,
        host,
        source=source,
        connect=(lambda: connect(machine, kubeconfig, warn)) if machine.stat(kubeconfig) else None,
        reader=administrator(kubeconfig),
        note=warn,
    )
    configuration = found.configuration
    if options.get("cert_dir"):
        cluster = replace(configuration.cluster, certificates_dir=os.path.abspath(options["cert_dir"]))
        configuration = replace(configuration, cluster=cluster)
    return Existing(machine, host, configuration, found.source != "node", kubeconfig)


def connect(
    node: Node,
    path: str,
    warn: Callable[[str], None],
    *,
    server: str = "",
    call_timeout: timedelta = _CALL_TIMEOUT,
    dry_run: bool = False,
) -> Api:
    """The cluster of the kubeconfig at `path`, at `server` where that is given. With `dry_run` nothing is stored there."""
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.credentials import parse_kubeconfig
    from pykubeadm.kube.expiry import expiry_warning

    credentials = parse_kubeconfig(node.read(path) or b"", path, node.read)
    if (sentence := expiry_warning(credentials, node.now())) is not None:
        warn(sentence)
    return ClusterApi(credentials, server=server, call_timeout=call_timeout, dry_run=dry_run, route=node.route)


def own_api(machine: Node, kubeconfig: str, warn: Callable[[str], None], *, call_timeout: timedelta, dry_run: bool) -> Api:
    """The cluster at this node's own API server, where there is one: that is the one whose change is seen. Another kubeconfig
    than admin.conf is the user's choice, address included."""
    if machine.stat(kubeconfig) is None:
        raise PhaseError(f"{kubeconfig} does not exist; give the kubeconfig to speak to the cluster with (--kubeconfig)")
    endpoint = own_endpoint(machine) if kubeconfig == ADMIN_KUBECONFIG else None
    server = local_url(endpoint) if endpoint else ""
    return connect(machine, kubeconfig, warn, server=server, call_timeout=call_timeout, dry_run=dry_run)


def stored_or_begun(api: Api, kubeconfig: str, record: Record | None, warn: Callable[[str], None]) -> ClusterConfiguration:
    """The cluster's; where an earlier run was interrupted while it replaced what the API needs, what that run had read."""
    try:
        return stored_cluster(api, reader_of(kubeconfig), warn, patient=record is None)
    except ApiError as error:  # an API server that is just starting gives answers, too
        if record is None:
            raise
        warn(f"continuing what an interrupted `{record.command}` to {record.target} has begun: {error}")
        return read_stored_cluster(record.cluster, warn)
