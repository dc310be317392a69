"""`pykubeadm`: the root of the command line, and the one place where errors become text and an exit status."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

from pykubeadm.cli.lazy import CliGroup, Globals
from pykubeadm.errors import BUG, INTERRUPTED, ConfigError, PykubeadmError, is_of_output, without_secrets


@click.group(
    cls=CliGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    lazy={
        "certs": ("pykubeadm.cli.certs:certs", "Keys and certificates"),
        "cluster": ("pykubeadm.cli.cluster:cluster", "Make, change and check a whole cluster from one file, over SSH"),
        "completion": ("pykubeadm.cli.completion:completion", "Print the completion code for bash, zsh or fish"),
        "config": ("pykubeadm.cli.config:config", "Validate, print, migrate configuration; list images"),
        "doctor": ("pykubeadm.cli.doctor:doctor", "Find what is wrong on this node and in its cluster"),
        "etcd": ("pykubeadm.cli.etcd:etcd", "Check, back up and recover the cluster's etcd"),
        "help": ("pykubeadm.cli.help:help_", "Print the help of a command"),
        "init": ("pykubeadm.cli.init:init", "Make this node the first control plane of a cluster"),
        "join": ("pykubeadm.cli.join:join", "Make this node a part of a cluster: a worker, or a further control plane"),
        "kubeconfig": ("pykubeadm.cli.kubeconfig_user:kubeconfig", "Kubeconfig files for further users"),
        "node": ("pykubeadm.cli.node:node", "Prepare nodes, show their facts; drain, remove, replace"),
        "reconfigure": ("pykubeadm.cli.reconfigure:reconfigure", "Bring the running cluster to another configuration"),
        "reset": ("pykubeadm.cli.reset:reset", "Take this node out of its cluster, undo what init or join did"),
        "support": ("pykubeadm.cli.support:support", "Collect what support needs to know, without secrets"),
        "token": ("pykubeadm.cli.token:token", "Bootstrap tokens"),
        "upgrade": ("pykubeadm.cli.upgrade:upgrade", "Upgrade the cluster to another version of Kubernetes"),
        "verify": ("pykubeadm.cli.verify:verify", "Show on the cluster that it does what Kubernetes promises"),
        "version": ("pykubeadm.cli.version:version", "Print pykubeadm's version"),
    },
    aliases={"certificates": "certs"},
)
def cli() -> None:
    """From bare Linux nodes to a production Kubernetes cluster.

    On a bare node `pykubeadm init` ends with a healthy control plane; run again after any failure, it continues
    where it stopped. Its clusters are kubeadm's: either tool can read and join what the other made.
    """


def main() -> NoReturn:
    """Run the command line; the exit statuses are in docs/reference/exit-status.md."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)  # runs of phases continue: cli/hangup.py
    _open_standard_streams()
    settings = Globals()
    try:
        status = _run(settings)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _leave(settings)
    except OSError as error:  # of writing what there is to report: errors.is_of_output
        if not isinstance(error, BrokenPipeError):  # who reads no further, as head(1), wants no message
            with suppress(OSError):
                click.echo(
                    f"error: the output cannot be written: {error.strerror}; run the same command again to continue", err=True
                )
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries again at its end
        status = 1
    gc.freeze()  # or everything is looked through for garbage once more
    sys.exit(status)


def _run(settings: Globals) -> int:
    """The exit status, once errors are reported."""
    try:
        status = cli.main(prog_name="pykubeadm", obj=settings, standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.message = without_secrets(error.message)  # type: ignore[misc]  # an argument that the command does not take
        error.show()
        return error.exit_code
    except PykubeadmError as error:
        if error.exit_status == BUG and settings.verbosity >= 5:
            raise
        _report(error, settings)
        return error.exit_status
    except click.Abort:
        raise
    except Exception as error:  # users get a sentence, whatever it is
        if is_of_output(error):
            raise
        return _bug(error, settings)


def _bug(error: Exception, settings: Globals) -> int:
    if settings.verbosity >= 5:
        raise error
    click.echo(f"error: this is a bug in pykubeadm ({type(error).__name__}: {error}); -v 5 shows where", err=True)
    return BUG


def _report(error: PykubeadmError, settings: Globals) -> None:
    problems = [str(problem) for problem in error.problems] if isinstance(error, ConfigError) else []
    if settings.output == "json":
        _failed(str(error), tuple(problems), error.exit_status)
    else:
        click.echo("\n".join(problems) or f"error: {error}", err=True)


def _failed(sentence: str, problems: tuple[str, ...], status: int) -> None:
    from pykubeadm.workflow.events import Failure, to_json

    click.echo(to_json(Failure(error=sentence, problems=problems, exit_status=status, time=time.time())))


def _leave(settings: Globals) -> NoReturn:
    """End at once, as the user wants: not when the last command or request of another thread is through."""
    from pykubeadm.node.local import end_commands

    sentence = "interrupted; run the same command again to continue"
    with suppress(OSError):
        if settings.output == "json":
            _failed(sentence, (), INTERRUPTED)
        else:
            click.echo(sentence, err=True)
        sys.stdout.flush()
    end_commands()
    os._exit(INTERRUPTED)


def _open_standard_streams() -> None:
    """Streams that we were started without (`>&-`) lead nowhere; else the next file to be opened, such as the lock, would take
    their place. Streams of another encoding than UTF-8 take every text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:  # opened by the interpreter meanwhile
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115  stays open
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no name, message or answer may fail because of a character


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
