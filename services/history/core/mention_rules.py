"""Finds the members whom a text mentions. Pure."""

import re
from collections.abc import Iterator, Mapping

from chatterbox.wire.text_rules import USERNAME_MAX_TYPED, folded

EVERYONE = "@room"
"""The mention of all members of the room."""
_MENTION = re.compile(r"(?<!\w)(?<!\w[.-])@(\w[\w.\u0300-\u036f-]*)")
"""An `@` that does not continue a word, as in an address, and the name after it; letters may have combining accents."""


def mentioned(text: str, members: Mapping[str, str], *, may_call: bool, limit: int) -> tuple[str, ...]:
    """The usernames after an `@` in `text`, in order; at most `limit`. `members`: usernames by folded username.

    `may_call`: whether `@room` counts.

    >>> mentioned("@Bob, ask @ada. and bob@example.org", {"ada": "ada", "bob": "Bob"}, may_call=False, limit=9)
    ('Bob', 'ada')
    """
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        if len(found) >= limit:
            break
        if (name := _name(match[1], members, may_call=may_call)) is not None:
            found[name] = None
    return tuple(found)


def _name(written: str, members: Mapping[str, str], *, may_call: bool) -> str | None:
    """The longest username at the start of what is written after an `@`."""
    # Only a short text is folded: thousands of combining marks would take seconds.
    for name in _readings(folded(written[:USERNAME_MAX_TYPED])):
        if may_call and name == EVERYONE[1:]:
            return EVERYONE
        if (username := members.get(name)) is not None:
            return username
    return None


def _readings(written: str) -> Iterator[str]:
    """What is written, then the same with ever fewer of the dots and dashes at its end: a sentence ends in one, too."""
    yield written
    while written and written[-1] in ".-":
        written = written[:-1]
        yield written
