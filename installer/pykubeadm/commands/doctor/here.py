"""The node that `doctor` runs on, as its checks see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from pykubeadm.config.section import Section
from pykubeadm.constants import CRI_SOCKETS, KUBELET_CONFIG, MANIFESTS_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.facts import host_facts
from pykubeadm.node.port import Command, Node
from pykubeadm.phases.certs.place import certificates_dir
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

CNI_CONFIG: Final = "/etc/cni/net.d"


class _Nobody:
    """No run of ours is under way."""

    def owns(self, _path: str) -> bool:
        return False

    def started_kubelet(self) -> bool:
        return False

    def why_not(self) -> str:
        return ""


@dataclass(frozen=True)
class Here:
    """`machine` is the node as preflight's checks see it, `nodes` gives the cluster's Nodes, ApiError where that is not possible.
    What several checks ask for is found out once."""

    node: Node
    now: datetime
    nodes: Callable[[], Sequence[KubeObject]]

    @cached_property
    def machine(self) -> Machine:
        host = host_facts(self.node)
        return Machine(self.node, host, _Nobody(), (*host.cri_sockets, CRI_SOCKETS[0])[0])

    @cached_property
    def kubelet_config(self) -> KubeObject:
        """{} where there is none; PhaseError where it is damaged."""
        found = read_document(self.node, KUBELET_CONFIG)
        return found.data if found else {}

    @cached_property
    def certificates_dir(self) -> str:
        return certificates_dir(self.node)

    @cached_property
    def network_configurations(self) -> tuple[str, ...]:
        """Names of files in CNI_CONFIG; the first one counts."""
        return tuple(name for name in self.node.list_dir(CNI_CONFIG) if name.endswith((".conf", ".conflist", ".json")))

    @cached_property
    def static_pods(self) -> dict[str, Section]:
        """By the names of their manifests; those that are damaged are left out, `damaged_manifests` has them."""
        return self._manifests[0]

    @cached_property
    def damaged_manifests(self) -> tuple[str, ...]:
        """Sentences."""
        return self._manifests[1]

    @cached_property
    def _manifests(self) -> tuple[dict[str, Section], tuple[str, ...]]:
        found: dict[str, Section] = {}
        damaged: list[str] = []
        for name in self.node.list_dir(MANIFESTS_DIR):
            if name.endswith((".yaml", ".yml", ".json")) and not name.startswith("."):
                try:
                    document = read_document(self.node, f"{MANIFESTS_DIR}/{name}")
                except PhaseError as error:
                    damaged.append(str(error))
                else:
                    found |= {name.rpartition(".")[0]: document} if document else {}
        return found, tuple(damaged)

    def flags(self, component: str) -> dict[str, str]:
        """Of a static pod's first container; {} where there is none."""
        pod = self.static_pods.get(component)
        containers: list[Any] = (pod.data.get("spec") or {}).get("containers") or [] if pod else []
        words = [*(containers[0].get("command") or ()), *(containers[0].get("args") or ())] if containers else []
        parts = (str(word).removeprefix("--").partition("=") for word in words if str(word).startswith("--"))
        return {name: value for name, _, value in parts}

    def ask(self, *argv: str, timeout: float = 10.0) -> str:
        """What a command prints; "" where it fails or is not there."""
        done = self.node.run(Command.look_up(argv, f"ask {argv[0]}", timeout=timeout))
        return done.stdout if done.status == 0 else ""
