"""The flags of `upgrade apply`, `node`, `plan` and `diff` that an UpgradeConfiguration has fields for (kubeadm: cmd/upgrade)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

from pykubeadm.config.model import Patches, UpgradeConfiguration
from pykubeadm.config.source import Path
from pykubeadm.util.dataclass import dataclass

Part = Literal["apply", "node", "plan", "diff"]

# May stand beside --config (kubeadm: validation.go, ValidateMixedArguments); the version is an argument, which always may.
BESIDE_CONFIG = frozenset({"dry_run", "ignore_preflight_errors", "skip_phases", "kubernetes_version"})
# Where the field is not called as the flag is.
_FIELDS = {"allow_release_candidate_upgrades": "allow_rc_upgrades", "force": "force_upgrade"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeFlags:
    """The flags of all four commands, as typed; None (False for a switch) where one was not given or the command has none."""

    kubernetes_version: str | None = None  # the argument
    allow_experimental_upgrades: bool = False
    allow_release_candidate_upgrades: bool = False
    certificate_renewal: bool | None = None
    context_lines: int | None = None
    dry_run: bool = False
    etcd_upgrade: bool | None = None
    force: bool = False
    ignore_preflight_errors: tuple[str, ...] | None = None
    patches: str | None = None
    print_config: bool = False
    skip_phases: tuple[str, ...] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> UpgradeFlags:
        """From a command line's values; those that are no configuration are left out."""
        return cls(**{item.name: values[item.name] for item in fields(cls) if values.get(item.name) is not None})

    def mixed(self) -> list[str]:
        """Those that may not stand beside --config, as on the command line."""
        return [f"--{name.replace('_', '-')}" for name in self._given() if name not in BESIDE_CONFIG]

    def places(self, part: Part) -> dict[Path, str]:
        """Field of the UpgradeConfiguration → the flag that gives it, for those whose values may be wrong."""
        rows: dict[str, tuple[Path, str]] = {
            "kubernetes_version": ((part, "kubernetesVersion"), "[version]"),
            "context_lines": ((part, "contextLines"), "--context-lines"),
            "ignore_preflight_errors": ((part, "ignorePreflightErrors"), "--ignore-preflight-errors"),
            "patches": ((part, "patches"), "--patches"),
            "skip_phases": ((part, "skipPhases"), "--skip-phases"),
        }
        return dict(row for name, row in rows.items() if name in self._given())

    def over(self, upgrade: UpgradeConfiguration, part: Part) -> UpgradeConfiguration:
        """`upgrade` with these flags in its section `part`. Checks to ignore are those of both, in lower case."""
        section = getattr(upgrade, part)
        known = {item.name for item in fields(section)}
        changes: dict[str, Any] = {
            _FIELDS.get(name, name): value for name, value in self._given().items() if _FIELDS.get(name, name) in known
        }
        if self.patches is not None and "patches" in known:
            changes["patches"] = Patches(directory=self.patches)
        if "ignore_preflight_errors" in known:
            names = (*section.ignore_preflight_errors, *(self.ignore_preflight_errors or ()))
            changes["ignore_preflight_errors"] = tuple(sorted({name.lower() for name in names}))
        return replace(upgrade, **{part: replace(section, **changes)})

    def _given(self) -> dict[str, Any]:
        """Flag → value. A switch that is off, and an empty list, were not given."""
        off: tuple[object, ...] = (None, ())
        switches = ("allow_experimental_upgrades", "allow_release_candidate_upgrades", "dry_run", "force", "print_config")
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value not in off and not (name in switches and not value)}
