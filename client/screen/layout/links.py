"""Web addresses in inert text, and whether somebody is mentioned. Pure."""

import re
from typing import NamedTuple

_LINK = re.compile(r"https?://[^\s<>\"'`{}|\\^\u2400-\u2426‹›]+", re.IGNORECASE)  # noqa: RUF001 - what `inert` makes
_TRAILING = ".,;:!?*_~"
_CLOSING = {")": "(", "]": "["}


class Link(NamedTuple):
    """Where an address stands in a text."""

    start: int
    end: int
    address: str


def links(text: str) -> list[Link]:
    """Find the addresses in `text`; what ends the sentence does not belong to them.

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
    """Whether `text` names somebody: the whole word, with or without an @.

    >>> mentions("ask Bob.", "bob"), mentions("bobsled", "bob")
    (True, False)
    """
    if not username or username.casefold() not in text.casefold():
        return False
    return re.search(rf"(?<![\w-]){re.escape(username)}(?![\w-])", text, re.IGNORECASE) is not None
