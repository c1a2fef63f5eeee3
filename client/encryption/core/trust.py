"""What a client says of who wrote an encrypted message, and why it can't read one. Pure."""

from enum import StrEnum

from chatterbox.wire import frames


class Trust(StrEnum):
    """How a user's master key is known."""

    SEEN = "seen"
    """It is the one that was there first."""
    VERIFIED = "verified"
    """The two users compared their keys."""
    CHANGED = "changed"
    """It is a different one from before, and the user has not accepted it yet."""


class Unreadable(StrEnum):
    """Why a message can't be read. Each has a sentence and a next step in `client.text.encryption.encryption_text`."""

    BEFORE_JOINED = "before_joined"
    NOT_GIVEN = "not_given"
    """It is from before the user joined a room whose new members get earlier keys, but these did not come yet."""
    BEFORE_DEVICE = "before_device"
    """It was sent before this device existed: the key backup may have its keys."""
    AWAITING = "awaiting"
    """Its keys may be on their way."""
    WITHHELD_REMOVED = "withheld_removed"
    WITHHELD_UNSIGNED = "withheld_unsigned"
    WITHHELD_BLOCKED = "withheld_blocked"
    WITHHELD_CHANGED = "withheld_changed"
    WITHHELD_FULL = "withheld_full"
    FORGED = "forged"
    """It is not by a key of the user whose name it bears, or it was damaged."""
    REPLAYED = "replayed"
    WRONG_ROOM = "wrong_room"
    PLAIN = "plain"
    """It is not encrypted, though the room is: the server says it, not the user whose name it bears."""
    UNINVITED = "uninvited"
    """It is of a user whom no member of the room invited."""
    NEWER = "newer"
    STORE_DAMAGED = "store_damaged"
    LOST = "lost"


MAY_COME = frozenset(
    {
        Unreadable.AWAITING,
        Unreadable.LOST,
        Unreadable.BEFORE_DEVICE,
        Unreadable.BEFORE_JOINED,
        Unreadable.NOT_GIVEN,
        Unreadable.WITHHELD_REMOVED,
        Unreadable.WITHHELD_UNSIGNED,
        Unreadable.WITHHELD_BLOCKED,
        Unreadable.WITHHELD_CHANGED,
        Unreadable.WITHHELD_FULL,
    }
)
"""Why a message can't be read now, though its key may come: from a member, or out of the key backup."""


class Irregularity(StrEnum):
    """What is wrong with where a message stands, though it is by who it says."""

    MISSING_BEFORE = "missing_before"
    """Its sender sent a message before it that the server left out."""
    REORDERED = "reordered"
    """It stands in another order than its sender sent it."""
    TWO_HISTORIES = "two_histories"
    """Its sender was shown other messages before it than this client."""
    TWO_MEMBER_LOGS = "two_member_logs"
    """Its sender was shown other members of the room than this client."""


class DecryptedMessage(frames.Message, frozen=True, kw_only=True, omit_defaults=True, tag="message"):
    """A message of an encrypted room, as the client shows it: `content` is the text, or empty if it is `unreadable`."""

    trust: Trust | None = None
    unreadable: Unreadable | None = None
    irregularity: Irregularity | None = None
    key_from: str = ""
    """Who gave this device the key, if it was not the author: this member vouches for who wrote it."""
