"""What a person is asked on the terminal. Ctrl-C ends the command without a word, Ctrl-D with a sentence."""

import getpass
import sys
from collections.abc import Callable

from client.failures import UsageError


def ask(question: str) -> str:
    """The answer, without blanks around it."""
    return _answer(input, question).strip()


def ask_secret(question: str) -> str:
    """The answer, which is not shown while it is typed."""
    return _answer(getpass.getpass, question)


def _answer(asking: Callable[[str], str], question: str) -> str:
    try:
        return asking(question)
    except KeyboardInterrupt:
        _end_line()
        raise
    except EOFError:
        _end_line()
        raise UsageError("Nothing was typed, so nothing was done.") from None


def _end_line() -> None:
    """What comes next does not belong behind the question."""
    print(file=sys.stderr)
