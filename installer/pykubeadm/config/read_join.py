"""What `join` reads: a file or flags in, a complete and checked configuration out, or ConfigError with every problem."""

from __future__ import annotations

from pykubeadm.config.defaults import complete_join
from pykubeadm.config.join_flags import JOIN_FLAG_AT, JoinFlags, join_configuration
from pykubeadm.config.model import JoinConfiguration
from pykubeadm.config.reading import NODES_CHECKS, Environment, Reading, check_run, open_for, with_node_flags
from pykubeadm.config.report import Report
from pykubeadm.config.source import Source
from pykubeadm.config.validate_node import check_join
from pykubeadm.errors import ConfigError, Problem

_NO_CLUSTER = (
    "give the API server's host:port with --token and --discovery-token-ca-cert-hash, or --discovery-file; "
    "`pykubeadm token create --print-join-command` on a control plane prints the whole command"
)


def read_join(source: Source | None, flags: JoinFlags, environment: Environment) -> JoinConfiguration:
    """What `join` acts on, from a file or from flags; the flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        if not flags.api_server_endpoint and not flags.discovery_file:
            raise ConfigError([Problem("discovery", 0, 0, "", _NO_CLUSTER)])
        if names := flags.without_control_plane():  # a warning only, as in kubeadm
            environment.note(f"{', '.join(names)} means nothing without --control-plane: this node joins as a worker")
        token = "--discovery-token" if flags.discovery_token else "--token"
        flag_at = {**JOIN_FLAG_AT, ("discovery", "bootstrapToken", "token"): token}
        report = Report(problems, environment.note, flags=flag_at)
        join = _join(with_node_flags(join_configuration(flags), flags, report), report, environment)
        if problems:
            raise ConfigError(problems)
        return join
    reading = open_for(source, environment.note, flags.mixed(), "JoinConfiguration")
    if "JoinConfiguration" not in reading.documents:
        reading.finish()  # a document that is not there has no missing fields
    join, report = reading.decoded(JoinConfiguration)
    join = _join(with_node_flags(join, flags, report), report, environment)
    reading.finish()
    return join


def join_from(reading: Reading, environment: Environment) -> JoinConfiguration:
    join, report = reading.decoded(JoinConfiguration)
    return _join(join, report, environment)


def _join(join: JoinConfiguration, report: Report, environment: Environment) -> JoinConfiguration:
    """Defaults and checks."""
    join = complete_join(join, environment.host, report)
    check_join(join, report, is_dir=environment.is_dir, is_file=environment.is_file)
    check_run(join.node_registration.ignore_preflight_errors, join.skip_phases, report, environment, where=NODES_CHECKS)
    return join
