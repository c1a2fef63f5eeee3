"""How far a user has read a room, and what a room notifies them of."""

from enum import StrEnum

import msgspec

from chatterbox.wire.position import Whole

MOST_TOLD = 999
"""Unread messages and mentions are counted up to here: it means this many or more."""


class NotificationLevel(StrEnum):
    """Of what a room notifies a user, on all of their devices."""

    CLIENT = ""
    """Each client decides."""
    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


class ReadState(msgspec.Struct, frozen=True, array_like=True):
    """The state of one room for one user, as services tell it to each other; frames have fields of the same names."""

    read: Whole = 0
    """The offset up to which the user has read."""
    turn: Whole = 0
    """Positions are compared as (turn, read), and the greater one counts: marking as unread begins a turn."""
    unread: Whole = 0
    """Messages of others after `read` and up to offset `counted`."""
    mentions: Whole = 0
    """Those of them that mention the user; in a direct conversation, all of them."""
    counted: Whole = 0
    """The offset up to which `unread` and `mentions` count."""
    notify: NotificationLevel = NotificationLevel.CLIENT
    until: str = ""
    """RFC 3339: before this time the room does not notify the user, whatever the level."""
