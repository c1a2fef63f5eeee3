"""What is in the items of a key backup, before they are encrypted. Pure."""

import base64

import msgspec

from chatterbox.wire.encryption.device_keys import MEGOLM, matrix_room
from chatterbox.wire.encryption.envelope import from_base64url
from chatterbox.wire.position import Whole


class BackupSession(msgspec.Struct, frozen=True, kw_only=True):
    """A Megolm session as Matrix exports it, and whose it is: what this client proved when it received the session.

    Every field is written, as other programs require it.
    """

    room_id: str
    """As `matrix_room` names the room."""
    session_id: str
    """In standard base64, as vodozemac has it."""
    session_key: str
    """Exported at the first index that is known."""
    sender_key: str
    """The Curve25519 key of the sending device."""
    sender_claimed_keys: dict[str, str]
    """`ed25519` of the sending device."""
    user_id: Whole
    username: str = ""
    """As the device list named the user when the session was received."""
    device: str
    master: str
    """The sender's master key when the session was received."""
    first_index: Whole = 0
    key_from: str = ""
    """The member who gave the key, if it was not its author."""
    algorithm: str = MEGOLM
    forwarding_curve25519_key_chain: tuple[str, ...] = ()


class DeviceName(msgspec.Struct, frozen=True, kw_only=True):
    """What the user calls a device. The later one counts."""

    device: str
    name: str
    set_ms: Whole = 0


def session_item_name(uid: str, session: str) -> str:
    """The name of a session in the queue of the backup; `session` in base64url.

    >>> session_item_name("room", "session")
    'room/session'
    """
    return f"{uid}/{session}"


def is_better(held: BackupSession | None, offered: BackupSession) -> bool:
    """Whether an offered copy of a session reads more than the one that is held."""
    return held is None or offered.first_index < held.first_index


def is_of(item: BackupSession, uid: str, session: str) -> bool:
    """Whether the item is the session that its name says."""
    try:
        same = item.session_id == _standard(session)
    except ValueError:
        return False
    return same and item.room_id == matrix_room(uid)


def _standard(session: str) -> str:
    return base64.b64encode(from_base64url(session)).rstrip(b"=").decode("ascii")
