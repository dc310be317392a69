"""What the phases of `init` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import InitConfiguration


@dataclass(slots=True, kw_only=True)
class InitRun(ClusterRun):
    """One `init`. Phases fill in `certificate_key`, where none was given, and `tokens`."""

    init: InitConfiguration
    certificate_key: str = ""
    made_tokens: frozenset[str] = frozenset()  # bootstrap tokens of the configuration that the user did not name
    tokens: tuple[str, ...] = ()  # bootstrap tokens that are in the cluster, for the join commands
    skip_token_print: bool = False
    skip_certificate_key_print: bool = False
    print_manifest: bool = False  # addon phases print instead of applying

    @property
    def makes_authorities(self) -> bool:
        return True

    @property
    def changes_nothing(self) -> bool:
        return self.dry_run or self.print_manifest
