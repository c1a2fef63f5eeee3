"""Who users are, and whether they are connected: profiles, presence, and who may see them.

A field that a user does not show to a viewer is absent, as is one that the user left empty.
"""

from enum import StrEnum

import msgspec

from chatterbox.wire.position import Whole
from chatterbox.wire.text_rules import timestamp

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SEEN_STEPS = ((HOUR_MS, 5 * MINUTE_MS), (DAY_MS, HOUR_MS), (30 * DAY_MS, DAY_MS))
"""Up to which age (milliseconds), last seen is rounded down to what."""


class PresenceState(StrEnum):
    """Whether a user is connected, as of all gateways."""

    ONLINE = "online"
    AWAY = "away"
    """Connected, but no device is in use."""
    OFFLINE = "offline"
    """Not connected; or the user does not show their presence."""
    UNKNOWN = "unknown"
    """The gateway does not know at the moment, for example shortly after its start."""


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a user is here."""

    username: str
    state: PresenceState
    seen: str = ""
    """RFC 3339, rounded down: when an offline user was last connected. Absent: not shown, or long ago."""


class Audience(StrEnum):
    """Who may see a field of a profile."""

    EVERYONE = "everyone"
    ROOMS = "rooms"
    """Who is in a room with the user; the room that everyone is in does not count."""
    NOBODY = "nobody"


class Privacy(msgspec.Struct, frozen=True, array_like=True):
    """What a user tells others of what they do. Without a stored one, everything."""

    presence: bool = True
    """Whether others see the user online, away, or last seen; if not, the user looks offline, and nothing is stored."""
    typing: bool = True
    """Whether others see that the user is typing."""
    receipts: bool = True
    """Whether others see how far the user has read."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user tells about themselves."""

    display_name: str = ""
    bio: str = ""
    avatar: str = ""
    """The id of the picture: `GET /avatars/{id}/256`. Another picture has another id."""
    status: str = ""
    """A short text, such as "back at three"."""
    status_until: str = ""
    """RFC 3339: when the status ends; empty: it stays until it is changed."""


class Audiences(msgspec.Struct, frozen=True, kw_only=True):
    """Who may see each field of a profile (`status` includes when it ends)."""

    display_name: Audience = Audience.EVERYONE
    bio: Audience = Audience.EVERYONE
    avatar: Audience = Audience.EVERYONE
    status: Audience = Audience.EVERYONE


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user as one viewer may see them."""

    username: str
    profile: Profile = Profile()
    seen: str = ""
    """RFC 3339, rounded down: when the user was last connected. Empty: not shown, or long ago."""
    version: Whole = 0
    """Changes whenever the profile, who may see it, or the privacy changes; 0: none of them ever did."""


def last_seen(seen_ms: int, now_ms: int) -> str:
    """The time as others are told it at `now_ms`, RFC 3339; empty: never (0), or long ago.

    >>> last_seen(1_790_000_000_123, 1_790_000_300_000)
    '2026-09-21T14:10:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_790_020_000_000)
    '2026-09-21T14:00:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_790_200_000_000)
    '2026-09-21T00:00:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_799_000_000_000)
    ''
    """
    for age_ms, step_ms in SEEN_STEPS if seen_ms else ():
        if now_ms - seen_ms < age_ms:
            return timestamp(seen_ms - seen_ms % step_ms)
    return ""


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
