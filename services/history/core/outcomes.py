"""What appends and changes of messages have in common: the budget that both spend, and refusals. Pure."""

from collections.abc import Callable
from typing import TypeAlias

from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.history_api import AppendRefused
from chatterbox.wire.limits import Limits

Spend: TypeAlias = Callable[[int], float]
"""Counts a message or change of a user id: 0.0 if it may be stored, else the seconds until one may."""
Mentions: TypeAlias = Callable[[int, int, str], tuple[str, ...]]
"""Finds whom a text mentions that a user id writes in a room id."""
MayWrite: TypeAlias = Callable[[int, int, str], bool]
"""Whether the other member of a direct conversation takes messages: called with room id, user id and username."""
MEMBER, DIRECT, ENCRYPTED, ENCRYPTED_DIRECT = 1, 2, 3, 4
"""Who may write in a room, in the contexts of messages and changes, and how: a member; a member of a direct
conversation, if the other one takes their messages; the same where messages are encrypted. None: not a member."""


def anybody(*_: int | str) -> bool:
    return True


def direct_refusal(member: int | None, may_write: MayWrite, room_id: int, user_id: int, username: str) -> Code | None:
    """Why a user who is not simply a `MEMBER` may not write; None if they may."""
    if not member:
        return Code.NOT_A_MEMBER
    if member == ENCRYPTED or may_write(room_id, user_id, username):
        return None
    return Code.DIRECT_REFUSED


def is_encrypted(member: int | None) -> bool:
    """Whether the messages that this member writes are encrypted."""
    return member is not None and member >= ENCRYPTED


def encryption_refusal(member: int | None, recipients: int, policy: EncryptionPolicy) -> Code | None:
    """Why what a member wrote may not be stored, encrypted (for version `recipients`) or not (0) as it is."""
    if is_encrypted(member):
        return None if recipients else Code.ROOM_ENCRYPTED
    if recipients:
        return Code.ROOM_NOT_ENCRYPTED
    return Code.ENCRYPTION_REQUIRED if member == DIRECT and policy.direct_is_encrypted else None


def unlimited(_: int) -> float:
    return 0.0


def no_mentions(_room_id: int, _user_id: int, _text: str) -> tuple[str, ...]:
    return ()


def refused(code: Code, detail: str | None = None) -> AppendRefused:
    """A refusal, by default with the sentence of its code."""
    return AppendRefused(code, detail or MEANINGS[code].sentence)


def rate_limited(wait_s: float, limits: Limits) -> AppendRefused:
    """The refusal of what may be sent in `wait_s` seconds."""
    detail = f"At most {limits.sends_per_s:g} messages a second ({limits.sends_burst} at once), over all connections."
    return AppendRefused(Code.RATE_LIMITED, detail, round(wait_s, 3))
