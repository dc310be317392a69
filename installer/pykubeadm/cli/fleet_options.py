"""What the commands below `cluster` share: which machines, how a run over them goes, is shown, and ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import Globals

if TYPE_CHECKING:
    from pykubeadm.errors import BugError
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.workflow.events import Event, Subscriber


def sources() -> list[click.Parameter]:
    return [
        click.Option(["-f", "--file"], metavar="FILE", help="The cluster file (default: cluster.yaml, or none with -i)."),
        click.Option(
            ["-i", "--inventory"],
            multiple=True,
            metavar="PATH",
            help="An Ansible inventory that names the hosts. May be given several times.",
        ),
        click.Option(["-K", "--ask-become-pass"], is_flag=True, help="Ask for sudo's password (or set $PYKUBEADM_BECOME_PASS)."),
    ]


def choosing() -> list[click.Parameter]:
    """Of commands that only ask."""
    return [
        click.Option(["-l", "--limit"], metavar="HOSTS", help="Only these hosts, comma-separated."),
        click.Option(["--forks"], type=click.IntRange(1), default=50, show_default=True, help="How many hosts at a time."),
    ]


def running() -> list[click.Parameter]:
    """Of commands that do something on hosts."""
    end = "Stop after this time, such as 30m (default: never)."
    return [*choosing(), click.Option(["--timeout"], metavar="DURATION", help=end)]


def begun(values: dict[str, Any]) -> tuple[Described, Options]:
    """What a run is for, and how it goes. Of its time an inventory that is read takes its part, a question of ours none."""
    password = _sudo_password(values)
    options = options_of(values)
    return _described(values, password, options.left), options


def described_of(values: dict[str, Any]) -> Described:
    """For commands that ask no machine."""
    return _described(values, _sudo_password(values))


def _sudo_password(values: dict[str, Any]) -> str:
    if values["ask_become_pass"]:
        return str(click.prompt("sudo password", hide_input=True, err=True))
    return os.environ.get("PYKUBEADM_BECOME_PASS", "")


def _described(values: dict[str, Any], password: str, left: float | None = None) -> Described:
    from pykubeadm.fleet.file import describe

    def note(message: str) -> None:
        click.echo(f"warning: {message}", err=True)

    return describe(values["file"], values["inventory"], note, sudo_password=password, left=left)


def options_of(values: dict[str, Any]) -> Options:
    from pykubeadm.errors import UsageError
    from pykubeadm.fleet.options import Options
    from pykubeadm.util.duration import parse_duration

    timeout = values.get("timeout")
    try:
        seconds = 0.0 if timeout is None else parse_duration(timeout).total_seconds()
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error
    if timeout is not None and seconds <= 0:
        raise UsageError(f"--timeout: {timeout} must be more than 0s; leave it out for a run without an end")
    limit = tuple(name.strip() for name in (values["limit"] or "").split(",") if name.strip())
    if values["limit"] is not None and not limit:  # not all of them: a variable that is not set must not reset a whole cluster
        raise UsageError("--limit names no host: leave it out for all hosts")
    return Options(limit=limit, forks=values["forks"], until=values.get("until") or "", timeout=seconds)


def emit_of(ctx: click.Context, described: Described) -> Subscriber:
    from pykubeadm.cli.display import stamped
    from pykubeadm.cli.fleet_display import fleet_subscriber

    settings = ctx.ensure_object(Globals)
    names = tuple(host.name for host in described.cluster.hosts)
    return stamped(fleet_subscriber(settings.output, names, verbosity=settings.verbosity), by_topic=True)


def begin_log(described: Described, command: str) -> RunLog:
    """The log of a run of this command, without passwords of sudo whatever says them."""
    from pykubeadm.fleet.log import RunLog, log_path

    return RunLog(log_path(command), described.sudo_passwords.values())


def _silent(_event: Event) -> None:
    return


@contextmanager
def ending_well(log: RunLog, emit: Subscriber = _silent) -> Iterator[None]:
    """However the run ends, nothing of it goes on, what shows it (`emit`) hands the terminal back, its log is whole, and where it
    failed, the user knows where to look."""
    from pykubeadm.ansible.playbook import end_playbooks
    from pykubeadm.errors import BUG, INTERRUPTED, PykubeadmError
    from pykubeadm.workflow.events import RunFinished

    try:
        yield
    except PykubeadmError:
        show_log(log)
        raise
    except KeyboardInterrupt:
        emit(RunFinished(outcome="interrupted", changed=0, exit_status=INTERRUPTED))
        log.line("", "interrupted")
        raise
    except Exception:
        emit(RunFinished(outcome="failed", changed=0, exit_status=BUG))
        raise
    finally:
        end_playbooks()  # also one that --timeout did not wait for, and that may not have begun to watch whether we are there
        log.flush()
        if log.problem:
            click.echo(f"warning: {log.problem}", err=True)


def show_log(log: RunLog) -> None:
    """Where the log is, if anything was done that it is on."""
    log.flush()
    if log.made:
        click.echo(f"The log of this run is {log.path}", err=True)


def failed(ctx: click.Context, bug: BugError | None = None) -> int:
    """The exit status where something is wrong on a host: a bug's where that is one, which is raised where `-v 5` asks for it."""
    from pykubeadm.errors import NodeError

    if bug is None:
        return NodeError.exit_status
    if ctx.ensure_object(Globals).verbosity >= 5:
        raise bug
    return bug.exit_status
