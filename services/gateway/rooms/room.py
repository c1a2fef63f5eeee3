"""A room as this gateway sees it: its stream, who hears it live, who is behind. Fan-out happens here."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.position import Position
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import RoomStream
from services.gateway.metrics import GatewayMetrics

if TYPE_CHECKING:
    from services.gateway.connections.connection import Connection
    from services.gateway.connections.member import Member

UNOPENED_PAYLOADS = 1000
"""Broker payloads held while a room is being opened; what is dropped beyond is read from history."""
JOINING_S = 0.02
"""In a busy room messages wait so long at most for others to be written with them (seconds)."""
SHORTEST_JOINING_S = 0.001
"""A shorter wait is none: the event loop's timers count milliseconds."""
WRITE_S = 10e-6
"""About what one write to one connection takes, nearly all of it in the kernel (seconds; see `bench`)."""


def joining_s(members: int) -> float:
    """How long a message waits for others in a room that is busy: eight times as long as its fan-out will take.

    So one room's fan-out takes about a ninth of the gateway's time, and what comes meanwhile costs nearly nothing more;
    and a large room whose members are spread over four gateways waits on each as long as it would on one.

    >>> [joining_s(members) for members in (10, 100, 250, 1000)]
    [0.0, 0.008, 0.02, 0.02]
    """
    wait_s = min(JOINING_S, 8 * WRITE_S * members)
    return wait_s if wait_s >= SHORTEST_JOINING_S else 0.0


class Room:
    """Every connection of a member is in exactly one of `live` and `behind`.

    A live connection has been written everything up to `sent`; one that is behind holds the offset in
    `behind` and is brought up to `live` by `catch_up`.
    """

    __slots__ = ("_came_s", "_loop", "behind", "filling", "idle_since_s", "live", "metrics", "name", "opening",
                 "pending", "private", "room_id", "sent", "stream", "topic", "unopened", "untold")  # fmt: skip

    def __init__(
        self,
        info: history_api.RoomInfo,
        metrics: GatewayMetrics | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.room_id = info.room_id
        self.name = info.room
        self.private = info.private
        self.topic: str | None = None
        """Unknown until the room is open, or it is changed before."""
        self.untold: set[Connection] = set()
        """Connections that were full when the topic changed."""
        self.metrics = metrics or GatewayMetrics()
        self.live: dict[Connection, Callable[[bytes], int]] = {}
        """Each with its socket's `try_write`, which fan-out calls without a detour."""
        self.behind: dict[Connection, int] = {}
        self.pending: list[bytes] = []
        self.sent = 0
        self.stream: RoomStream | None = None
        self.unopened: list[bytes] = []
        self.opening: asyncio.Task[None] | None = None
        self.filling: asyncio.Task[None] | None = None
        self.idle_since_s = 0.0
        self._loop = loop or asyncio.get_running_loop()
        self._came_s = float("-inf")

    @property
    def opened(self) -> RoomStream:
        """The stream of a room that is open."""
        assert self.stream is not None  # noqa: S101 - callers awaited Feed.open
        return self.stream

    @property
    def at(self) -> Position:
        """The position of the last message that connections here could be told of."""
        return Position(self.opened.epoch, self.opened.head)

    @property
    def is_idle(self) -> bool:
        return not self.live and not self.behind

    def reaches(self, position: Position) -> bool:
        """Whether a message at `position`, or after it, has come here."""
        return position.epoch == self.at.epoch and position.offset <= self.at.offset

    def hold(self, payload: bytes) -> None:
        """Keep what the broker brings while the room is not open yet."""
        if len(self.unopened) < UNOPENED_PAYLOADS:
            self.unopened.append(payload)

    def deliver(self, ready: Sequence[bytes]) -> None:
        """Send frames to every live connection: in a quiet room at the end of this turn of the event loop.

        In a busy one, where others came a moment ago, they wait for more. Either way one write has them all.
        """
        if not ready:
            return
        now_s = self._loop.time()
        if not self.pending:
            self._flush_soon(now_s - self._came_s)
        self._came_s = now_s
        self.pending.extend(ready)

    def _flush_soon(self, after_s: float) -> None:
        """`after_s` is how long after the last message this one came: by that a room is busy or quiet.

        Not how long after the last write: a message that waited in vain was written late, and so the next, which comes
        soon after that, would wait in vain as well, and so on.
        """
        wait_s = joining_s(len(self.live))
        if after_s < wait_s:
            self._loop.call_later(wait_s, self.flush)
        else:
            self._loop.call_soon(self.flush)

    def tell_others(self, frame: frames.Membership, member: "Member | None") -> None:
        """Tell every live connection, but those of the `member` whom it is about: they are told more."""
        self.flush()
        told = text_frame(codec.encode(frame))
        for connection in tuple(self.live):
            if connection.member is not member:
                connection.write(told)

    def change_topic(self, topic: str, by: str | None = None) -> None:
        """Take another topic and tell every connection; one that is full hears of it when it is live again."""
        if topic == self.topic:
            return
        self.topic = topic
        self.flush()
        told = text_frame(codec.encode(frames.TopicUpdate(room=self.name, topic=topic, by=by)))
        for connection in (*self.live, *self.behind):
            if connection.is_full:
                self.untold.add(connection)
            else:
                connection.write(told)

    def tell_topic(self, connection: "Connection") -> None:
        """Tell a connection that is live again of the topic, if that changed meanwhile."""
        if connection in self.untold:
            self.untold.discard(connection)
            connection.send(frames.TopicUpdate(room=self.name, topic=self.topic or ""))

    def flush(self) -> None:
        """Write what is pending now: one system call a connection, whatever the number of frames."""
        if self.stream is not None:
            self.sent = self.stream.head
        if self.pending:
            self._write_pending()

    def _write_pending(self) -> None:
        began_s = time.perf_counter()
        joined = b"".join(self.pending)
        self.metrics.deliveries.inc(len(self.live) * len(self.pending))
        self.pending.clear()
        for connection, taken in self._write_live(joined):
            connection.socket.write(joined[taken:])
        self.metrics.fan_out_s.observe(time.perf_counter() - began_s)

    def _write_live(self, joined: bytes) -> list[tuple["Connection", int]]:
        """Write to every live connection; returns those whose kernel did not take all, with the bytes that it took."""
        unfinished: list[tuple[Connection, int]] = []
        size_bytes = len(joined)
        for connection, try_write in self.live.items():
            try:
                taken = try_write(joined)
            except OSError:  # it is full, or gone: its transport finds out which
                taken = 0
            if taken != size_bytes:
                unfinished.append((connection, taken))
        return unfinished

    def attach(self, connection: "Connection", offset: int) -> None:
        """Add a connection that has been told everything up to `offset`; one whose socket is full is behind already."""
        self.flush()
        connection.messages_out -= offset
        if offset == self.sent and not connection.is_full:
            self.go_live(connection)
        else:
            self.behind[connection] = offset

    def go_live(self, connection: "Connection") -> None:
        """Push to a connection that is not full, and has been told everything up to `sent`."""
        self.behind.pop(connection, None)
        self.live[connection] = connection.socket.try_write

    def detach(self, connection: "Connection") -> None:
        """Take a connection out, and note how far it came: offsets tell what it was sent, without a count for each."""
        self.untold.discard(connection)
        if self.live.pop(connection, None) is not None:
            connection.messages_out += self.sent
        elif connection in self.behind:
            connection.messages_out += self.behind.pop(connection)

    def fall_behind(self, connection: "Connection") -> None:
        """Stop pushing to a connection that can't take more; remember where it stands."""
        if self.live.pop(connection, None) is not None:
            self.behind[connection] = self.sent
