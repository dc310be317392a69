"""What `reset` reads: a file or flags in, a complete and checked configuration out, or ConfigError with every problem."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.config.defaults import complete_reset
from pykubeadm.config.model import ResetConfiguration
from pykubeadm.config.reading import Environment, Reading, check_run, open_for
from pykubeadm.config.report import Report
from pykubeadm.config.reset_flags import RESET_FLAG_AT, ResetFlags, reset_configuration
from pykubeadm.config.source import Source
from pykubeadm.config.validate_node import check_reset
from pykubeadm.errors import ConfigError, Problem


def read_reset(source: Source | None, flags: ResetFlags, environment: Environment) -> ResetConfiguration:
    """What `reset` acts on, from a file or from flags; the flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        report = Report(problems, environment.note, flags=RESET_FLAG_AT)
        reset = _reset(_with_reset_flags(reset_configuration(flags), flags, report), report, environment)
        if problems:
            raise ConfigError(problems)
        return reset
    reading = open_for(source, environment.note, flags.mixed(), "ResetConfiguration")
    found, report = reading.decoded(ResetConfiguration)
    reset = _reset(_with_reset_flags(found, flags, report), report, environment)
    reading.finish()
    return reset


def reset_from(reading: Reading, environment: Environment) -> ResetConfiguration:
    reset, report = reading.decoded(ResetConfiguration)
    return _reset(reset, report, environment)


def _reset(reset: ResetConfiguration, report: Report, environment: Environment) -> ResetConfiguration:
    """Defaults and checks."""
    reset = complete_reset(reset, environment.host, report)
    check_reset(reset, report)
    check_run(reset.ignore_preflight_errors, reset.skip_phases, report, environment, where=("ignorePreflightErrors",))
    return reset


def _with_reset_flags(reset: ResetConfiguration, flags: ResetFlags, report: Report) -> ResetConfiguration:
    """With the flags that stand beside a file, which win over it; names of checks are of either source, in lower case."""
    if flags.skip_phases:
        report.flags = {**report.flags, ("skipPhases",): "--skip-phases"}
    if flags.ignore_preflight_errors:
        report.flags = {**report.flags, ("ignorePreflightErrors",): "--ignore-preflight-errors"}
    ignored = {name.lower() for name in (*reset.ignore_preflight_errors, *(flags.ignore_preflight_errors or ()))}
    return replace(
        reset,
        ignore_preflight_errors=tuple(sorted(ignored)),
        dry_run=reset.dry_run or flags.dry_run,
        skip_phases=flags.skip_phases or reset.skip_phases,
    )
