"""What the phases of a command share: the resolved configuration, the node, and where to speak."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.plan.events import Event, Note, Result

if TYPE_CHECKING:
    from pykubeadm.config.host import HostFacts
    from pykubeadm.config.model import Configuration
    from pykubeadm.kube.port import Api
    from pykubeadm.kubeconfig.table import Entry as KubeconfigEntry
    from pykubeadm.node.port import Node
    from pykubeadm.patches.files import Patch
    from pykubeadm.phases.preflight.machine import Machine
    from pykubeadm.pki.keypool import KeyPool
    from pykubeadm.plan.journal import Journal


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Run:
    """What `init` and `join` have in common: a control plane, or a worker, in the making."""

    configuration: Configuration
    node: Node
    host: HostFacts
    journal: Journal
    emit: Callable[[Event], None]
    now: Callable[[], datetime] = utc_now
    kubeconfig_dir: str = KUBERNETES_DIR
    kubeconfig_path: str = f"{KUBERNETES_DIR}/admin.conf"
    ignore_preflight_errors: frozenset[str] = field(default_factory=frozenset)  # lower case; "all" ignores every check
    upload_certs: bool = False
    kubelet_started: datetime | None = None  # when this run last started the kubelet: what its journal says before is history
    looked_at: Machine | None = None  # begun before preflight; None once `prepare` has changed the node
    lacked: frozenset[str] = frozenset()  # what a dry run of `prepare` found missing, by its playbook's tags
    replaced: dict[str, datetime] = field(default_factory=dict)  # static pods whose manifest this run changed, and when
    api: Api | None = None  # the cluster, once `phases.cluster` has connected to it
    begun_keys: KeyPool | None = None  # begun before the configuration was read, of an algorithm that was guessed
    _keys: KeyPool | None = None
    _patches: tuple[Patch, ...] | None = None

    @property
    def dry_run(self) -> bool:
        return self.node.dry_run

    @property
    def keys(self) -> KeyPool:
        """Private keys of the cluster's algorithm, made in the background where they were ordered (`phases.keys`)."""
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
    def kubeconfigs(self) -> tuple[KubeconfigEntry, ...]:
        """The kubeconfig files that this run makes, or has to find where the CA is external."""
        from pykubeadm.kubeconfig.table import TABLE

        return TABLE

    @property
    def patches_dir(self) -> str:
        """The directory with patches; empty where none are wanted."""
        patches = self.configuration.init.patches
        return os.path.abspath(patches.directory) if patches and patches.directory else ""

    @property
    def patches(self) -> tuple[Patch, ...]:
        """The patches in that directory, read once."""
        if self._patches is None:
            from pykubeadm.phases.patching import load_patches

            self._patches = load_patches(self) if self.patches_dir else ()
        return self._patches

    def note(self, level: str, message: str, topic: str = "") -> None:
        """Tell the user something: level "debug", "info" or "warning"."""
        self.emit(Note(level=level, topic=topic, message=message))

    def result(self, name: str, text: str, **data: str) -> None:
        """Hand over what the user asked for (a join command, a key); goes to standard output."""
        self.emit(Result(name=name, text=text, data=data))


@dataclass(slots=True)
class InitRun(Run):
    """One `init`. Phases fill in `certificate_key`, where none was given, and `tokens`."""

    certificate_key: str = ""
    made_tokens: frozenset[str] = frozenset()  # bootstrap tokens of the configuration that the user did not name
    tokens: tuple[str, ...] = ()  # bootstrap tokens that are in the cluster, for the join commands
    skip_token_print: bool = False
    skip_certificate_key_print: bool = False
    print_manifest: bool = False  # addon phases print instead of applying
