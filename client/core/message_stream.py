"""One room's messages as they may be shown: in order, each once, no hole passed over in silence. Pure.

What arrives is of three kinds. A *push* comes in order, so one beyond the next offset proves a hole, and a
page of history must fill it first. An *ack* may overtake pushes, so it proves nothing and waits its turn. A
*page* is history's own word: an offset that is not in it does not exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from chatterbox.wire.frames import Message, RoomState
from chatterbox.wire.position import Position

HELD_LIMIT = 1000
"""Messages that wait behind a hole, per room; further ones are read from history again."""

RECENT_AFTER_RESET = 20


@dataclass(frozen=True, slots=True)
class MessageStream:
    """How far a room has been told, and what waits. Every function below returns a new one."""

    at: Position
    """The last message that was passed on."""
    due: int = 0
    """Pushes bring only what stands behind this offset; up to here it takes pages of history."""
    held: Mapping[int, Message] = field(default_factory=dict)
    waiting: int | None = None
    """The id of the `join` or `history` command whose reply must come before anything else is passed on."""
    target: int | None = None
    """Where catching up ends: the room's head as the connection began."""

    @property
    def needs_page(self) -> bool:
        """Whether a hole is known that nobody is filling yet."""
        return self.waiting is None and self.at.offset < self.due

    @property
    def to_go(self) -> int:
        """How many messages are missing until we have caught up."""
        return max(0, (self.target or 0) - self.at.offset)


def entered(at: Position, recent: int = 0) -> MessageStream:
    """A stream that begins `recent` messages before the position after which pushes follow."""
    return MessageStream(Position(at.epoch, max(0, at.offset - recent)), due=at.offset)


def welcomed(stream: MessageStream | None, room: RoomState, recent: int) -> tuple[MessageStream, bool]:
    """Go on where the server says that it goes on; the second value tells whether it is another history."""
    if stream is None:
        return entered(room.at, recent), False
    if room.reset or room.at.epoch != stream.at.epoch or room.head < stream.at.offset:
        return entered(room.at, max(recent, RECENT_AFTER_RESET)), True
    target = room.head if room.head > stream.at.offset else None
    return MessageStream(stream.at, due=room.at.offset, target=target), False


def cut(stream: MessageStream) -> MessageStream:
    """Keep only the position: whatever was on its way is asked for again."""
    return MessageStream(stream.at)


def pushed(stream: MessageStream, message: Message) -> tuple[MessageStream, list[Message]]:
    """Take a pushed message of the stream's epoch; return what may be shown now."""
    offset = message.at.offset
    if offset <= stream.at.offset:
        return stream, []
    if offset == stream.at.offset + 1 and not stream.held and stream.waiting is None:
        return replace(stream, at=message.at), [message]
    if len(stream.held) >= HELD_LIMIT and offset != stream.at.offset + 1:
        return replace(stream, due=max(stream.due, offset)), []
    return _drained(_holding(replace(stream, due=max(stream.due, offset - 1)), message))


def acked(stream: MessageStream, message: Message) -> tuple[MessageStream, list[Message]]:
    """Take one's own message, known by its ack; it shows at its turn, and the push of it is then a duplicate."""
    behind = message.at.offset <= stream.at.offset
    if behind or message.at.epoch != stream.at.epoch or len(stream.held) >= HELD_LIMIT:
        return stream, []
    return _drained(_holding(stream, message))


def paged(stream: MessageStream, messages: Iterable[Message]) -> tuple[MessageStream, list[Message], int]:
    """Take a page that was asked for with `after`; the number is of messages that turned out not to exist."""
    at, missing, passed = stream.at.offset, 0, []
    for message in messages:
        if message.at.offset > at:
            missing += message.at.offset - at - 1
            at = message.at.offset
            passed.append(message)
    if not passed:
        missing = max(0, stream.due - at)
        at += missing
    stream, held = _drained(replace(stream, at=Position(stream.at.epoch, at), waiting=None))
    return stream, passed + held, missing


def joined(stream: MessageStream | None, at: Position) -> tuple[MessageStream, list[Message]]:
    """Go on after `at`, up to which the reply to `join` told the recent messages."""
    if stream is None or stream.at.epoch != at.epoch:
        return MessageStream(at), []
    ahead = stream.at if stream.at.offset > at.offset else at
    return _drained(replace(stream, at=ahead, waiting=None))


def freed(stream: MessageStream) -> tuple[MessageStream, list[Message]]:
    """Wait no longer: the reply will not come."""
    return _drained(replace(stream, waiting=None))


def _holding(stream: MessageStream, message: Message) -> MessageStream:
    return replace(stream, held={**stream.held, message.at.offset: message})


def _drained(stream: MessageStream) -> tuple[MessageStream, list[Message]]:
    if stream.waiting is not None:
        return stream, []
    held, at, passed = dict(stream.held), stream.at, []
    while (message := held.pop(at.offset + 1, None)) is not None:
        at = message.at
        passed.append(message)
    left = {offset: message for offset, message in held.items() if offset > at.offset}
    return replace(stream, at=at, held=left), passed
