"""What the connection asks of encryption: the port between `client.net` and the facade `Encryption`.

All of it may be called in the event loop only. The work on the key store happens in a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from chatterbox.wire.encryption.device_keys import DeviceKeys
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.frames import (
    AttachedFile,
    CreateRoom,
    EncryptionPush,
    Invite,
    Leave,
    Message,
    Reaction,
    Remove,
    SetTopic,
    Welcome,
)
from chatterbox.wire.position import Position
from client.encryption.command_link import CommandLink
from client.encryption.core.trust import DecryptedMessage, Trust
from client.encryption.core.verification.verification_state import VerificationNews
from client.encryption.search.covered_offsets import CoveredRange


@dataclass(frozen=True, slots=True)
class EncryptedRoom:
    """An encrypted room: `name` as the server names it, and `uid` as it is named inside encrypted messages."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PlainContent:
    """What is to be encrypted: a text, or with `reactions` all emoji with which the user reacts to a message."""

    text: str = ""
    reply_to: int = 0
    files: tuple[AttachedFile, ...] = ()
    offset: int = 0
    """The message that is edited or reacted to; 0: it is a new message."""
    reactions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class EncryptedContent:
    """What is sent: `envelope` as `content` (or as `envelope` of `react`), with the version of the recipients."""

    envelope: str
    recipients: int


@dataclass(frozen=True, slots=True)
class HistoryGiven:
    """Earlier keys of a room that were given to users whom this user invited."""

    usernames: tuple[str, ...]
    """Empty: they had all of them."""
    sessions: int
    left_out: int
    """Sessions that were too many: the oldest ones."""


SignedCommand: TypeAlias = CreateRoom | Invite | Remove | Leave | SetTopic
"""Commands that need something from the keys when they are about an encrypted room."""


@dataclass(frozen=True, slots=True)
class RoomMembers:
    """What is known here of an encrypted private room: who its members are, by its member log."""

    history: NewcomerHistory
    members: Mapping[str, Trust]
    """How the master key of each is known that the log names, by folded username. Who is `CHANGED` gets no keys now."""


class WaitReason(StrEnum):
    """Why a message can't be encrypted now. `client.text.encryption` has a sentence for each."""

    NO_KEYS = "no_keys"
    """A member has no device that can read yet."""
    KEYS_CHANGED = "keys_changed"
    """A member has other keys than before; sending again accepts them."""
    VERIFIED_KEYS_CHANGED = "verified_keys_changed"
    """The same of a member who was verified: only `/verify` or `/unverify` lets the message go."""
    DEVICE_PENDING = "device_pending"
    """This device is not in the user's list yet."""
    NO_RECOVERY_KEY = "no_recovery_key"
    """The user has not seen the recovery key yet: it is shown before the first message."""
    STORE_SUPERSEDED = "store_superseded"
    """The key store is an old copy, or in use on another computer."""
    MEMBER_LOG_INVALID = "member_log_invalid"
    """The server shows members of a room that no member invited, or withholds who was."""
    ROOM_REPLACED = "room_replaced"
    """Another room has the name now; sending again accepts it."""
    MARKED_PLAIN = "marked_plain"
    """The server says that the room is not encrypted, though its name says that it is."""
    RECIPIENTS_CHANGING = "recipients_changing"
    """Who can read changed several times while the message was encrypted."""
    FAILED = "failed"
    """Anything else; the detail says what."""


class EncryptionWaits(Exception):  # noqa: N818 - an event, not a bug
    """Nothing was encrypted: the message waits, for the reason given. `usernames`: about whom it is."""

    def __init__(self, reason: WaitReason, usernames: tuple[str, ...] = (), detail: str = "") -> None:
        super().__init__(reason, usernames, detail)
        self.reason = reason
        self.usernames = usernames
        self.detail = detail


class KeyComparison(Protocol):
    """Comparing keys with other users, and with devices of one's own. Every call raises `Failure`."""

    on_news: Callable[[VerificationNews], None]
    """Set by the face."""
    on_failure: Callable[[str], None]
    """Set by the face: a device that was compared could not be let in."""

    async def request(self, username: str) -> bool:
        """Compare keys with a user; returns whether they were asked by this, and have to answer first."""

    async def request_own(self, device: str = "", keys: DeviceKeys | None = None) -> bool:
        """Compare keys with a device of the user, whose keys the server shows so; returns as `request`."""

    async def compared(self, username: str, *, same: bool) -> None:
        """The user compared what both screens show."""

    async def cancel(self, username: str) -> None:
        """End all verifications with a user, if there are any."""


class MessageEncryption(Protocol):
    """Encryption of one user on one server, over as many connections as it takes."""

    on_messages: Callable[[str, Sequence[DecryptedMessage]], None]
    """Set by the connection: takes messages of a room, by the server's name, that became readable later."""

    @property
    def verification(self) -> KeyComparison:
        """Comparing keys with other users and devices."""

    on_key_line: Callable[[str], None]
    """Set by the connection: takes a sentence about keys, for the user."""
    on_trust: Callable[[str, Trust, str], None]
    """Set by the connection: takes how the key of a user is known now, and the day since which."""
    on_readiness: Callable[[], None]
    """Set by the connection: is called when a message that waits may be encrypted now (keys came, were accepted, …)."""

    async def start(self, welcome: Welcome, link: CommandLink) -> None:
        """A connection was welcomed: set up the device if needed, and open its inbox. Raises `LinkBroken`."""

    def stop(self) -> None:
        """The connection is lost."""

    async def close(self) -> None:
        """The run ends: finish what was begun."""

    def take(self, push: EncryptionPush) -> None:
        """Take a push, at once."""

    async def encrypt(self, key: str, room: EncryptedRoom, content: PlainContent, *, again: bool) -> EncryptedContent:
        """Encrypt for all who can read `room`; share the keys first if needed.

        `key`: names what is encrypted, in the outbox. The same key gives the same bytes, unless the last argument is
        true: the server refused them with `recipients_stale`. Raises `EncryptionWaits`, `ChatError` and `LinkBroken`.
        """

    async def sign(
        self, command: SignedCommand, room: EncryptedRoom | None, *, history: NewcomerHistory | None = None
    ) -> SignedCommand:
        """The command with the signed entry of the member log that it needs, or with the topic encrypted.

        The member log is read to its end first, so that after `member_log_stale` the same call makes a new entry.
        `room` is None for `create`, and `history` is for `create` only. Raises as `encrypt` does; `ChatError` with
        `user_unknown` if the user who is to be invited has no keys.
        """

    async def give_history(self, room: EncryptedRoom) -> HistoryGiven | None:
        """Give earlier keys of the room to those whom this device invited, if its policy says that they get them.

        To be called when an invitation is stored. Never raises: the rest, and what comes until they join, is
        given later. None: nothing is owed.
        """

    async def decrypt_topic(self, room: EncryptedRoom, topic: str) -> str | None:
        """The topic of a room, which the server has as an envelope; None: it can't be read here."""

    async def members(self, room: EncryptedRoom) -> RoomMembers | None:
        """The members of a room by its member log, as far as that was read; None: nothing is known of it.

        From the key store: the server is asked for nothing. Never raises.
        """

    def forget(self, key: str, *, stored: bool = True) -> None:
        """What `key` names was stored, or given up: its envelope is not needed any more."""

    async def decrypt(self, room: EncryptedRoom, messages: Sequence[Message]) -> list[DecryptedMessage]:
        """Decrypt messages of a room, in order, their reactions included.

        On an unknown session the inbox is read to its head first, for at most three seconds. Never raises: a message
        that can't be read says why. Deleted messages and messages of the server's own stay as they are.
        """

    async def index(self, room: EncryptedRoom, messages: Sequence[Message], covers: CoveredRange) -> None:
        """Decrypt earlier messages of a room for search alone; nothing is shown. Raises `Failure`.

        `covers`: a range in which there are no others.
        """

    async def not_indexed(
        self, heads: Sequence[tuple[EncryptedRoom, Position]], *, locked: int = 0
    ) -> list[tuple[EncryptedRoom, CoveredRange]]:
        """What search does not know of these rooms, up to their newest messages; the newest first. Raises `Failure`.

        `locked`: with this many messages of each whose keys were missing when they were read; they may have come.
        """

    def tell_trust(self) -> None:
        """Tell the connection how keys of users are known, as far as that has changed."""

    def postpone_recovery_key(self) -> None:
        """The user writes the recovery key down later: messages are encrypted meanwhile."""

    def accept_keys(self, room: EncryptedRoom) -> None:
        """The user sends to `room` although keys changed: accept those of members who were not verified."""


def counted(reactions: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Reaction, ...]:
    """The decrypted reactions of users (name, emoji), counted by emoji as plain ones are.

    >>> [(each.emoji, each.n, each.by) for each in counted([("ada", ("+1", "ok")), ("bob", ("ok",))])]
    [('+1', 1, ('ada',)), ('ok', 2, ('ada', 'bob'))]
    """
    by_emoji: dict[str, list[str]] = {}
    for username, emoji in reactions:
        for each in emoji:
            by_emoji.setdefault(each, []).append(username)
    return tuple(Reaction(emoji=emoji, n=len(who), by=tuple(who[:8])) for emoji, who in by_emoji.items())
