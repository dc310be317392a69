"""The ClusterConfiguration that a cluster keeps in its ConfigMap kube-system/kubeadm-config, whoever made it."""

from __future__ import annotations

from collections.abc import Callable

from pykubeadm.config.decode import decode
from pykubeadm.config.defaults import complete_cluster
from pykubeadm.config.load import load
from pykubeadm.config.migrate import OLD_API_VERSION, migrated
from pykubeadm.config.model import API_VERSION, ClusterConfiguration
from pykubeadm.config.release import offline
from pykubeadm.config.report import Report
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, Problem

NAME = "ConfigMap kube-system/kubeadm-config"


def read_stored_cluster(text: str, note: Callable[[str], None]) -> ClusterConfiguration:
    """The configuration, completed as `init` does. Fields that are not known here, of a newer kubeadm, are reported and left
    out, as kubeadm does; ConfigError where it cannot be used."""
    documents, problems = load(Source(NAME, text.encode()))
    document = next((document for document in documents if document.kind == "ClusterConfiguration"), None)
    if document is None:
        raise ConfigError(problems or [Problem(NAME, 0, 0, "ClusterConfiguration", "there is none")])
    if document.api_version == OLD_API_VERSION:
        document, _timeout = migrated(document, problems)
    elif document.api_version != API_VERSION:
        problems.append(document.problem(("apiVersion",), f'"{document.api_version}" cannot be read here, {API_VERSION} can'))
    cluster, misfits, _broken = decode(ClusterConfiguration, document)
    for misfit in misfits:
        if misfit.sentence.startswith("there is no such field"):
            note(str(misfit))
        else:
            problems.append(misfit)
    cluster = complete_cluster(cluster, 6443, Report(problems, note, document, NAME), ask=offline)
    if problems:
        raise ConfigError(problems)
    return cluster
