"""Failures that end a command: a sentence for a person and an exit code for a script."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; part of the command's contract with scripts."""

    OK = 0
    REFUSED = 1
    NOTHING_UNREAD = 1
    """Of `unread`, where a refusal is `UNREACHABLE`."""
    NOTHING_FOUND = 1
    """Of `search`."""
    USAGE = 2
    NOT_LOGGED_IN = 3
    UNREACHABLE = 4
    KEYS_CHANGED = 5
    """A message was not sent, because the keys of its recipient changed."""
    UNREADABLE = 6
    """`tail` printed messages that it could not decrypt."""
    BUG = 70
    INTERRUPTED = 130


EXITS = {
    ExitCode.OK: "success",
    ExitCode.REFUSED: (
        "the server refused the request, or it can't be done here (the message says why); `unread`: nothing is unread; "
        "`search`: nothing was found"
    ),
    ExitCode.USAGE: "wrong usage (unknown command, option or value)",
    ExitCode.NOT_LOGGED_IN: "not logged in, or the session has ended",
    ExitCode.UNREACHABLE: "the server can't be reached, or `doctor` found a problem",
    ExitCode.KEYS_CHANGED: "a recipient has new keys, and nothing was sent to them (see `keys accept`, --accept-keys)",
    ExitCode.UNREADABLE: "`tail` and `decrypt`: some of the printed messages could not be decrypted",
    ExitCode.BUG: "internal error (a bug in this program)",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}
"""The meaning of each: shown by `--help`, the manual page and the docs."""


class Failure(Exception):  # noqa: N818 - not every one is an error: being logged out is not
    """The command can't continue; `str()` is the sentence to show."""

    exit = ExitCode.REFUSED


class ServerRefused(Failure):
    """The server refused a request; `code` is its error code, or empty if the response had none."""

    def __init__(self, detail: str, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.retry_after_s = retry_after_s


class UsageError(Failure):
    """Wrong usage: an unknown command, option or value."""

    exit = ExitCode.USAGE


class NotLoggedIn(Failure):
    """There is no session, or it has ended."""

    exit = ExitCode.NOT_LOGGED_IN


class Interrupted(Failure):
    """The user pressed Ctrl-C; nothing is printed."""

    exit = ExitCode.INTERRUPTED


class Unreachable(Failure):
    """The server did not answer."""

    exit = ExitCode.UNREACHABLE


class KeysChanged(Failure):
    """The keys of a recipient changed, and the user has not accepted that."""

    exit = ExitCode.KEYS_CHANGED


def unreachable(server: str, why: str) -> Unreachable:
    """The failure for a server that does not answer; `why` in a few words."""
    hint = "Is the server running? To use another: --server URL or $CHATTERBOX_SERVER."
    return Unreachable(f"Can't reach {server}: {why.rstrip('.')}. {hint}")
