"""Who is typing, in a part of the status line that has a fixed width. Pure."""

from client.core.people.people_state import TypingUsers
from client.screen.layout.side_lists import fitting
from client.text.line_wrap import width_of
from client.text.sanitize import inert_name

COLUMNS = 26
"""Width of the part in a wide terminal."""
LEAST_COLUMNS = 14
"""A narrower part is left out."""
_ONE = " is typing"


def typing_columns(columns: int) -> int:
    """The width of the part in a terminal of `columns`; 0: there is no room for it."""
    width = min(COLUMNS, columns // 3)
    return width if width >= LEAST_COLUMNS else 0


def typing_text(typing: TypingUsers, columns: int) -> str:
    """Who is typing, in exactly `columns`; empty if no one is.

    >>> typing_text(TypingUsers(("ada",)), 16), typing_text(TypingUsers(("ada", "bob")), 26)
    ('ada is typing   ', 'ada and bob are typing    ')
    >>> typing_text(TypingUsers(("ada", "bob"), 1), 26), typing_text(TypingUsers(("ada", "bob")), 16)
    ('3 people are typing       ', '2 people typing ')
    """
    count = len(typing.who) + typing.more
    if not count:
        return ""
    if count == 1 and typing.who:
        text = fitting(inert_name(typing.who[0]), columns - len(_ONE)) + _ONE
    else:
        who = " and ".join(map(inert_name, typing.who)) if count == len(typing.who) == 2 else ""
        several = [f"{who} are typing"] if who else []
        several += [f"{count} people are typing", f"{count} people typing", f"{count} typing"]
        text = next((text for text in several if width_of(text) <= columns), "")
    return text + " " * (columns - width_of(text)) if text else ""
