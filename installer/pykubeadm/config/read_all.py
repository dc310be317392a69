"""What `config validate` and `config migrate` read: every kubeadm document of a file."""

from __future__ import annotations

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API
from pykubeadm.config.model import Model
from pykubeadm.config.read_init import init_from
from pykubeadm.config.read_join import join_from
from pykubeadm.config.read_reset import reset_from
from pykubeadm.config.read_upgrade import upgrade_from
from pykubeadm.config.reading import Environment, component, open_source
from pykubeadm.config.source import Source


def read_all(source: Source, environment: Environment) -> list[Model]:
    """Every kubeadm document of a file, in v1beta4 with its defaults, as `config validate` and `config migrate` need them:
    an InitConfiguration always comes with its ClusterConfiguration. Raises ConfigError with every problem of all of them."""
    reading = open_source(source, environment.note)
    found: list[Model] = []
    if {"InitConfiguration", "ClusterConfiguration"} & reading.documents.keys():
        init, configuration = init_from(reading, environment)
        found += [init, configuration.cluster]
    else:
        for kind in (KUBELET_API[1], KUBE_PROXY_API[1]):
            if kind in reading.documents:
                component(reading, kind, newer=False)
    if "JoinConfiguration" in reading.documents:
        found.append(join_from(reading, environment))
    if "ResetConfiguration" in reading.documents:
        found.append(reset_from(reading, environment))
    if "UpgradeConfiguration" in reading.documents:
        found.append(upgrade_from(reading, environment))
    reading.finish()
    return found
