"""What faces show beside, or in the place of, a message of an encrypted room. Pure."""

from client.encryption.core.trust import DecryptedMessage, Unreadable
from client.text.encryption.encryption_text import irregularity_line, plain_line, unreadable_line


def notices_of(message: DecryptedMessage) -> list[str]:
    """The notices before a message, or in the place of one that is unreadable; none for most."""
    if message.deleted:
        return []
    if message.unreadable is Unreadable.PLAIN:
        return [plain_line(message.username, message.content)]
    if message.unreadable is not None:
        return [unreadable_line(message.unreadable, message.username)]
    if message.irregularity is not None:
        return [irregularity_line(message.irregularity, message.username)]
    return []


def encryption_words(*, encrypted: bool, is_possible: bool) -> str:
    """What is said of a direct conversation when it is opened; empty where a server encrypts nothing.

    >>> encryption_words(encrypted=True, is_possible=True)
    ', encrypted'
    """
    if not is_possible and not encrypted:
        return ""
    return ", encrypted" if encrypted else ", not encrypted"
