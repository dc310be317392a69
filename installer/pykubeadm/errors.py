"""The families of errors a user can see, each with its exit status.

An error's text is for the user: one sentence saying what failed, where, and what to do.
A traceback on the terminal is a bug. The exit statuses are documented in docs/reference/exit-status.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

EXPIRES_SOON: Final = 7  # no error, but an answer: of `certs check-expiration --warn-days`
UNHEALTHY: Final = 10  # an answer, too: of `verify` and `doctor`, something is wrong with the cluster
BUG: Final = 70  # an error of none of these families (EX_SOFTWARE of sysexits.h)
INTERRUPTED: Final = 130  # the shell's status of a command ended by SIGINT
_TOKEN: Final = (r"(?<![a-z0-9.])([a-z0-9]{6})\.[a-z0-9]{16}(?![a-z0-9.])", r"\1.[removed]")  # its id is public
# One slash, where it was taken for a path; what is before the digest of an image is no user.
_USER_OF_URL: Final = (r"(:/{1,2})[^/\s\"'@:]*:[^/\s\"']*@(?!sha\d+:)", r"\1")


def without_passwords_in_urls(text: str) -> str:
    """A text with its URLs, as far as they are such, without user and password; of one that is to be a URL,
    `transport.proxies.without_password` takes away more."""
    return re.sub(*_USER_OF_URL, text)


def without_secrets(text: str) -> str:
    """What a user typed may be a secret in the wrong place: a bootstrap token, or the password of a URL."""
    return re.sub(*_TOKEN, without_passwords_in_urls(text))


def one_line(text: str) -> str:
    """For a terminal, whatever a user's values hold: what cannot be printed, a line's end included, is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class PykubeadmError(Exception):
    """Anything that ends a command with a sentence instead of a traceback."""

    exit_status = 1

    def __str__(self) -> str:
        return without_passwords_in_urls(super().__str__())


class UsageError(PykubeadmError):
    """The command line is wrong (flags that exclude each other, a missing argument)."""

    exit_status = 2


class DeclinedError(PykubeadmError):
    """The user was asked whether to continue, and did not say yes."""


class Problem(NamedTuple):
    """One thing that is wrong in the configuration. (No dataclass: making one costs a short command some 5 %.)

    `source` is the file's name as the user gave it, or the flag's ("--service-cidr"). `line` and `column` count
    from 1 and are 0 where there is none (a flag). `path` is the field, as in "networking.serviceSubnet".
    """

    source: str
    line: int
    column: int
    path: str
    sentence: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        text = f"{where}: {self.path}: {self.sentence}" if self.path else f"{where}: {self.sentence}"
        return one_line(without_secrets(text))


class ConfigError(PykubeadmError):
    """The configuration is wrong; carries every problem found, in the order of the file."""

    exit_status = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PreflightError(PykubeadmError):
    """One or more preflight checks failed; nothing was changed."""

    exit_status = 3


class PhaseError(PykubeadmError):
    """A phase could not do its work (a wait ran out, a certificate cannot be used)."""

    exit_status = 4


class NodeError(PykubeadmError):
    """The node refused something: a command failed, a file could not be written, a connection broke."""

    exit_status = 5


class NotRootError(NodeError):
    """It refused something to an ordinary user, who may do other things without root."""


class ApiError(PykubeadmError):
    """The Kubernetes API refused a request or could not be reached."""

    exit_status = 6


class UnfinishedError(PykubeadmError):
    """Something could not be done, and what comes after it does not need it: the run continues, and fails with this at its end.
    `changes` are what was done all the same."""

    exit_status = 4

    def __init__(self, sentence: str, changes: Sequence[str] = ()) -> None:
        self.changes = tuple(changes)
        super().__init__(sentence)


class MemberRemainsError(UnfinishedError):
    """This node's etcd member could not be removed from its cluster, which counts on it until somebody removes it."""

    exit_status = 9


class LockedError(PykubeadmError):
    """Another pykubeadm works on this node."""

    exit_status = 8


class BugError(PykubeadmError):
    """An error of none of these families, on one machine of several: only there nothing goes on."""

    exit_status = BUG

    def __init__(self, bug: BaseException) -> None:
        super().__init__(f"this is a bug in pykubeadm ({type(bug).__name__}: {bug})")
        self.__cause__ = bug

    def show_in(self, error: PykubeadmError) -> None:
        """Have what ends the run end it as a bug, with this one as its cause."""
        if error is not self:
            error.exit_status, error.__cause__ = BUG, self


def is_of_output(error: BaseException) -> bool:
    """Whether it is of writing what there is to report; what a node refuses comes as NodeError."""
    return isinstance(error, OSError) and error.filename is None


def with_state(error: PykubeadmError, state: str) -> PykubeadmError:
    """An error of the same family, the first line of which also says in which state things are now. Of preflight, after which
    nothing would be changed, it becomes a PhaseError."""
    kept = (NodeError, ApiError, LockedError, MemberRemainsError, UnfinishedError)
    family = next((known for known in kept if isinstance(error, known)), PhaseError)
    first, _, rest = str(error).partition("\n")
    return family(f"{first}; {state}\n{rest}".rstrip())
