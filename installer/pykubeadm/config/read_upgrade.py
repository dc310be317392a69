"""What `upgrade` reads: a file or flags in, a complete and checked configuration out, or ConfigError with every problem."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.config.defaults import filled
from pykubeadm.config.model import UpgradeConfiguration
from pykubeadm.config.reading import Environment, Reading, check_run, open_for
from pykubeadm.config.release import is_label, look_up_label
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path, Source
from pykubeadm.config.upgrade_flags import Part, UpgradeFlags
from pykubeadm.config.validate_node import check_upgrade
from pykubeadm.config.versions import parse_version
from pykubeadm.errors import ConfigError, Problem


def read_upgrade(source: Source | None, part: Part, flags: UpgradeFlags, environment: Environment) -> UpgradeConfiguration:
    """What `upgrade apply`, `node`, `plan` or `diff` (its `part`) acts on, from a file or from flags; the flags that kubeadm
    allows beside --config, and the version, win over the file. A version that is given is one with a leading "v".

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        upgrade = _upgrade(UpgradeConfiguration(), part, flags, Report(problems, environment.note), environment)
        if problems:
            raise ConfigError(problems)
        return upgrade
    reading = open_for(source, environment.note, flags.mixed(), "UpgradeConfiguration")
    found, report = reading.decoded(UpgradeConfiguration)
    upgrade = _upgrade(found, part, flags, report, environment)
    reading.finish()
    return upgrade


def upgrade_from(reading: Reading, environment: Environment) -> UpgradeConfiguration:
    upgrade, report = reading.decoded(UpgradeConfiguration)
    upgrade = filled(upgrade)
    check_upgrade(upgrade, report, is_dir=environment.is_dir)
    return upgrade


def _upgrade(
    given: UpgradeConfiguration, part: Part, flags: UpgradeFlags, report: Report, environment: Environment
) -> UpgradeConfiguration:
    """Flags, defaults and checks."""
    report.flags = {**report.flags, **flags.places(part)}
    upgrade = flags.over(filled(given), part)
    check_upgrade(upgrade, report, is_dir=environment.is_dir)
    section = getattr(upgrade, part)
    if part in ("apply", "node"):
        skipped_at: Path = (part, "skipPhases")
        at: Path = (part, "ignorePreflightErrors")
        check_run(section.ignore_preflight_errors, section.skip_phases, report, environment, where=at, skipped_at=skipped_at)
    if part == "node" or not section.kubernetes_version:
        return upgrade
    version = _upgrade_version(section.kubernetes_version, (part, "kubernetesVersion"), report, environment)
    return replace(upgrade, **{part: replace(section, kubernetes_version=version)})


def _upgrade_version(text: str, path: Path, report: Report, environment: Environment) -> str:
    """As the release is called ("v1.36.2"). A label is looked up, and refused where that fails: another version than the one
    meant would not be seen before the upgrade is done."""
    if is_label(text):
        found = look_up_label(text, environment.ask)
        if found is None:
            report.problem(path, f"{text} cannot be looked up at https://dl.k8s.io; give the version itself, such as v1.36.2")
        return found or text
    try:
        return str(parse_version(text.removeprefix("release/")))
    except ValueError as error:
        report.problem(path, str(error))
        return text
