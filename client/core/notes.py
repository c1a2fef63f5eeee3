"""What the core tells a face: typed notes, without a word of wording (see `client.text.note_text` for that)."""

from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.frames import Command, Membership, Message, Reply, RoomState
from chatterbox.wire.position import Position
from client.core.outbox_entry import OutboxEntry


@dataclass(frozen=True, slots=True)
class Connecting:
    """A first connection is being made."""


@dataclass(frozen=True, slots=True)
class WelcomeReceived:
    """The server has welcomed us. `again`: after a connection that was lost; `server`: the gateway that took us."""

    username: str
    rooms: tuple[RoomState, ...]
    unsent: int
    again: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection (`was_live`: until now there was), and the next try begins in `retry_s`.

    `known`: it has been told since the last connection, and this is only one more of the tries that follow fast.
    """

    why: str
    retry_s: float
    unsent: int
    was_live: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The gateway asked us to connect anew, and we do."""


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """`to_go` messages of `room` were stored while we were away; they come now, in order."""

    room: str
    to_go: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that was missed in `room` has been told."""

    room: str


@dataclass(frozen=True, slots=True)
class MessageShown:
    """The next message of its room: in order, once. `mine`: from this user."""

    message: Message
    mine: bool


@dataclass(frozen=True, slots=True)
class RoomEntered:
    """We are in `room`; `messages` are its recent ones, oldest first (none if it was entered before)."""

    room: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RoomReset:
    """The history of `room` is another one than before (a backup was restored); we read on after `at`."""

    room: str
    at: Position


@dataclass(frozen=True, slots=True)
class MessagesMissing:
    """The server could not give `count` messages of `room` that stand before the next one shown."""

    room: str
    count: int


@dataclass(frozen=True, slots=True)
class RoomGone:
    """We are no longer a member of `room`."""

    room: str


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """Somebody came into a room or left it."""

    membership: Membership
    mine: bool


@dataclass(frozen=True, slots=True)
class TopicChange:
    """`room` has another topic than it was known to have; `by` whom, if it was changed just now."""

    room: str
    topic: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedOffline:
    """Written without a connection: on disk, and sent once there is one."""

    entry: OutboxEntry


@dataclass(frozen=True, slots=True)
class SendDelayed:
    """The server can't take `entry` just now; the same is tried again in `retry_s`."""

    entry: OutboxEntry
    detail: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class SendStored:
    """The ack: `entry` is stored, at this position."""

    entry: OutboxEntry
    at: Position


@dataclass(frozen=True, slots=True)
class SendFailed:
    """The server will never take `entry` as it stands: it is out of the outbox, and only shown here."""

    entry: OutboxEntry
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """The reply to a command that a person gave."""

    command: Command
    reply: Reply


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """The refusal of a command that a person gave."""

    command: Command
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ServerError:
    """A word of the server's that answers no command."""

    detail: str


@dataclass(frozen=True, slots=True)
class SessionOver:
    """It is over: `code` is the close code that forbids to return, or None if we wanted to go."""

    code: int | None
    why: str


Note: TypeAlias = (
    Connecting
    | WelcomeReceived
    | Disconnected
    | Reconnecting
    | CatchingUp
    | CaughtUp
    | MessageShown
    | RoomEntered
    | RoomReset
    | MessagesMissing
    | RoomGone
    | MembershipChange
    | TopicChange
    | QueuedOffline
    | SendDelayed
    | SendStored
    | SendFailed
    | CommandAnswered
    | CommandRefused
    | ServerError
    | SessionOver
)
