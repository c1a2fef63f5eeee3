"""Notes: typed facts that the core passes to a face. `client.text.note_text` turns them into sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from chatterbox.wire.frames import Command, Membership, Message, Reply, RoomState
from chatterbox.wire.people import Presence, Profile
from chatterbox.wire.position import Position
from client.core.outbox_entry import OutboxEntry
from client.core.read_state.room_read_state import RoomReadState
from client.encryption.core.trust import Trust
from client.encryption.message_encryption import WaitReason


@dataclass(frozen=True, slots=True)
class Connecting:
    """The client opens its first connection."""


@dataclass(frozen=True, slots=True)
class WelcomeReceived:
    """The server welcomed the client. `again`: after a lost connection; `server`: the gateway replica."""

    username: str
    rooms: tuple[RoomState, ...]
    unsent: int
    again: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was lost (`was_live`) or could not be opened; the next attempt starts in `retry_s` seconds.

    `repeated`: a face need not show it again, as the attempts follow each other quickly.
    """

    why: str
    retry_s: float
    unsent: int
    was_live: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The gateway asked the client to reconnect, and it does."""


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """`to_go` messages of `room` were stored while the client was away; they follow, in order."""

    room: str
    to_go: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Every message that was missed in `room` has been shown."""

    room: str


@dataclass(frozen=True, slots=True)
class MessageShown:
    """The next message of its room; each comes once, in order. `mine`: sent by this user."""

    message: Message
    mine: bool


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """A message that was shown before is otherwise now: edited, deleted, reacted to, pinned, or replied to.

    A face replaces what it shows of it, only if `message.rev` is greater than that of the message that it holds, and
    does nothing if it holds none. `mine`: sent by this user. `by`, `did` and `what` are those of
    `chatterbox.wire.frames.Change`: empty if it happened while the client was away.
    """

    message: Message
    mine: bool
    by: str = ""
    did: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class RoomEntered:
    """The user is in `room`; `messages` are its recent ones, oldest first."""

    room: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RoomReset:
    """The history of `room` was replaced (a backup was restored); reading continues after `at`."""

    room: str
    at: Position


@dataclass(frozen=True, slots=True)
class MessagesMissing:
    """The server could not return `count` messages of `room` before the next one shown."""

    room: str
    count: int


class GoneReason(Enum):
    """Why the user is no longer in a room."""

    UNKNOWN = auto()
    """It happened while the client or its gateway was away."""
    LEFT = auto()
    """The user left in another client."""
    REMOVED = auto()
    DELETED = auto()
    """The room was deleted."""


@dataclass(frozen=True, slots=True)
class RoomGone:
    """The user is no longer a member of `room`, and did not leave it in this client. `by`: who did that, if known."""

    room: str
    reason: GoneReason = GoneReason.UNKNOWN
    by: str = ""


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """A user joined or left a room. `mine`: it is this user."""

    membership: Membership
    mine: bool


@dataclass(frozen=True, slots=True)
class TopicChange:
    """The topic of `room` is new to this client. `by`: who set it, if it changed just now."""

    room: str
    topic: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ReadStateTold:
    """The server told the user's read state of `room`, as it is now: at a welcome, and whenever a device changes it.

    `state` includes what this device knows beyond that. Messages that come later are counted without a note:
    `ClientState.read_states` has the present state.
    """

    room: str
    state: RoomReadState


@dataclass(frozen=True, slots=True)
class PresenceTold:
    """The presence of these users on the screen, by folded names, changed; `ClientState.people` has it, too."""

    people: tuple[Presence, ...]


@dataclass(frozen=True, slots=True)
class ProfileTold:
    """The profile of a user on the screen, by folded name, or of this user changed: what the user may see of it."""

    username: str
    profile: Profile


@dataclass(frozen=True, slots=True)
class TypingTold:
    """Who is typing in the room on the screen, as of now: at most five usernames, and how many others."""

    room: str
    who: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptsTold:
    """How far others have read the room on the screen, by username: all that is known of it."""

    room: str
    read_by: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AwayChanged:
    """Whether the user is away changed: this device is in use or not, or the user said so."""

    is_away: bool


@dataclass(frozen=True, slots=True)
class InvitationReceived:
    """`by` invited the user to `room`; it is pending until the user joins or declines."""

    room: str
    by: str


@dataclass(frozen=True, slots=True)
class QueuedOffline:
    """A message was written while offline: it is on disk, and is sent after reconnecting."""

    entry: OutboxEntry


@dataclass(frozen=True, slots=True)
class SendDelayed:
    """The server can't store `entry` now; it is sent again, with the same key, in `retry_s` seconds."""

    entry: OutboxEntry
    detail: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class SendWaits:
    """`entry` can't be encrypted now: it waits until keys come, or the user does what `detail` says."""

    entry: OutboxEntry
    reason: WaitReason
    usernames: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class DirectRenamed:
    """The conversation with `peer` is encrypted from now on; what was `room` before is `earlier` now."""

    room: str
    earlier: str


@dataclass(frozen=True, slots=True)
class KeysTold:
    """Something about keys that the user is to know: a sentence that is inert, and names what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class TrustTold:
    """How the master key of a user is known now, and the day since which."""

    username: str
    trust: Trust
    since: str


@dataclass(frozen=True, slots=True)
class SendStored:
    """The server acknowledged `entry`: it is stored, at this position."""

    entry: OutboxEntry
    at: Position


@dataclass(frozen=True, slots=True)
class SendFailed:
    """The server refused `entry` for good: it is out of the outbox, and its text exists only in this note."""

    entry: OutboxEntry
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """The reply to a command that was requested.

    `earlier`: of an invitation to an encrypted room, how many earlier messages the user can read.
    """

    command: Command
    reply: Reply
    earlier: int | None = None


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """The server refused a command that was requested, or the client was offline (code `offline`)."""

    command: Command
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error from the server that answers no command."""

    detail: str


@dataclass(frozen=True, slots=True)
class SessionOver:
    """The connection ended for good. `code`: the close code that forbids reconnecting; None: the user quit."""

    code: int | None
    why: str


PeopleNote: TypeAlias = PresenceTold | ProfileTold | TypingTold | ReceiptsTold | AwayChanged
"""Notes that a face without a screen never shows: they come often, and would interrupt reading."""
Note: TypeAlias = (
    Connecting
    | WelcomeReceived
    | Disconnected
    | Reconnecting
    | CatchingUp
    | CaughtUp
    | MessageShown
    | MessageChanged
    | RoomEntered
    | RoomReset
    | MessagesMissing
    | RoomGone
    | MembershipChange
    | TopicChange
    | ReadStateTold
    | PeopleNote
    | InvitationReceived
    | QueuedOffline
    | SendDelayed
    | SendWaits
    | DirectRenamed
    | KeysTold
    | TrustTold
    | SendStored
    | SendFailed
    | CommandAnswered
    | CommandRefused
    | ServerError
    | SessionOver
)
