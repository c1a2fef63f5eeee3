"""Standard output and standard error of commands, wrapped to the width of the terminal."""

import os
import shutil
import sys
from contextlib import suppress
from typing import TextIO

from client.failures import ExitCode, Failure
from client.text.line_wrap import NOTICE, hung
from client.text.note_text import messages


def print_result(line: str) -> None:
    """Print a line of the result, to standard output. Raises `Failure` if it can't be written, as on a full disk."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as problem:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails at exit, too
        raise Failure(f"Can't write the output ({problem.strerror}).") from problem


def print_status(line: str) -> None:
    """Print a line about the run, to standard error."""
    for part in hung(line, columns_of(sys.stderr)):
        print(part, file=sys.stderr, flush=True)


def print_notice(line: str) -> None:
    """Print a status line with the client's mark, so that text from the server can't pass for a message."""
    print_status(f"{NOTICE}{line}")


def report_unsent(count: int) -> ExitCode:
    """Report how many messages stay in the outbox at the end of a chat, and return the exit code for it."""
    if not count:
        return ExitCode.OK
    print_status(f"{messages(count)} not sent yet, kept in the outbox for the next chat or send.")
    return ExitCode.UNREACHABLE


def columns_of(stream: TextIO) -> int | None:
    """The width of the terminal that `stream` writes to; None if it is not a terminal."""
    if not stream.isatty():
        return None
    with suppress(OSError, ValueError):
        if columns := os.get_terminal_size(stream.fileno()).columns:
            return columns
    return shutil.get_terminal_size().columns
