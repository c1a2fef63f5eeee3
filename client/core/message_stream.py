"""Orders one room's messages: each is shown once, in order, and a gap is filled or reported. Pure.

Messages arrive in three ways. A *push* comes in order, so a push beyond the next offset proves a gap, which a page of
history must fill first. An *ack* may overtake pushes, so it proves nothing and waits for its turn. A *page* is read
from history itself: an offset that is missing from it does not exist.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chatterbox.wire.frames import Message, RoomState
from chatterbox.wire.position import Position
from client.core import message_changes
from client.core.message_changes import NO_CHANGES, ChangeProgress

HELD_LIMIT = 1000
"""Messages held behind a gap, per room; any beyond that are read from history again."""

RECENT_AFTER_RESET = 20


@dataclass(frozen=True, slots=True)
class MessageStream:
    """How far a room was shown, and what waits. Every function below returns a new stream."""

    at: Position
    """The last message that was passed on."""
    due: int = 0
    """Pushes only bring messages after this offset; up to it, pages of history are needed."""
    held: Mapping[int, Message] = field(default_factory=dict)
    """Messages behind a gap, by offset."""
    waiting: int | None = None
    """The id of the `join` or `history` command whose reply must arrive before anything else is passed on."""
    target: int | None = None
    """The offset at which catching up ends: the room's head when the connection began."""
    changes: ChangeProgress = NO_CHANGES
    """How far the changes of the room's messages were passed on."""
    heard: str = ""
    """The timestamp of the last message that came, also behind a gap; empty: none did."""

    @property
    def rev(self) -> int | None:
        """The rev up to which changes were passed on; None: not known."""
        return self.changes.rev

    @property
    def needs_page(self) -> bool:
        """Whether there is a known gap, and no page was requested for it."""
        return self.waiting is None and self.at.offset < self.due

    @property
    def to_go(self) -> int:
        """How many messages are missing until the room is caught up."""
        return max(0, (self.target or 0) - self.at.offset)


def start(at: Position, recent: int = 0, changes: ChangeProgress = NO_CHANGES) -> MessageStream:
    """Return a stream that begins `recent` messages before `at`, after which pushes follow."""
    begin = Position(at.epoch, max(0, at.offset - recent))
    return MessageStream(begin, due=at.offset, changes=changes)


def resume(
    stream: MessageStream | None, room: RoomState, recent: int, fresh: ChangeProgress = NO_CHANGES
) -> tuple[MessageStream, bool]:
    """Continue from where the server's welcome says; the second value tells whether the history was replaced.

    `fresh`: the changes of a stream that begins now.
    """
    if stream is None:
        return start(room.at, recent, fresh), False
    if room.reset or room.at.epoch != stream.at.epoch or room.head < stream.at.offset:
        return start(room.at, max(recent, RECENT_AFTER_RESET), fresh), True
    target = room.head if room.head > stream.at.offset else None
    changes = message_changes.take_told(stream.changes, room.rev)
    return MessageStream(stream.at, due=room.at.offset, target=target, changes=changes, heard=stream.heard), False


def disconnect(stream: MessageStream) -> MessageStream:
    """Keep only the positions: whatever was on its way is requested again."""
    return MessageStream(stream.at, changes=message_changes.disconnect(stream.changes), heard=stream.heard)


def hear(stream: MessageStream, message: Message) -> MessageStream:
    """Note when the room was heard from last."""
    return replace(stream, heard=message.timestamp) if message.timestamp > stream.heard else stream


def take_push(stream: MessageStream, message: Message) -> tuple[MessageStream, list[Message]]:
    """Take a pushed message of the stream's epoch; return what can be shown now."""
    offset = message.at.offset
    if offset <= stream.at.offset:
        return stream, []
    if offset == stream.at.offset + 1 and not stream.held and stream.waiting is None:
        return replace(stream, at=message.at), [message]
    if len(stream.held) >= HELD_LIMIT and offset != stream.at.offset + 1:
        return replace(stream, due=max(stream.due, offset)), []
    return _drain(_hold(replace(stream, due=max(stream.due, offset - 1)), message))


def take_ack(stream: MessageStream, message: Message) -> tuple[MessageStream, list[Message]]:
    """Take a message that may come before its turn: the user's own, from its ack, or one that changed.

    It waits for its turn if that has not come yet; its push is then a duplicate.
    """
    is_shown = message.at.offset <= stream.at.offset
    if is_shown or message.at.epoch != stream.at.epoch or len(stream.held) >= HELD_LIMIT:
        return stream, []
    return _drain(_hold(stream, message))


def take_page(
    stream: MessageStream, messages: Iterable[Message], unreadable: int = 0
) -> tuple[MessageStream, list[Message], int]:
    """Take a page that was requested with `after`; the number counts messages that turned out not to exist.

    `unreadable`: how many items of the page this client can't read; after a page of nothing else, the next one is
    requested.
    """
    at, missing, passed = stream.at.offset, 0, []
    for message in messages:
        if message.at.offset > at:
            missing += message.at.offset - at - 1
            at = message.at.offset
            passed.append(_later(stream, message))
    if not passed:
        missing = max(0, min(stream.due - at, unreadable or stream.due))
        at += missing
    stream, held = _drain(replace(stream, at=Position(stream.at.epoch, at), waiting=None))
    return stream, passed + held, missing


def take_joined(
    stream: MessageStream | None, at: Position, fresh: ChangeProgress = NO_CHANGES
) -> tuple[MessageStream, list[Message]]:
    """Continue after `at`: the reply to `join` contained the recent messages up to there."""
    if stream is None or stream.at.epoch != at.epoch:
        return MessageStream(at, changes=fresh), []
    ahead = stream.at if stream.at.offset > at.offset else at
    return _drain(replace(stream, at=ahead, waiting=None))


def missing_in(messages: Sequence[Message], at: Position) -> int:
    """How many offsets the recent messages skip from the first of them up to `at`."""
    return at.offset - messages[0].at.offset + 1 - len(messages) if messages else 0


def stop_waiting(stream: MessageStream) -> tuple[MessageStream, list[Message]]:
    """Pass messages on again: the reply that was waited for will not arrive."""
    return _drain(replace(stream, waiting=None))


def _hold(stream: MessageStream, message: Message) -> MessageStream:
    return replace(stream, held={**stream.held, message.at.offset: _later(stream, message)})


def _later(stream: MessageStream, message: Message) -> Message:
    """Of a message and the version of it that is held, the one that changed last."""
    held = stream.held.get(message.at.offset)
    return message if held is None or held.rev <= message.rev else held


def _drain(stream: MessageStream) -> tuple[MessageStream, list[Message]]:
    """Pass on the held messages that follow without a gap."""
    if stream.waiting is not None:
        return stream, []
    held, at, passed = dict(stream.held), stream.at, []
    while (message := held.pop(at.offset + 1, None)) is not None:
        at = message.at
        passed.append(message)
    left = {offset: message for offset, message in held.items() if offset > at.offset}
    return replace(stream, at=at, held=left), passed
