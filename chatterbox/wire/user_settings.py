"""Settings that a user makes for themselves and the server keeps."""

from enum import StrEnum


class Writers(StrEnum):
    """Who may write direct messages to a user; blocked users never may."""

    EVERYONE = "everyone"
    ROOMS = "rooms"
    """Who is in a room with the user; the room that everyone is in does not count."""
    NOBODY = "nobody"


class PresenceAudience(StrEnum):
    """Who may see whether a user is connected, and when they were last."""

    EVERYONE = "everyone"
    NOBODY = "nobody"


class NotificationLevel(StrEnum):
    """Of what a room notifies a user, on all of their devices."""

    CLIENT = ""
    """Each client decides."""
    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"
