"""Finds web addresses and mentions in a message. Pure."""

import re
from typing import NamedTuple

from chatterbox.wire.frames import Message
from client.core.read_state.room_read_state import EVERYBODY

_LINK = re.compile(r"https?://[^\s<>\"'`{}|\\^\u2400-\u2426‹›]+", re.IGNORECASE)  # noqa: RUF001 - written by `inert`
_TRAILING = ".,;:!?*_~"
_CLOSING = {")": "(", "]": "["}


class Link(NamedTuple):
    """An address, and its start and end in the text."""

    start: int
    end: int
    address: str


def links(text: str) -> list[Link]:
    """Find the http and https addresses in `text`, without the punctuation that ends a sentence.

    >>> [link.address for link in links("(see https://a.example/b_(c).)")]
    ['https://a.example/b_(c)']
    """
    found = ((match.start(), _trimmed(match[0])) for match in _LINK.finditer(text))
    return [Link(start, start + len(address), address) for start, address in found]


def _trimmed(address: str) -> str:
    while address:
        last = address[-1]
        unbalanced = last in _CLOSING and address.count(last) > address.count(_CLOSING[last])
        if last not in _TRAILING and not unbalanced:
            break
        address = address[:-1]
    return address


def mentions(text: str, username: str) -> bool:
    """Whether `text` contains `username` as a whole word, with or without an @; case is ignored.

    >>> mentions("ask Bob.", "bob"), mentions("bobsled", "bob")
    (True, False)
    """
    if not username or username.casefold() not in text.casefold():
        return False
    return re.search(rf"(?<![\w-]){re.escape(username)}(?![\w-])", text, re.IGNORECASE) is not None


def is_mentioned(username: str, message: Message, replied: Message | None = None) -> bool:
    """Whether a message mentions the user, or answers (`replied`) one of theirs.

    The server lists the users that a message mentions; if it lists none, the text decides.
    """
    if message.deleted or not username:
        return False
    if replied is not None and replied.username == username:
        return True
    if message.mentions:
        return username in message.mentions or EVERYBODY in message.mentions
    return mentions(message.content, username)
