"""`config images`: which images a control plane needs, and having the runtime get those that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from datetime import timedelta
from typing import Any

from pykubeadm.commands.environment import for_reading
from pykubeadm.commands.source import read_source
from pykubeadm.config.host import ANY_HOST
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.model import ClusterConfiguration, NodeRegistration
from pykubeadm.config.read_init import read_init
from pykubeadm.config.release import look_up
from pykubeadm.config.versions import images
from pykubeadm.constants import CRI_SOCKETS
from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri
from pykubeadm.node.facts import host_facts
from pykubeadm.node.local import LocalNode
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.retry import every, try_again
from pykubeadm.util.side_by_side import side_by_side
from pykubeadm.workflow.events import Note, Subscriber

TOPIC = "config/images"
_AT_ONCE = 4  # more do not help one link and one disk
_TRIES = 5  # as kubeadm (constants.PullImageRetry)
_PAUSE = 1.0  # seconds before another try
# What registries say where asking again does not help.
_FINAL = ("not found", "denied", "unauthorized", "forbidden", "invalid reference")


def wanted(
    options: Mapping[str, Any], warn: Callable[[str], None], *, rootfs: str, sockets: tuple[str, ...] = CRI_SOCKETS[:1]
) -> tuple[ClusterConfiguration, NodeRegistration]:
    """The configuration that names the images, by kubeadm's flags: the file wins over the others, as in kubeadm. It is not
    asked whether it suits this machine, only `sockets` are its own."""
    source = read_source(options["config"], rootfs) if options.get("config") else None
    environment = replace(for_reading(rootfs, warn), host=replace(ANY_HOST, cri_sockets=sockets), ask=look_up)
    flags = InitFlags() if source else InitFlags.of({**options, "cri_socket": None})
    _init, configuration = read_init(source, flags, environment)
    return configuration.cluster, configuration.this_node.node_registration


def list_images(options: Mapping[str, Any], warn: Callable[[str], None], *, rootfs: str) -> tuple[str, ...]:
    """In kubeadm's order."""
    return images(wanted(options, warn, rootfs=rootfs)[0])


def pull_images(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str) -> None:
    """Get every image that is not there yet. NodeError with each that could not be had, and why."""
    machine = LocalNode(rootfs)

    def warn(message: str) -> None:
        emit(Note(level="warning", topic=TOPIC, message=message))

    sockets = host_facts(machine).cri_sockets
    given = options.get("cri_socket") or ""
    cluster, registration = wanted(options, warn, rootfs=rootfs, sockets=(given,) if given else sockets or CRI_SOCKETS[:1])
    Pull(Cri(machine, given or registration.cri_socket), emit).all_of(images(cluster))


@dataclass(slots=True)
class Pull:
    """Several images at once; each is reported when it is there."""

    cri: Cri
    emit: Subscriber
    pause: float = _PAUSE
    failures: dict[str, str] = field(default_factory=dict)

    def all_of(self, names: Collection[str]) -> None:
        present = self.cri.images()
        missing = []
        for name in names:
            if name in present or self.cri.has_image(name):
                self._say(f"{name} is there already")
            else:
                missing.append(name)
        if not missing:
            return
        side_by_side(self._one, missing, _AT_ONCE)
        if self.failures:
            raise NodeError("\n".join(f"{name}: {why}" for name, why in self.failures.items()))
        sizes = self.cri.image_sizes()
        total = _megabytes(sum(sizes.get(name, 0) for name in missing))
        self._say(f"{len(missing)} image{'' if len(missing) == 1 else 's'} pulled, {total}")

    def _one(self, name: str) -> None:
        tries = iter(range(1, _TRIES))

        def patience(failure: Exception, _spent: float) -> timedelta | None:
            is_final = any(word in str(failure).lower() for word in _FINAL)
            return timedelta.max if isinstance(failure, NodeError) and not is_final and next(tries, None) else None

        try:
            try_again(lambda: self.cri.pull(name), patience, pause=every(self.pause))
        except NodeError as error:
            self.failures[name] = str(error)
            return
        size = self.cri.image_sizes().get(name)
        self._say(f"Pulled {name}" + (f" ({_megabytes(size)})" if size else ""))

    def _say(self, message: str) -> None:
        self.emit(Note(level="info", topic=TOPIC, message=message))


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
