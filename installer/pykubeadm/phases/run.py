"""What the phases of a command share: the node, where to report, and for most the configuration of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Event, Note, Result

if TYPE_CHECKING:
    from pykubeadm.config.host import HostFacts
    from pykubeadm.config.model import Configuration
    from pykubeadm.kube.port import Api
    from pykubeadm.kubeconfig.table import KubeconfigFile
    from pykubeadm.node.journal import Journal
    from pykubeadm.node.port import Node
    from pykubeadm.patches.files import Patch
    from pykubeadm.pki.keypool import KeyPool


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a command on one node. Knows no cluster: there may be none."""

    node: Node
    host: HostFacts
    journal: Journal
    emit: Callable[[Event], None]
    now: Callable[[], datetime] = utc_now

    @property
    def dry_run(self) -> bool:
        return self.node.dry_run

    @property
    def changes_nothing(self) -> bool:
        """Whether the node stays as it is, so that others may be at work on it."""
        return self.dry_run

    def note(self, level: str, message: str, topic: str = "") -> None:
        """Report something to the user: level "debug", "info" or "warning"."""
        self.emit(Note(level=level, topic=topic, message=message))

    def result(self, name: str, text: str, **data: str) -> None:
        """Hand over what the user asked for (a join command, a key); goes to standard output."""
        self.emit(Result(name=name, text=text, data=data))


@dataclass(slots=True, kw_only=True)
class ClusterRun(Run):
    """A run that makes or changes a member of a cluster."""

    configuration: Configuration
    patches: tuple[Patch, ...] = ()  # the user's, read before anything is changed
    kubeconfig_dir: str = KUBERNETES_DIR
    kubeconfig_path: str = ADMIN_KUBECONFIG
    ignore_preflight_errors: frozenset[str] = field(default_factory=frozenset)  # lower case; "all" ignores every check
    upload_certs: bool = False
    kubelet_started: datetime | None = None  # when this run last started the kubelet: what its journal says before is history
    prepared: bool = False  # whether `prepare` has worked on the node: what was found out before may be otherwise by now
    missing_parts: frozenset[str] = frozenset()  # what a dry run of `prepare` found missing, by its playbook's tags
    replaced: dict[str, datetime] = field(default_factory=dict)  # static pods whose manifest this run changed, and when
    api: Api | None = None  # the cluster, once `phases.cluster.connection` has connected to it
    begun_keys: KeyPool | None = None  # begun before the configuration was read, of an algorithm that was guessed
    _keys: KeyPool | None = None

    @property
    def keys(self) -> KeyPool:
        """Private keys of the cluster's algorithm, made in the background where they were ordered (`phases.certs.keys`)."""
        if self._keys is None:
            from pykubeadm.pki.keypool import KeyPool

            algorithm, begun = self.configuration.cluster.encryption_algorithm, self.begun_keys
            if begun is not None and begun.algorithm != algorithm:
                begun.order(0)
                begun = None
            self._keys = begun or KeyPool(algorithm)
        return self._keys

    @property
    def is_control_plane(self) -> bool:
        """Whether the node is to be one."""
        return True

    @property
    def makes_authorities(self) -> bool:
        """Whether the cluster's CAs are this run's to make, as they are `init`'s alone."""
        return False

    @property
    def kubeconfigs(self) -> tuple[KubeconfigFile, ...]:
        """The kubeconfig files that this run makes, or has to find where the CA is external."""
        from pykubeadm.kubeconfig.table import TABLE

        return TABLE

    @property
    def node_name(self) -> str:
        return self.configuration.this_node.node_registration.name


def patches_directory(configuration: Configuration) -> str:
    """The absolute path of the user's patches; "" where there are none."""
    patches = configuration.this_node.patches
    return os.path.abspath(patches.directory) if patches and patches.directory else ""
