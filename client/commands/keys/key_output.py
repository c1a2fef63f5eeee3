"""Prints what the commands about keys say, with commands as they are typed in a shell; asks for the passphrase."""

import sys
from collections.abc import Iterable

from client.commands.prompts import ask_secret
from client.encryption.store.store_key import STORE_LOCKED
from client.failures import Failure
from client.output import print_result
from client.text.encryption.shell_words import for_shell


def tell(sentence: str) -> None:
    """Print a line of the result."""
    print_result(for_shell(sentence))


def tell_all(sentences: Iterable[str]) -> None:
    """Print lines of the result."""
    for sentence in sentences:
        tell(sentence)


def ask_passphrase() -> str:
    """Ask for the passphrase of the key store; raises `Failure` without a terminal."""
    if not sys.stdin.isatty():
        raise Failure(STORE_LOCKED)
    return ask_secret("Passphrase of the key store: ")
