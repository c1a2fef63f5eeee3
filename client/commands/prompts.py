"""Prompts on the terminal. Ctrl-C ends the command silently, Ctrl-D with a message."""

import getpass
import sys
from collections.abc import Callable

from client.failures import UsageError


def ask(question: str) -> str:
    """Prompt for a line, and strip it."""
    return _answer(input, question).strip()


def ask_secret(question: str) -> str:
    """Prompt for a secret, which is not echoed."""
    return _answer(getpass.getpass, question)


def _answer(prompt: Callable[[str], str], question: str) -> str:
    try:
        return prompt(question)
    except KeyboardInterrupt:
        _end_line()
        raise
    except EOFError:
        _end_line()
        raise UsageError("Cancelled.") from None


def _end_line() -> None:
    """Print the rest on a line of its own."""
    print(file=sys.stderr)
