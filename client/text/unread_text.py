"""How much is unread, as lines for people. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from chatterbox.wire.read_state import MOST_TOLD
from client.core.direct_rooms import is_direct
from client.text.room_text import shown_room

SUMMARY_ROOMS = 5
"""Rooms that the summary of one line names."""


class UnreadRoom(NamedTuple):
    """How much of a room is unread."""

    room: str
    unread: int
    mentions: int = 0


def by_urgency(rooms: Iterable[UnreadRoom]) -> list[UnreadRoom]:
    """The rooms with unread messages, those with mentions first."""
    unread = (room for room in rooms if room.unread)
    return sorted(unread, key=lambda room: (-room.mentions, -room.unread, room.room))


def unread_lines(rooms: Iterable[UnreadRoom]) -> list[str]:
    """A line for each room with unread messages.

    >>> unread_lines([UnreadRoom("ops", 3), UnreadRoom("dev", 12, 1), UnreadRoom("general", 0)])
    ['#dev  12 unread, 1 mention', '#ops  3 unread']
    """
    listed = by_urgency(rooms)
    widest = max((len(shown_room(room.room)) for room in listed), default=0)
    return [f"{shown_room(room.room):<{widest}}  {counts(room)}" for room in listed]


def unread_summary_line(rooms: Iterable[UnreadRoom]) -> str:
    """The rooms with unread messages in one line; empty if there are none.

    >>> unread_summary_line([UnreadRoom("ops", 3), UnreadRoom("dev", 12, 1)])
    'Unread: #dev (12 unread, 1 mention), #ops (3 unread).'
    """
    listed = by_urgency(rooms)
    named = [f"{shown_room(room.room)} ({counts(room)})" for room in listed[:SUMMARY_ROOMS]]
    more = len(listed) - len(named)
    rest = f", and {more} more: /unread" if more else ""
    return f"Unread: {', '.join(named)}{rest}." if named else ""


def counts(room: UnreadRoom) -> str:
    """How much is unread; in a direct conversation each message is a mention, so they are not named.

    >>> counts(UnreadRoom("ops", 999, 2)), counts(UnreadRoom("@bob", 2, 2))
    ('999+ unread, 2 mentions', '2 unread')
    """
    unread = f"{shown_count(room.unread)} unread"
    if not room.mentions or is_direct(room.room):
        return unread
    return f"{unread}, {shown_count(room.mentions)} mention{'' if room.mentions == 1 else 's'}"


def shown_count(count: int) -> str:
    """A count as people read it: the server counts up to 999.

    >>> shown_count(998), shown_count(1500)
    ('998', '999+')
    """
    return f"{MOST_TOLD}+" if count >= MOST_TOLD else str(count)
