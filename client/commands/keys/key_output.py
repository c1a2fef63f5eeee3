"""Prints what the commands about keys say, with commands as they are typed in a shell."""

from client.output import print_result
from client.text.encryption.shell_words import for_shell


def tell(sentence: str) -> None:
    """Print a line of the result."""
    print_result(for_shell(sentence))
