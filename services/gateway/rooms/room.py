"""A room on this gateway: its message stream, live and behind connections, and fan-out."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.position import Position, ResumePoint
from services.gateway.core.change_frames import change_frames
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import RoomStream
from services.gateway.metrics import GatewayMetrics

HELD_PAYLOADS = 1000
"""Broker payloads held while a room is being opened; further ones are dropped and read from history later."""
MAX_BATCH_WINDOW_S = 0.02
"""Longest time that a message in a busy room waits for others to be written with it (seconds)."""
MIN_BATCH_WINDOW_S = 0.001
"""Shorter windows are not used: event-loop timers have millisecond resolution."""
WRITE_S = 10e-6
"""Approximate time of one write to one connection, most of it in the kernel (seconds; see `bench`)."""
CHANGE_S = 250e-6
"""Least time between two writes of changes, per connection that they are written to (seconds)."""
CHANGE_BYTES_PER_S = 8_000_000
"""Most bytes of changes per second that one room writes, over all connections."""


def batch_window_s(members: int) -> float:
    """How long a message in a busy room waits for others: eight times the duration of its fan-out (seconds).

    One room's fan-out therefore takes about a ninth of the gateway's time, and further messages in the window cost
    almost nothing; and a large room spread over four gateways waits as long on each as it would on one.

    >>> [batch_window_s(members) for members in (10, 100, 250, 1000)]
    [0.0, 0.008, 0.02, 0.02]
    """
    window_s = min(MAX_BATCH_WINDOW_S, 8 * WRITE_S * members)
    return window_s if window_s >= MIN_BATCH_WINDOW_S else 0.0


def change_pause_s(members: int, size_bytes: int) -> float:
    """How long further changes wait after a write of `size_bytes` to each of `members` connections (seconds).

    Of several changes of one message that wait, only the last is written: a flood of reactions in a large room costs
    each member four small writes a second.

    >>> [change_pause_s(members, 500) for members in (4, 1000)]
    [0.001, 0.25]
    >>> change_pause_s(1000, 20_000)
    2.5
    """
    return members * max(CHANGE_S, size_bytes / CHANGE_BYTES_PER_S)


class HeldChanges(NamedTuple):
    """What a connection that is behind holds of a room's changes: those up to `rev`, of messages from `first` on."""

    rev: int
    first: int = 1


class RoomSocket(Protocol):
    """What rooms need of a connection's socket; `LiveSocket` implements it."""

    @property
    def try_write(self) -> Callable[[bytes], int]: ...
    @property
    def unsent_bytes(self) -> int: ...
    def write(self, frames: bytes) -> None: ...


class RoomConnection(Protocol):
    """What rooms need of a connection; `Connection` implements it."""

    @property
    def connection_id(self) -> str: ...
    @property
    def socket(self) -> RoomSocket: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def is_full(self) -> bool: ...
    def send(self, frame: frames.ServerFrame) -> None: ...
    def write(self, finished: bytes) -> None: ...
    def close(self, code: CloseCode) -> None: ...
    def count_pushed(self, messages: int) -> None: ...


class Room:
    """Every connection of a member is in exactly one of `live` and `behind`.

    A live connection has been written every message up to `sent` and every change up to `changes.written`. For one that
    is behind, `behind` has the offset up to which it has been written, and `held_changes` the rev; `catch_up` brings it
    back to `live`.
    """

    __slots__ = ("_changes_due_s", "_is_change_flush_due", "_last_message_s", "_loop", "behind", "changes", "encrypted",
                 "held", "held_changes", "idle_since_s", "live", "metrics", "name", "pending", "private", "room_id",
                 "sent", "stream", "topic", "topic_unsent", "uid")  # fmt: skip

    def __init__(
        self,
        info: history_api.RoomInfo,
        metrics: GatewayMetrics | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.room_id = info.room_id
        self.name = info.room
        self.private = info.private
        self.encrypted = info.encrypted
        """Whether it takes encrypted messages only; that never changes."""
        self.uid = info.uid
        """Its name inside encrypted messages."""
        self.topic: str | None = None
        """None until the room is open or its topic changes."""
        self.topic_unsent: set[RoomConnection] = set()
        """Connections that were full when the topic changed."""
        self.metrics = metrics or GatewayMetrics()
        self.live: dict[RoomConnection, Callable[[bytes], int]] = {}
        """Each with its socket's `try_write`, which fan-out calls directly."""
        self.behind: dict[RoomConnection, int] = {}
        self.held_changes: dict[RoomConnection, HeldChanges] = {}
        """Of connections that are behind; absent: no message had changed yet when they fell behind."""
        self.pending: list[bytes] = []
        self.sent = 0
        self.stream: RoomStream | None = None
        self.changes: RoomChanges | None = None
        """None while no message of the room ever changed."""
        self.held: list[bytes] = []
        """Broker payloads received before the room was open."""
        self.idle_since_s = 0.0
        self._loop = loop or asyncio.get_running_loop()
        self._last_message_s = float("-inf")
        self._changes_due_s = float("-inf")
        """Changes are not written earlier, by the event loop's clock."""
        self._is_change_flush_due = False

    @property
    def opened(self) -> RoomStream:
        """The stream; only for a room that is open."""
        assert self.stream is not None  # noqa: S101 - callers awaited RoomFeed.open
        return self.stream

    @property
    def at(self) -> Position:
        """Position of the last message that this gateway can have delivered."""
        return Position(self.opened.epoch, self.opened.head)

    @property
    def is_idle(self) -> bool:
        return not self.live and not self.behind

    @property
    def rev(self) -> int:
        """The last rev that this gateway has told, or is about to; 0: no message ever changed."""
        return 0 if self.changes is None else self.changes.told

    @property
    def has_gap(self) -> bool:
        """Whether messages or changes are missing, and must be read from history."""
        return self.opened.has_gap or (self.changes is not None and self.changes.has_gap)

    def covers(self, position: Position) -> bool:
        """Whether `position` is of this epoch and not beyond the last message and change received here."""
        if isinstance(position, ResumePoint) and (position.rev or 0) > self.rev:
            return False
        return position.epoch == self.at.epoch and position.offset <= self.at.offset

    # Opening and idling

    def hold(self, payload: bytes) -> None:
        """Keep a broker payload until the room is open."""
        if len(self.held) < HELD_PAYLOADS:
            self.held.append(payload)

    def open(self, stream: RoomStream, topic: str, rev: int = 0) -> list[bytes]:
        """Begin with `stream`, as of `rev`, and, unless it has changed meanwhile, `topic`.

        Returns the payloads held until now.
        """
        self.stream = stream
        if rev:
            self.changes = RoomChanges(stream, rev)
        self.sent = stream.head
        self.topic = topic if self.topic is None else self.topic
        held, self.held = self.held, []
        return held

    def note_idle(self, now_s: float) -> None:
        """Note since when the room has no connection, if it has none; `now_s` is monotonic seconds."""
        if self.is_idle:
            self.idle_since_s = now_s

    def close_connections(self, code: CloseCode) -> None:
        """Close every connection that is subscribed to the room; clients reconnect and read its state."""
        for connection in (*self.live, *self.behind):
            connection.close(code)

    # Changes

    def begin_changes(self) -> RoomChanges:
        """The changes of the room; from now on it has some."""
        if self.changes is None:
            self.changes = RoomChanges(self.opened, 0)
        return self.changes

    def tell(self, changed: Sequence[ChangedMessage]) -> None:
        """Send changes that have just been told to every live connection: in a quiet room at the end of this turn.

        While changes are frequent, they wait for more, and messages leave without them.
        """
        if self.pending:
            self._set_right_pending(changed)
        if self.begin_changes().is_large:
            self._changes_due_s = float("-inf")
            self.flush()
        elif not self._is_change_flush_due:
            self._schedule_change_flush()

    def _schedule_change_flush(self) -> None:
        self._is_change_flush_due = True
        wait_s = self._changes_due_s - self._loop.time()
        if wait_s > 0:
            self._loop.call_later(wait_s, self._flush_changes)
        else:
            self._loop.call_soon(self._flush_changes)

    def _set_right_pending(self, changed: Sequence[ChangedMessage]) -> None:
        stream = self.opened
        for change in changed:
            if stream.head - len(self.pending) < change.offset <= stream.head and change.offset not in stream.ahead:
                self.pending[change.offset - stream.head - 1] = text_frame(change.frame)

    def _flush_changes(self) -> None:
        self._is_change_flush_due = False
        self.flush()
        changes = self.changes
        if changes is not None and changes.told > changes.written:  # others were written since this was scheduled
            self._schedule_change_flush()

    def set_right(self, page: history_api.StoredPage) -> list[bytes] | None:
        """The payloads of a page of consecutive messages, as new as what was told here; None: it must be read again.

        Changes of one epoch say nothing about the messages of another, which a restored backup begins.
        """
        payloads = [bytes(frame) for frame in page.frames]
        if self.changes is None or page.epoch != self.opened.epoch:
            return payloads
        return self.changes.right(page.rev, page.first, payloads, page.revs)

    # Fan-out

    def deliver(self, ready: Sequence[bytes]) -> None:
        """Send frames to every live connection: in a quiet room at the end of this event-loop turn.

        In a busy room, where the previous message is recent, they wait for more. Either way they leave in one write.
        """
        if not ready:
            return
        now_s = self._loop.time()
        if not self.pending:
            self._schedule_flush(now_s - self._last_message_s)
        self._last_message_s = now_s
        self.pending.extend(ready)

    def _schedule_flush(self, since_last_s: float) -> None:
        """Flush soon; the time since the last message decides whether the room is busy or quiet.

        The time since the last write would not do: a message that waited in vain is written late, so the next one,
        arriving soon after that write, would wait in vain as well, and so on.
        """
        window_s = batch_window_s(len(self.live))
        if since_last_s < window_s:
            self._loop.call_later(window_s, self.flush)
        else:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write pending messages now: one system call per connection, whatever the number of messages."""
        if self.stream is not None:
            self.sent = self.stream.head
        changes = self.changes
        if changes is not None and changes.told > changes.written and self._loop.time() >= self._changes_due_s:
            self._write_pending(self._unwritten_changes(changes))
        elif self.pending:
            self._write_pending()

    def _unwritten_changes(self, changes: RoomChanges) -> bytes:
        """The changes to write now, which are then written; further ones wait a while."""
        written, changed = changes.written, changes.since(changes.written, last=self.opened.head) or []
        changes.note_written()
        if not self.live:
            return b""
        joined = b"".join(frame for _, frame in change_frames(self.name, written, changed, changes.told, live=True))
        self._changes_due_s = self._loop.time() + change_pause_s(len(self.live), len(joined))
        self.metrics.changes_delivered.inc(len(self.live) * len(changed))
        return joined

    def _write_pending(self, changes: bytes = b"") -> None:
        began_s = time.perf_counter()
        joined = b"".join(self.pending)
        if changes:
            joined += changes
        self.metrics.deliveries.inc(len(self.live) * len(self.pending))
        self.pending.clear()
        for connection, accepted in self._write_live(joined):
            connection.socket.write(joined[accepted:])
        self.metrics.fan_out_s.observe(time.perf_counter() - began_s)

    def _write_live(self, joined: bytes) -> list[tuple[RoomConnection, int]]:
        """Write to every live connection; returns those whose kernel accepted only part, with the bytes accepted."""
        unfinished: list[tuple[RoomConnection, int]] = []
        size_bytes = len(joined)
        for connection, try_write in self.live.items():
            try:
                accepted = try_write(joined)
            except OSError:  # full or disconnected; its transport finds out which
                accepted = 0
            if accepted != size_bytes:
                unfinished.append((connection, accepted))
        return unfinished

    # Membership and topic

    def notify_members(self, frame: frames.Membership, exclude: Collection[RoomConnection]) -> None:
        """Send a membership change to every live connection except those of the user concerned, who get more."""
        self.flush()
        encoded = text_frame(codec.encode(frame))
        for connection in tuple(self.live):
            if connection not in exclude:
                connection.write(encoded)

    def set_topic(self, topic: str, by: str | None = None) -> None:
        """Change the topic and send it to every connection; a full one gets it once it is live again."""
        if topic == self.topic:
            return
        self.topic = topic
        self.flush()
        encoded = text_frame(codec.encode(frames.TopicUpdate(room=self.name, topic=topic, by=by)))
        for connection in (*self.live, *self.behind):
            if connection.is_full:
                self.topic_unsent.add(connection)
            else:
                connection.write(encoded)

    def send_missed_topic(self, connection: RoomConnection) -> None:
        """Send the topic to a connection that is live again, if it was full when the topic changed."""
        if connection in self.topic_unsent:
            self.topic_unsent.discard(connection)
            connection.send(frames.TopicUpdate(room=self.name, topic=self.topic or ""))

    # Connections

    def attach(self, connection: RoomConnection, offset: int, held: HeldChanges | None = None) -> None:
        """Add a connection that has every message up to `offset`; one whose socket is full starts behind.

        `held` is what it holds of the changes. Without, they begin with the next one.
        """
        self.flush()
        connection.count_pushed(-offset)
        if self.changes is not None:
            self.held_changes[connection] = held or HeldChanges(self.changes.told)
        if offset == self.sent and not connection.is_full and self._holds_written_changes(held):
            self.go_live(connection)
        else:
            self.behind[connection] = offset

    def _holds_written_changes(self, held: HeldChanges | None) -> bool:
        return self.changes is None or held is None or held.rev >= self.changes.written

    def go_live(self, connection: RoomConnection) -> None:
        """Start pushing to a connection that is not full and has every message up to `sent`."""
        self.behind.pop(connection, None)
        self.held_changes.pop(connection, None)
        self.live[connection] = connection.socket.try_write

    def note_written(self, connection: RoomConnection, messages: int) -> None:
        """Advance a connection that is behind by the `messages` that it was written."""
        self.behind[connection] += messages

    def held_by(self, connection: RoomConnection) -> HeldChanges:
        """What a connection that is behind holds of the changes."""
        return self.held_changes.get(connection) or HeldChanges(0)

    def note_told(self, connection: RoomConnection, rev: int) -> None:
        """A connection that is behind has been written the changes up to `rev`."""
        self.held_changes[connection] = self.held_by(connection)._replace(rev=rev)

    def note_page(self, connection: RoomConnection) -> None:
        """A connection reads a page: it is told changes of all messages, also of those before what it held."""
        if (held := self.held_changes.get(connection)) is not None:
            self.held_changes[connection] = held._replace(first=1)

    def detach(self, connection: RoomConnection) -> None:
        """Remove a connection; its offset tells how many messages it was pushed, so deliveries are not counted."""
        self.topic_unsent.discard(connection)
        self.held_changes.pop(connection, None)
        if self.live.pop(connection, None) is not None:
            connection.count_pushed(self.sent)
        elif connection in self.behind:
            connection.count_pushed(self.behind.pop(connection))

    def fall_behind(self, connection: RoomConnection) -> None:
        """Stop pushing to a connection that accepts no more, and note its offset.

        It is told the changes of all messages, as every live connection is, even if it resumed with a later `first`:
        while it was live, it may have read pages before that, which are not noted. The rev bounds what this costs: only
        what changed since it fell behind is read.
        """
        if self.live.pop(connection, None) is not None:
            self.behind[connection] = self.sent
            if self.changes is not None:
                self.held_changes[connection] = HeldChanges(self.changes.written)
