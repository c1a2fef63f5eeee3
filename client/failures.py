"""Why a command ended early: a sentence for a person and the exit code for a script. Nothing else is a failure."""

import errno
import socket
import ssl
from collections.abc import Iterator
from enum import IntEnum

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "the network is unreachable",
    errno.ETIMEDOUT: "no answer in time",
    errno.EPIPE: "the connection was closed",
}


_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
"""What OpenSSL calls an answer that is none of TLS."""


class ExitCode(IntEnum):
    """Exit codes; part of the command's contract with scripts."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_LOGGED_IN = 3
    UNREACHABLE = 4
    BUG = 70
    INTERRUPTED = 130


EXITS = {
    ExitCode.OK: "success",
    ExitCode.REFUSED: "the server refused the request, or it can't be done here (the message says why)",
    ExitCode.USAGE: "wrong usage (unknown command, option or value)",
    ExitCode.NOT_LOGGED_IN: "not logged in, or the session has ended",
    ExitCode.UNREACHABLE: "the server can't be reached, or `doctor` found a problem",
    ExitCode.BUG: "internal error (a bug in this program)",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}
"""The meaning of each: shown by `--help`, the manual page and the docs."""


class Failure(Exception):  # noqa: N818 - not every one is an error: being logged out is not
    """The command can't go on; `str()` is the sentence to show."""

    exit = ExitCode.REFUSED


class ServerRefused(Failure):
    """The server said no; `code` is one of the wire's, or empty if the answer had none."""

    def __init__(self, detail: str, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.retry_after_s = retry_after_s


class UsageError(Failure):
    """The command was typed in a way that it can't be meant."""

    exit = ExitCode.USAGE


class NotLoggedIn(Failure):
    """There is no session, or it has ended."""

    exit = ExitCode.NOT_LOGGED_IN


class Interrupted(Failure):
    """Ctrl-C; there is nothing to say."""

    exit = ExitCode.INTERRUPTED


class Unreachable(Failure):
    """The server did not answer."""

    exit = ExitCode.UNREACHABLE


def unreachable(server: str, why: str) -> Unreachable:
    """The failure of a server that does not answer; `why` in a few words."""
    way = "Is that its address, and is it running? Another one is named by --server or $CHATTERBOX_SERVER."
    return Unreachable(f"Can't reach {server}: {why.rstrip('.')}. {way}")


def reason(problem: BaseException) -> str:
    """Say in a few words why a connection failed, from the first cause that says it."""
    for cause in _causes(problem):
        if (words := _reason_of(cause)) is not None:
            return words
    return str(problem).strip().rstrip(".") or type(problem).__name__


def _causes(problem: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = problem
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason_of(problem: BaseException) -> str | None:
    if isinstance(problem, socket.gaierror):
        return "no such host is known"
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({problem.verify_message})"
    if isinstance(problem, ssl.SSLError) and problem.reason in _NO_TLS:
        return "it speaks no TLS (then its address begins with http://)"
    if isinstance(problem, OSError) and problem.errno in _REASONS:
        return _REASONS[problem.errno]
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, EOFError):
        return "the connection was closed before an answer came"
    return next((words for number, words in _REASONS.items() if f"[Errno {number}]" in str(problem)), None)
