"""The ResetConfiguration that flags give in place of a file (kubeadm: cmd/reset.go, newResetData)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pykubeadm.config.model import ResetConfiguration
from pykubeadm.config.source import Path
from pykubeadm.util.dataclass import dataclass

# Flags that may stand beside --config (kubeadm: validation.go, ValidateMixedArguments); --force moves into the file.
BESIDE_CONFIG = frozenset({"dry_run", "ignore_preflight_errors", "skip_phases"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetFlags:
    """The flags of `reset` that are configuration, as typed; None (False) where they were not given."""

    cert_dir: str | None = None
    cleanup_tmp_dir: bool = False
    cri_socket: str | None = None
    dry_run: bool = False
    force: bool = False
    ignore_preflight_errors: tuple[str, ...] | None = None
    skip_phases: tuple[str, ...] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ResetFlags:
        """From a command line's values; those that are no configuration are left out."""
        return cls(**{item.name: values[item.name] for item in fields(cls) if values.get(item.name) is not None})

    def mixed(self) -> list[str]:
        """Those that may not stand beside --config, as on the command line."""
        return [
            f"--{item.name.replace('_', '-')}"
            for item in fields(self)
            if item.name not in BESIDE_CONFIG and getattr(self, item.name) not in (None, False)
        ]


# Field → the flag that gives it.
RESET_FLAG_AT: dict[Path, str] = {("certificatesDir",): "--cert-dir", ("criSocket",): "--cri-socket"}


def reset_configuration(flags: ResetFlags) -> ResetConfiguration:
    defaults = ResetConfiguration()
    return ResetConfiguration(
        certificates_dir=flags.cert_dir if flags.cert_dir is not None else defaults.certificates_dir,
        cleanup_tmp_dir=flags.cleanup_tmp_dir,
        cri_socket=flags.cri_socket or "",
        force=flags.force,
    )
