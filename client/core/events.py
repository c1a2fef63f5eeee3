"""Events that the core takes and effects that it returns. Data only.

A `Request` is what a person's action makes, in any face: `client.net.chat_connection.ChatConnection.request` takes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.frames import AttachedFile, Command, ServerFrame
from chatterbox.wire.position import ResumePoint
from client.core.direct_rooms import NONE_ENCRYPTED, EncryptedDirects
from client.core.message_changes import HeldMessages
from client.core.notes import CommandAnswered, Note, SessionOver
from client.core.outbox_entry import OutboxEntry
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import (
    EncryptedContent,
    EncryptedRoom,
    EncryptionWaits,
    PlainContent,
    SignedCommand,
)


@dataclass(frozen=True, slots=True)
class Started:
    """The client starts; `entries` are what an earlier run left in the outbox, in order.

    `username`: whose session it is, if that is known before the first welcome. `encrypted_directs`: what earlier runs
    knew.
    """

    entries: tuple[OutboxEntry, ...] = ()
    username: str = ""
    encrypted_directs: EncryptedDirects = NONE_ENCRYPTED


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """The WebSocket handshake succeeded. `held`: what the face holds of each room; None: it holds no messages, ever."""

    held: Mapping[str, HeldMessages] | None = None


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """The server sent a frame."""

    frame: ServerFrame


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection ended, or could not be opened. `code`: the server's close code, if it sent one.

    `roll` is a random number from 0 to 1, for the jitter; `after_s`: how long the server asks us to wait, in seconds.
    """

    why: str
    roll: float
    code: int | None = None
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SendRequested:
    """Send a message. It reaches the core as `MessageQueued`, once it is valid and on disk.

    `reply_to`: the offset of the message that it answers; 0: none. `files` are uploaded; then `content` may be empty.
    """

    room: str
    content: str
    reply_to: int = 0
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageQueued:
    """A message is in the outbox, on disk."""

    entry: OutboxEntry


@dataclass(frozen=True, slots=True)
class EntryTakenBack:
    """The user took back an unsent message; it is deleted from disk. Not for one that is in flight."""

    key: str


@dataclass(frozen=True, slots=True)
class EntryEdited:
    """The user edited an unsent message; its text on disk is `text` now."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class KeysAccepted:
    """The user sends to `room` although keys of a member changed. It does nothing for members who were verified."""

    room: str


@dataclass(frozen=True, slots=True)
class ContentEncrypted:
    """What `EncryptContent` asked for, under the same number."""

    job: int
    content: EncryptedContent


@dataclass(frozen=True, slots=True)
class CommandSigned:
    """What `SignCommand` asked for, under the same number. `history`: of the room to which a user is invited."""

    job: int
    command: SignedCommand
    history: NewcomerHistory | None = None


@dataclass(frozen=True, slots=True)
class EncryptionRefused:
    """What `EncryptContent` or `SignCommand` asked for is not possible now.

    `detail` is a sentence that says why and what to do; `code`: of the server's refusal, if it was one.
    """

    job: int
    waits: EncryptionWaits
    detail: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class EncryptionReady:
    """Messages that wait may be encrypted now: keys came, or were accepted."""


@dataclass(frozen=True, slots=True)
class HistoryShared:
    """What `ShareHistory` asked for is done, as far as it can be now: `answered` may be shown."""

    answered: CommandAnswered


@dataclass(frozen=True, slots=True)
class MessagesDecrypted:
    """Messages of `room`, by the server's name, that could not be read before, or not so well."""

    room: str
    messages: tuple[DecryptedMessage, ...]


@dataclass(frozen=True, slots=True)
class TopicDecrypted:
    """The topic of `room`, by the server's name; None: it has one that can't be read here."""

    room: str
    topic: str | None


@dataclass(frozen=True, slots=True)
class CommandRequested:
    """Send a command; the core sets its id. The reply is a `CommandAnswered` or `CommandRefused` note.

    `history`: what new members can read of an encrypted room that is created.
    """

    command: Command
    history: NewcomerHistory | None = None


@dataclass(frozen=True, slots=True)
class RoomRequested:
    """Join a room and show its recent messages, with a `RoomEntered` note."""

    room: str


@dataclass(frozen=True, slots=True)
class RoomRead:
    """The user has read `room` up to the message at `offset`.

    `turn`: the turn in which that was, if it is from an earlier run (`RoomReadState.mark.turn`); None: now.
    """

    room: str
    offset: int
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class RoomMarkedUnread:
    """The user wants to read the messages of `room` after `offset` later: they are unread again."""

    room: str
    offset: int


@dataclass(frozen=True, slots=True)
class PeopleShown:
    """These names are on the screen, those that matter most first: the server tells their presence and profiles."""

    usernames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoomLooked:
    """`room` is on the screen (empty: none): the server tells who types in it, and who has read it."""

    room: str


@dataclass(frozen=True, slots=True)
class UserTyped:
    """The user pressed a key that writes to `room`. Feed it at each key: the core paces what it sends."""

    room: str


@dataclass(frozen=True, slots=True)
class TypingShared:
    """Whether the server is told that the user is typing: the user's own switch."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class DeviceUsed:
    """The user pressed a key, or the terminal got the focus. Without one for five minutes, the user is away."""


@dataclass(frozen=True, slots=True)
class AwaySet:
    """The user said that they are away, or back."""

    is_away: bool


@dataclass(frozen=True, slots=True)
class TokenRenewed:
    """The token was renewed; this connection should use the new one, too."""


@dataclass(frozen=True, slots=True)
class QuitRequested:
    """Disconnect for good."""


@dataclass(frozen=True, slots=True)
class ReplyOverdue:
    """A timer: the reply to command `command_id` is overdue."""

    command_id: int


@dataclass(frozen=True, slots=True)
class RetryDue:
    """A timer: the wait after the server refused command `command_id` for `room` is over."""

    room: str
    command_id: int


@dataclass(frozen=True, slots=True)
class PageDue:
    """A timer: the wait after the server refused command `command_id`, for a page of the room list, is over."""

    command_id: int


@dataclass(frozen=True, slots=True)
class ReadDue:
    """A timer: the pause number `pause`, before the next `read` for a room, is over."""

    room: str
    pause: int


@dataclass(frozen=True, slots=True)
class PaceDue:
    """A timer, number `timer`: more commands may be sent again."""

    timer: int


@dataclass(frozen=True, slots=True)
class ConnectionStable:
    """A timer: connection number `connection` has been up long enough to count as stable."""

    connection: int


@dataclass(frozen=True, slots=True)
class MoveDue:
    """A timer: the delay that a `move` frame gave connection number `connection` is over."""

    connection: int


@dataclass(frozen=True, slots=True)
class TellDue:
    """A timer, number `timer`: what was held back of the screen may be told the server."""

    timer: int


@dataclass(frozen=True, slots=True)
class TypingDue:
    """A timer, number `timer`: the server may be told again that the user is typing in `room`."""

    room: str
    timer: int


@dataclass(frozen=True, slots=True)
class TypingOver:
    """A timer: what was told of typing no longer counts, unless the server told more after update number `update`."""

    update: int


@dataclass(frozen=True, slots=True)
class MinuteOver:
    """A timer: another minute of this device is over, in use or not."""


TypedRequest: TypeAlias = SendRequested | CommandRequested | RoomRequested | QuitRequested
EncryptionEvent: TypeAlias = (
    ContentEncrypted
    | CommandSigned
    | HistoryShared
    | EncryptionRefused
    | EncryptionReady
    | MessagesDecrypted
    | TopicDecrypted
)
"""What the shell of encryption feeds."""
"""What a person types, or a script asks."""
PeopleRequest: TypeAlias = PeopleShown | RoomLooked | UserTyped | TypingShared | DeviceUsed | AwaySet
"""What a face tells of the screen and of who sits before it."""
Request: TypeAlias = TypedRequest | KeysAccepted | RoomRead | RoomMarkedUnread | PeopleRequest
"""What a face asks of the connection."""
PeopleTimer: TypeAlias = TellDue | TypingDue | TypingOver | MinuteOver
Timer: TypeAlias = ReplyOverdue | RetryDue | PageDue | ReadDue | PaceDue | PeopleTimer | ConnectionStable | MoveDue
Event: TypeAlias = (
    Started
    | HandshakeDone
    | FrameReceived
    | ConnectionLost
    | MessageQueued
    | EntryTakenBack
    | EntryEdited
    | CommandRequested
    | RoomRequested
    | RoomRead
    | RoomMarkedUnread
    | PeopleRequest
    | KeysAccepted
    | EncryptionEvent
    | TokenRenewed
    | QuitRequested
    | Timer
)


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a connection after `after_s` seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class SendConnect:
    """Send `connect` with the session's token, which the core never holds."""

    resume: Mapping[str, ResumePoint]
    command_id: int | None = None


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Send a command on the connection."""

    command: Command


@dataclass(frozen=True, slots=True)
class EncryptContent:
    """Encrypt `content`; `ContentEncrypted` or `EncryptionRefused` with the number `job` follows.

    The same key gives the same bytes, unless they are out of date (the last flag but one). With `adds_reaction`,
    `content.reactions` is one emoji that the user adds to theirs on the message, or takes back (False).
    """

    job: int
    key: str
    room: EncryptedRoom
    content: PlainContent
    again: bool = False
    adds_reaction: bool | None = None


@dataclass(frozen=True, slots=True)
class SignCommand:
    """Sign `command`, which has the server's names, or encrypt its topic.

    `CommandSigned` or `EncryptionRefused` with the number `job` follows. `room` is None for a room that is created;
    `history`: what its new members can read.
    """

    job: int
    command: SignedCommand
    room: EncryptedRoom | None
    history: NewcomerHistory | None = None


@dataclass(frozen=True, slots=True)
class ShareHistory:
    """Give earlier keys of `room` to the user who was invited; `HistoryShared` with the reply follows in any case."""

    room: EncryptedRoom
    answered: CommandAnswered


@dataclass(frozen=True, slots=True)
class AcceptKeys:
    """Accept the changed keys of members of `room` who were not verified."""

    room: EncryptedRoom


@dataclass(frozen=True, slots=True)
class KeepEncryptedDirects:
    """Store on disk which direct conversations are encrypted, before anything is sent."""

    encrypted: EncryptedDirects


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Feed `timer` back as an event after `after_s` seconds."""

    after_s: float
    timer: Timer


@dataclass(frozen=True, slots=True)
class DropEntry:
    """Delete an entry from the outbox on disk: it was acknowledged (`stored`), or refused for good and shown."""

    key: str
    stored: bool = True


@dataclass(frozen=True, slots=True)
class MarkTried:
    """Note on disk that every message of the outbox may be sent from now on."""


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection; `ConnectionLost` follows."""


@dataclass(frozen=True, slots=True)
class ShowNote:
    """Pass a note to the face."""

    note: Note


@dataclass(frozen=True, slots=True)
class Stop:
    """Close the connection and end the run."""

    ended: SessionOver


Effect: TypeAlias = (
    Dial
    | SendConnect
    | SendCommand
    | StartTimer
    | DropEntry
    | MarkTried
    | EncryptContent
    | SignCommand
    | ShareHistory
    | AcceptKeys
    | KeepEncryptedDirects
    | CloseConnection
    | ShowNote
    | Stop
)
